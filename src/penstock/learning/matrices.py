"""Features on disk: made once by the parent, mapped by every worker."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from penstock.learning.learner import Features


def save_matrix(X: Features, path: str) -> None:
    """Write a dense array to ``path.npy``, or the three arrays of a CSR matrix beside it."""
    if isinstance(X, np.ndarray):
        np.save(f"{path}.npy", X)
        return
    for part in ("data", "indices", "indptr"):
        np.save(f"{path}.{part}.npy", getattr(X, part))
    np.save(f"{path}.shape.npy", np.array(X.shape, np.int64))


def load_matrix(path: str) -> Features:
    """What `save_matrix` wrote, mapped into memory."""
    dense = f"{path}.npy"
    if Path(dense).exists():
        return np.asarray(np.load(dense, mmap_mode="r"))
    from scipy.sparse import csr_matrix

    parts = [np.load(f"{path}.{part}.npy") for part in ("data", "indices", "indptr")]
    return csr_matrix((parts[0], parts[1], parts[2]), shape=tuple(np.load(f"{path}.shape.npy")))
