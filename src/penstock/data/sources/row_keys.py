"""Which rows of a snapshot have which key, in 16 bytes a row beside its chunks: a newer row finds the one whose place it takes
without a chunk being opened.

A key is known by its keyed hash: half of it finds a row, the other half confirms it. That two keys have one hash has a chance of
2^-128; two keys of one fetch that share the first half (2^-64) could leave an older row in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    import numpy as np

SIZE_BYTES = 16
_NOTHING = bytes(SIZE_BYTES)  # of a row without a key: it takes no place, and nobody takes its own


@final
class RowKeys:
    """The hashes of the keys of rows that come one after the other.

    Parameters
    ----------
    secret : without it nobody can say which key a hash is of.
    """

    def __init__(self, secret: bytes) -> None:
        self._state = blake2b(key=secret, person=b"fetched key", digest_size=SIZE_BYTES)
        self._bytes = bytearray()

    def add(self, key: str | None) -> None:
        if key is None:
            self._bytes += _NOTHING
            return
        state = self._state.copy()
        state.update(key.encode("utf-8", "surrogatepass"))
        self._bytes += state.digest()

    def array(self) -> np.ndarray:
        """uint64, shape (rows, 2); zeros where there is no key."""
        return from_bytes(bytes(self._bytes))


def from_bytes(data: bytes) -> np.ndarray:
    """The array of `to_bytes`."""
    import numpy as np

    return np.frombuffer(data, dtype="<u8").reshape(-1, 2)


def to_bytes(keys: np.ndarray) -> bytes:
    return bytes(keys.astype("<u8").tobytes())


def replaced_within(keys: np.ndarray) -> np.ndarray:
    """Positions of rows of whose key a later row is there, ascending.

    >>> import numpy as np
    >>> replaced_within(np.array([[5, 1], [0, 0], [7, 2], [5, 1], [0, 0]], dtype=np.uint64)).tolist()
    [0]
    """
    import numpy as np

    order = np.lexsort((np.arange(len(keys)), keys[:, 1], keys[:, 0]))
    ordered = keys[order]
    again = (ordered[1:] == ordered[:-1]).all(axis=1) & ordered[1:].any(axis=1)
    return np.sort(order[:-1][again])


def replaced_by(keys: np.ndarray, newer: np.ndarray) -> np.ndarray:
    """Positions of rows whose key is among the newer ones, ascending.

    >>> import numpy as np
    >>> old = np.array([[5, 1], [7, 2], [0, 0], [5, 3]], dtype=np.uint64)
    >>> replaced_by(old, np.array([[5, 1], [0, 0], [9, 9]], dtype=np.uint64)).tolist()
    [0]
    """
    import numpy as np

    newer = newer[newer.any(axis=1)]
    if not len(newer):
        return np.empty(0, dtype=np.int64)
    ordered = newer[np.argsort(newer[:, 0], kind="stable")]
    at = np.minimum(np.searchsorted(ordered[:, 0], keys[:, 0]), len(ordered) - 1)
    return np.flatnonzero((ordered[at] == keys).all(axis=1))


def by_chunk(positions: np.ndarray, sizes: Sequence[int]) -> list[tuple[int, ...]]:
    """Ascending positions in all rows as positions in each of some chunks.

    >>> import numpy as np
    >>> by_chunk(np.array([0, 2, 3]), [2, 1, 4])
    [(0,), (0,), (0,)]
    """
    import numpy as np

    ends = np.cumsum(np.asarray(sizes, dtype=np.int64))
    parts = np.split(positions, np.searchsorted(positions, ends[:-1])) if len(sizes) else []
    starts = (ends - np.asarray(sizes, dtype=np.int64)).tolist()
    return [tuple((part - start).tolist()) for part, start in zip(parts, starts, strict=True)]
