"""Where rows are cut into chunks: like the version before, so that its chunks are named again wherever the rows are the same.

A first version is cut every `CHUNK_ROWS` rows. A later one follows the chunks of its parent: rows that were appended make new chunks, rows that
were changed, put in or taken out make the chunk that held them new, and behind it the cuts fall into step again at the last row of a
chunk of the parent. Rows in another order share nothing, as the order is kept. Many small chunks, of many small appends, are put together.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.data.chunks import CHUNK_ROWS
from penstock.errors import DamagedStore, NotFound
from penstock.objects.digests import digest_of
from penstock.objects.store import ObjectStore

if TYPE_CHECKING:
    import pyarrow as pa

SMALL_ROWS = CHUNK_ROWS // 4
SMALL_CHUNKS = 16
"""From the first small chunk on the parent is not followed where it has more small ones than this."""
LOOK_ROWS = CHUNK_ROWS
"""So many rows may have been put in at one place; behind more, nothing is in step again."""


@dataclass(frozen=True, slots=True)
class Known:
    """A chunk of the parent: its digest, and its rows."""

    object: str
    rows: int


def followed(stored: Iterable[dict[str, Any]], *, exactly: bool = False) -> list[Known]:
    """The chunks of a parent's part that are followed. `exactly`: all, as the same version is made again."""
    chunks = [Known(chunk["object"], int(chunk["rows"])) for chunk in stored]
    small = [number for number, chunk in enumerate(chunks) if chunk.rows < SMALL_ROWS]
    return chunks if exactly or len(small) <= SMALL_CHUNKS else chunks[: small[0]]


class Cutter:
    """Takes rows as they come, and stores them chunk by chunk.

    Parameters
    ----------
    known : the chunks to follow.
    encode : the bytes of a chunk. decode : the table of these bytes, with the columns that `add` is given.
    """

    def __init__(
        self,
        objects: ObjectStore,
        known: Iterable[Known],
        encode: Callable[[pa.Table], bytes],
        decode: Callable[[bytes], pa.Table],
    ) -> None:
        self._objects = objects
        self._known = deque(known)
        self._encode = encode
        self._decode = decode
        self._tables: list[pa.Table] = []
        self._rows = 0
        self._passed = 0  # rows of known chunks whose end was not found again
        self.stored: list[dict[str, Any]] = []

    def add(self, table: pa.Table) -> None:
        """The next rows. What is full is stored."""
        if table.num_rows:
            self._tables.append(table)
            self._rows += table.num_rows
            if self._rows >= self._enough():
                self._cut(last=False)

    def close(self) -> list[dict[str, Any]]:
        """Store what is left; digest and rows of each chunk, as a manifest has them."""
        self._cut(last=True)
        return self.stored

    def _enough(self) -> int:
        """Rows from which on something can be decided."""
        return self._passed + self._known[0].rows + LOOK_ROWS if self._known else CHUNK_ROWS

    def _cut(self, *, last: bool) -> None:
        import pyarrow as pa

        if not self._rows:
            return
        whole = pa.concat_tables(self._tables)
        start = 0
        while self._known and (last or whole.num_rows - start >= self._enough()):
            end = self._follow(whole.slice(start))
            start += end
            if start == whole.num_rows:
                break
        left = whole.num_rows - start
        if not self._known or last:
            size = left if last else left - left % CHUNK_ROWS
            self._store(whole.slice(start, size))
            start += size
        rest = whole.slice(start)
        self._tables, self._rows = [rest] if rest.num_rows else [], rest.num_rows

    def _follow(self, rows: pa.Table) -> int:
        """Store the rows up to the end of the next known chunk, where that is found; how many they were."""
        known = self._known.popleft()
        if self._passed == 0 and rows.num_rows >= known.rows:
            data = self._encode(rows.slice(0, known.rows))
            if digest_of(data) == known.object:
                self.stored.append({"object": self._objects.put(data), "rows": known.rows})
                return known.rows
        expected = self._passed + known.rows
        end = self._end_of(known, rows.slice(0, expected + LOOK_ROWS), expected)
        if end is None:
            self._passed += known.rows
            if self._passed > 4 * CHUNK_ROWS:  # another order, or other rows altogether
                self._known.clear()
            return 0
        self._passed = 0
        self._store(rows.slice(0, end))
        return end

    def _end_of(self, known: Known, rows: pa.Table, expected: int) -> int | None:
        """The number of rows up to the last row of a known chunk, nearest to where it was; None where it is not among them."""
        import numpy as np

        try:
            before = self._decode(self._objects.get(known.object))
        except (NotFound, DamagedStore):  # then it is of no use to anybody
            return None
        if before.schema.names != rows.schema.names or before.schema.types != rows.schema.types:
            self._known.clear()
            return None
        same = _equal_to(rows, before.slice(before.num_rows - 1))
        found = np.flatnonzero(same) + 1
        return int(found[np.abs(found - expected).argmin()]) if len(found) else None

    def _store(self, rows: pa.Table) -> None:
        for start in range(0, rows.num_rows, CHUNK_ROWS):
            chunk = rows.slice(start, CHUNK_ROWS)
            self.stored.append({"object": self._objects.put(self._encode(chunk)), "rows": chunk.num_rows})


def _equal_to(rows: pa.Table, row: pa.Table) -> Any:
    """Which rows are equal to one row, missing ones and NaN included: bool, shape (n,)."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    same = np.ones(rows.num_rows, dtype=bool)
    for name in rows.schema.names:
        value, column = row.column(name)[0], rows.column(name)
        if not value.is_valid:
            equal = pc.is_null(column)
        elif pa.types.is_floating(value.type) and value.as_py() != value.as_py():
            equal = pc.is_nan(column)
        else:
            equal = pc.equal(column, value)
        same &= pc.fill_null(equal, False).to_numpy(zero_copy_only=False)
        if not same.any():
            break
    return same
