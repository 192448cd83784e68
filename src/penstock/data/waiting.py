"""Rows that wait until they are a chunk, and how many of them are one.

A chunk ends after `chunks.CHUNK_ROWS` rows, or where it is told to, or before the row with which it would hold more than so many bytes: rows of long
texts, or of many columns, would else need memory without bound. Where it ends follows from the rows alone, not from how many
were added at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from penstock.data import chunks

if TYPE_CHECKING:
    import pyarrow as pa


class Waiting:
    """A queue of rows of one table.

    Parameters
    ----------
    most_bytes : of a chunk, as `bytes_of_rows` counts them; one row may have more.
    ends : numbers of rows after which a chunk ends in any case, rising.
    """

    def __init__(self, most_bytes: int, ends: Sequence[int] = ()) -> None:
        self._most_bytes = most_bytes
        self._ends_of_chunks = list(ends)
        self._dropped = 0
        self._tables: list[pa.Table] = []
        self._ends = np.zeros(1, dtype=np.int64)  # bytes before each row, and behind the last: shape (rows + 1,)
        self._added: list[np.ndarray] = []

    def __len__(self) -> int:
        return len(self._ends) - 1 + sum(map(len, self._added))

    def add(self, table: pa.Table) -> None:
        """The next rows."""
        if table.num_rows:
            self._tables.append(table)
            self._added.append(bytes_of_rows(table))

    def table(self) -> pa.Table:
        """All that wait; there must be one."""
        import pyarrow as pa

        if len(self._tables) > 1:
            self._tables = [pa.concat_tables(self._tables)]
        return self._tables[0]

    def drop(self, rows: int) -> None:
        """Take the first ones away."""
        self._dropped += rows
        rest = self.table().slice(rows)
        self._tables = [rest] if rest.num_rows else []
        self._ends = self._bytes()[rows:]

    def full(self) -> int:
        """Rows of the first chunk, if its end is certain; else 0."""
        end = self.end_of_chunk(0)
        return end if end < len(self) or end == self._most_rows(0) else 0

    def end_of_chunk(self, start: int) -> int:
        """Where a chunk ends that begins at a row."""
        return self.reach(start, self._most_rows(start), self._most_bytes)

    def _most_rows(self, start: int) -> int:
        """Of a chunk that begins at a row."""
        begin = self._dropped + start
        return min([chunks.CHUNK_ROWS, *(end - begin for end in self._ends_of_chunks if end > begin)])

    def reach(self, start: int, rows: int, size: int) -> int:
        """Where as many rows end as stay under both, one at least; the number of rows that wait, where all do."""
        ends = self._bytes()
        start = min(start, len(self))
        within = int(np.searchsorted(ends, ends[start] + size, side="right")) - 1
        return min(len(self), start + rows, max(within, start + 1))

    def size(self, rows: int) -> int:
        """Bytes of the first rows."""
        ends = self._bytes()
        return int(ends[min(rows, len(self))] - ends[0])

    def _bytes(self) -> np.ndarray:
        if self._added:
            added = np.concatenate(self._added)
            self._ends = np.concatenate([self._ends, self._ends[-1] + np.cumsum(added)])
            self._added = []
        return self._ends


def bytes_of_rows(table: pa.Table) -> np.ndarray:
    """What each row counts: eight bytes a value, and those of its texts. int64, shape (n,)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    sizes = np.full(table.num_rows, 8 * table.num_columns, dtype=np.int64)
    for column in table.columns:
        if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
            sizes += pc.fill_null(pc.binary_length(column), 0).to_numpy()
    return sizes
