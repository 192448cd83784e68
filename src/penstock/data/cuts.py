"""Where rows are cut into chunks: like the version before, so that its chunks are named again wherever the rows are the same.

A first version is cut every `CHUNK_ROWS` rows, and before a chunk would hold more than `CHUNK_BYTES`. A later one follows the
chunks of its parent: rows that were appended make new chunks, rows that were changed, put in or taken out make the chunk that held
them new, and behind it the cuts fall into step again at the last row of a chunk of the parent. Rows in another order share nothing, as the order is kept. Many small chunks, of many small appends, are put together.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.data import chunks
from penstock.data.waiting import Waiting
from penstock.errors import DamagedStore, NotFound
from penstock.objects.digests import digest_of
from penstock.objects.store import ObjectStore

if TYPE_CHECKING:
    import pyarrow as pa

SMALL_CHUNKS = 16
"""From the first small chunk on the parent is not followed where it has more small ones than this."""
LOOK_ROWS = chunks.CHUNK_ROWS
"""So many rows may have been put in at one place; behind more, nothing is in step again."""


@dataclass(frozen=True, slots=True)
class Known:
    """A chunk of the parent: its digest, its rows, whether its bytes left no room for more rows, and whether it is packed."""

    object: str
    rows: int
    full: bool = False
    packed: bool = False


def followed(stored: Iterable[dict[str, Any]], *, exactly: bool = False) -> list[Known]:
    """The chunks of a parent's part that are followed. `exactly`: all, as the same version is made again."""
    known = [
        Known(chunk["object"], int(chunk["rows"]), chunk.get("full", False), chunk.get("packed", False))
        for chunk in stored
    ]
    small = [number for number, chunk in enumerate(known) if chunk.rows < chunks.SMALL_ROWS and not chunk.full]
    return known if exactly or len(small) <= SMALL_CHUNKS else known[: small[0]]


class Cutter:
    """Takes rows as they come, and stores them chunk by chunk.

    Parameters
    ----------
    known : the chunks to follow.
    encode : the bytes of a chunk. decode : the table of these bytes, with the columns that `add` is given.
    pack : whether new chunks of few rows are packed.
    """

    def __init__(
        self,
        objects: ObjectStore,
        known: Iterable[Known],
        encode: Callable[[pa.Table], bytes],
        decode: Callable[[bytes], pa.Table],
        *,
        pack: bool = False,
    ) -> None:
        self._objects = objects
        self._known = deque(known)
        self._encode = encode
        self._decode = decode
        self._pack = pack
        self._waiting = Waiting(chunks.CHUNK_BYTES)
        self._passed = 0  # rows of known chunks whose end was not found again
        self._differs = False  # the next known chunk is not what the first rows that wait are
        self.stored: list[dict[str, Any]] = []

    def add(self, table: pa.Table) -> None:
        """The next rows. What is full is stored."""
        self._waiting.add(table)
        self._cut(last=False)

    def keep(self, digest: str) -> bool:
        """Whether the next rows are those of this chunk, which is stored: then it is named again, and they need not be added."""
        if len(self._waiting) or self._passed or self._differs or not self._known or self._known[0].object != digest:
            return False
        known = self._known.popleft()
        self._name(known.object, known.rows, full=known.full, packed=known.packed)
        return True

    def close(self) -> list[dict[str, Any]]:
        """Store what is left; digest and rows of each chunk, as a manifest has them. ``full`` stands where its bytes ended it, ``packed``
        where it is packed."""
        self._cut(last=True)
        return self.stored

    def _look(self) -> int:
        """Up to which row the end of the next known chunk is looked for."""
        expected = self._passed + self._known[0].rows
        return self._waiting.reach(expected, LOOK_ROWS, chunks.CHUNK_BYTES)

    def _decided(self) -> bool:
        """Whether enough rows wait for that."""
        expected, look = self._passed + self._known[0].rows, self._look()
        return expected < len(self._waiting) and (look < len(self._waiting) or look == expected + LOOK_ROWS)

    def _cut(self, *, last: bool) -> None:
        while self._known and len(self._waiting):
            if self._is_next():
                continue
            if not (last or self._decided()):
                return
            self._find_end()
        while rows := len(self._waiting) if last else self._waiting.full():
            self._store(rows)

    def _is_next(self) -> bool:
        """Whether the first rows are the next known chunk; then they are stored as it was."""
        known = self._known[0]
        if self._passed or self._differs or len(self._waiting) < known.rows:
            return False
        data = self._encode(self._waiting.table().slice(0, known.rows))
        data = chunks.packed(data) if known.packed else data
        self._differs = digest_of(data) != known.object
        if not self._differs:
            self._known.popleft()
            self._put(data, known.rows, full=known.full, packed=known.packed)
        return not self._differs

    def _find_end(self) -> None:
        """Store the rows up to the end of the next known chunk, where that is found."""
        expected, look = self._passed + self._known[0].rows, self._look()
        end = self._end_of(self._known.popleft(), self._waiting.table().slice(0, look), expected)
        self._differs = False
        if end is not None:
            self._passed = 0
            self._store(end)
            return
        self._passed = expected
        if expected > 4 * chunks.CHUNK_ROWS or self._waiting.size(expected) > 2 * chunks.CHUNK_BYTES:
            self._known.clear()  # another order, or other rows altogether

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

    def _store(self, rows: int) -> None:
        """Store the first rows that wait, as few chunks as can be."""
        while rows:
            end = self._waiting.end_of_chunk(0)
            size = min(rows, end)
            full = size == end and size < min(len(self._waiting), chunks.CHUNK_ROWS)
            data, pack = self._encode(self._waiting.table().slice(0, size)), self._pack and size < chunks.SMALL_ROWS
            self._put(chunks.packed(data) if pack else data, size, full=full, packed=pack)
            rows -= size

    def _put(self, data: bytes, rows: int, *, full: bool, packed: bool) -> None:
        """Store the first rows that wait as the bytes of a chunk."""
        self._name(self._objects.put(data), rows, full=full, packed=packed)
        self._waiting.drop(rows)

    def _name(self, digest: str, rows: int, *, full: bool, packed: bool) -> None:
        marks = {name: True for name, is_so in (("full", full), ("packed", packed)) if is_so}
        self.stored.append({"object": digest, "rows": rows, **marks})


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
