"""Which values came before: 64 bits of each, in sorted runs that are merged as they grow."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

from penstock.data.contract.values import Values


class SeenValues:
    """8 bytes for each distinct value, and no more work than sorting them takes.

    Parameters
    ----------
    key : of the hashes, where they are kept: without it nobody finds a value by trying.
    """

    def __init__(self, key: bytes = b"") -> None:
        self._key = key
        self._runs: list[np.ndarray] = []

    @property
    def hashes(self) -> np.ndarray:
        """Of all values so far, rising: uint64."""
        return np.sort(np.concatenate([np.empty(0, np.uint64), *self._runs]))

    def learn(self, hashes: np.ndarray) -> None:
        """Values of other rows: what `hashes` gave of them, with the same key."""
        self._add(hashes)

    def repeated(self, values: Values) -> np.ndarray:
        """Rows of a batch whose value stood in an earlier row, of this batch or of one before: bool, shape (n,)."""
        hashed = np.fromiter(
            (
                _hash(value, self._key) if present else 0
                for value, present in zip(values.typed, values.present, strict=True)
            ),
            np.uint64,
            len(values.texts),
        )
        known = np.zeros(len(hashed), dtype=bool)
        for run in self._runs:
            at = np.searchsorted(run, hashed)
            known |= run[np.minimum(at, len(run) - 1)] == hashed
        known &= values.present
        rows = np.append(known, False)[values.codes]
        held = np.flatnonzero(np.append(values.present, False)[values.codes])
        _, first = np.unique(np.append(hashed, 0)[values.codes[held]], return_index=True)
        again = np.ones(len(held), dtype=bool)
        again[first] = False
        rows[held] |= again
        self._add(np.unique(hashed[values.present & ~known]))
        return rows

    def _add(self, run: np.ndarray) -> None:
        if not len(run):
            return
        self._runs.append(run)
        while len(self._runs) > 1 and len(self._runs[-1]) * 2 >= len(self._runs[-2]):
            last, before = self._runs.pop(), self._runs.pop()
            merged = np.concatenate([before, last])
            merged.sort(kind="stable")
            self._runs.append(merged)


def _hash(value: object, key: bytes) -> int:
    text = str(value).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=8, key=key).digest(), "little")
