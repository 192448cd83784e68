"""How many different values a column has, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from penstock.bundle.specs import EncodedColumn

SMALLEST = 1024


@dataclass
class Distinct:
    """Rows with a value, and the smallest hashes of a column's values, from which their number follows.

    Exact below `SMALLEST` values; beyond, the relative error is about 1 / sqrt(`SMALLEST`), 3 %. It does not depend on where
    batches end. Source: Bar-Yossef et al. (2002), "Counting distinct elements in a data stream", first algorithm.

    >>> distinct = Distinct()
    >>> column = EncodedColumn.of(["a", None, "b", "a"])
    >>> distinct.add(np.array([[5, 0], [9, 0], [0, 0]], dtype=np.uint64), column)
    >>> distinct.count, distinct.filled, distinct.share
    (2.0, 3, 0.6666666666666666)
    """

    filled: int = 0  # rows with a value
    at_most: int = 0  # spellings: the sum over the batches
    _smallest: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.uint64))

    def add(self, lanes: np.ndarray, column: EncodedColumn) -> None:
        """The next rows: hashes of their distinct values as of `penstock.data.fingerprints.raw_lanes`, and who has which."""
        hashes = lanes[:-1, 0]
        blank = hashes == 0  # white space only
        self.at_most += len(column.values)
        self.filled += int(np.count_nonzero(column.codes >= 0))
        if blank.any():
            self.filled -= int(np.count_nonzero(np.isin(column.codes, np.flatnonzero(blank))))
            hashes = hashes[~blank]
        if len(self._smallest) == SMALLEST:
            hashes = hashes[hashes < self._smallest[-1]]
        if len(hashes):
            self._smallest = np.unique(np.concatenate([self._smallest, hashes]))[:SMALLEST]

    @property
    def count(self) -> float:
        """Different values, an estimate where there are many."""
        if len(self._smallest) < SMALLEST:
            return float(len(self._smallest))
        return min(self.at_most, (SMALLEST - 1) / ((float(self._smallest[-1]) + 1) / 2.0**64))

    @property
    def share(self) -> float:
        """Of the rows with a value that differ."""
        return min(1.0, self.count / self.filled) if self.filled else 0.0
