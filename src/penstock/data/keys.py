"""Keys of rows: a row with a key keeps its part whatever else of it is corrected, and whatever columns are joined to it."""

from __future__ import annotations

import numpy as np

from penstock.bundle.decoder import EncodedColumn, Frame
from penstock.data import fingerprints as prints


def key_hashes(column: EncodedColumn) -> np.ndarray:
    """Hashes of keys, uint64, shape (n, 2); zeros where there is none."""
    return prints.row_hashes({"key": column}, len(column.codes))


def key_hashes_of_frame(frame: Frame, key: str | None) -> np.ndarray | None:
    """The same of decoded rows; None where no key is declared or kept."""
    if key is None or key not in frame:
        return None
    texts, codes = prints.encode(frame.columns[key], frame.kinds[key])
    return key_hashes(EncodedColumn(texts, codes))
