"""Rows of a source that stay in memory between its two readings: all of them, or as many as fit, drawn evenly.

Kinds and formats are inferred from what is kept. A table of which every row fits is not read a second time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from penstock.bundle.specs import EncodedColumn
from penstock.data.fingerprints import mix
from penstock.data.source import Batch

KEEP_BYTES = 256 * 1024 * 1024
KEEP_ROWS = 1 << 20
"""All rows are kept where they stay under both; a value counts as its UTF-8 bytes and four more."""
DRAWN_BYTES = 64 * 1024 * 1024
"""Where they do not, what is drawn of them stays under this: enough to tell kinds and formats."""

_ALL = 1 << 64


@dataclass
class Sample:
    """All rows; or those whose number's hash lies below a limit, which is halved until they fit.

    Which rows are kept follows from the rows alone, not from where batches end: the limit is the largest of 1/2, 1/4, ... at
    which all rows of the source that lie below it fit. A row's number decides, not what it holds, so that a row which
    is repeated a million times is neither kept as often nor lost altogether.

    Attributes
    ----------
    n_rows : rows seen so far.
    """

    n_rows: int = 0
    _limit: int = _ALL
    _batches: list[Batch] = field(default_factory=list)
    _rows: list[np.ndarray] = field(default_factory=list)  # int64, their numbers
    _sizes: list[np.ndarray] = field(default_factory=list)  # int64, bytes of each

    @property
    def whole(self) -> bool:
        """Whether every row is kept."""
        return self._limit == _ALL

    @property
    def batches(self) -> list[Batch]:
        return self._batches

    @property
    def rows(self) -> np.ndarray:
        """Numbers of the rows that are kept, int64, rising."""
        return np.concatenate(self._rows) if self._rows else np.empty(0, dtype=np.int64)

    @property
    def columns(self) -> Mapping[str, EncodedColumn]:
        """Name -> text of the rows that are kept. A column is put together each time it is asked for, and kept by nobody."""
        return _Joined(self._batches)

    def add(self, batch: Batch) -> None:
        """The next rows of the source."""
        rows = np.arange(self.n_rows, self.n_rows + len(batch))
        sizes = _bytes_of_rows(batch)
        self.n_rows += len(batch)
        if not self.whole:
            kept = np.flatnonzero(self._drawn(rows))
            batch, rows, sizes = batch.take(kept), rows[kept], sizes[kept]
        if len(rows):
            self._batches.append(batch)
            self._rows.append(rows)
            self._sizes.append(sizes)
        while not self._fits():
            self._limit //= 2
            self._thin()

    def _fits(self) -> bool:
        size = KEEP_BYTES if self.whole else min(KEEP_BYTES, DRAWN_BYTES)
        return sum(map(len, self._rows)) <= KEEP_ROWS and sum(int(sizes.sum()) for sizes in self._sizes) <= size

    def _drawn(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray(mix(rows.astype(np.uint64)) < np.uint64(self._limit))

    def _thin(self) -> None:
        kept = [np.flatnonzero(self._drawn(rows)) for rows in self._rows]
        held = zip(self._batches, self._rows, self._sizes, kept, strict=True)
        thinner = [(batch.take(k), rows[k], sizes[k]) for batch, rows, sizes, k in held if len(k)]
        self._batches = [batch for batch, _, _ in thinner]
        self._rows = [rows for _, rows, _ in thinner]
        self._sizes = [sizes for _, _, sizes in thinner]


class _Joined(Mapping[str, EncodedColumn]):
    def __init__(self, batches: list[Batch]) -> None:
        self._batches = batches

    def __getitem__(self, name: str) -> EncodedColumn:
        if name not in self._batches[0].names:
            raise KeyError(name)
        if all(batch.table.column(name).dictionary.null_count == 0 for batch in self._batches):
            return Batch.join([batch.select([name]) for batch in self._batches]).columns[name]
        return joined(batch.columns[name] for batch in self._batches)

    def __iter__(self) -> Iterator[str]:
        return iter(self._batches[0].names if self._batches else ())

    def __len__(self) -> int:
        return len(self._batches[0].names) if self._batches else 0


def joined(columns: Iterable[EncodedColumn]) -> EncodedColumn:
    """Columns one below the other; distinct values in order of appearance.

    >>> joined([EncodedColumn.of(["a", None]), EncodedColumn.of(["b", "a"])]).codes.tolist()
    [0, -1, 1, 0]
    """
    place: dict[str | None, int] = {}
    codes = [np.empty(0, dtype=np.int32)]
    for column in columns:
        new = np.array([*(place.setdefault(value, len(place)) for value in column.values), -1], dtype=np.int32)
        codes.append(new[column.codes])  # code -1 picks the last
    return EncodedColumn(list(place), np.concatenate(codes))


def _bytes_of_rows(batch: Batch) -> np.ndarray:
    """int64, shape (n,)."""
    import pyarrow.compute as pc

    sizes = np.full(len(batch), 4 * len(batch.names), dtype=np.int64)
    for column in batch.table.columns:
        lengths = pc.binary_length(column.dictionary).to_numpy(zero_copy_only=False)
        if len(lengths) and lengths.min() == lengths.max() and column.null_count == 0:
            sizes += int(lengths[0])
            continue
        indices = column.indices if column.null_count == 0 else column.indices.fill_null(-1)
        sizes += np.append(lengths, 0)[indices.to_numpy(zero_copy_only=False)]  # code -1 picks the last
    return sizes
