"""What a data set remembers of every row: keyed hashes and the part it was dealt into, never its values."""

from __future__ import annotations

import io
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from penstock.data.chunks import bytes_table
from penstock.data.fingerprints import mix
from penstock.data.split import LEFT_OUT, PARTS, as_array, distinct

if TYPE_CHECKING:
    import pyarrow as pa

ALIKE = ("row", "content", "target", "group", "part", "envelope")
UNKNOWN = -2
"""In place of a part: no row like it was seen."""


@dataclass(frozen=True)
class RowMemory:
    """One entry for each group of rows that are alike in all of this.

    Attributes
    ----------
    row : fingerprints of the raw rows, uint64, shape (m, 2); zeros for rows that came without raw text.
    content : fingerprints of the decoded input columns, uint64, shape (m, 2).
    target, group : keyed hashes of the target and of the group (0 without groups), uint64, shape (m,).
    part, envelope : where the rows are; envelope -1 outside of the test part. int8 and int16, shape (m,).
    count : rows of the group, int64, shape (m,); 0 for rows of an earlier version that are gone.
    """

    row: np.ndarray
    content: np.ndarray
    target: np.ndarray
    group: np.ndarray
    part: np.ndarray
    envelope: np.ndarray
    count: np.ndarray

    @classmethod
    def of(
        cls,
        *,
        row: np.ndarray,
        content: np.ndarray,
        target: np.ndarray,
        group: np.ndarray,
        part: np.ndarray,
        envelope: np.ndarray,
        count: np.ndarray | None = None,
    ) -> RowMemory:
        """Group rows that are alike; in the order in which they first appear."""
        return cls.grouped(
            {"row": row, "content": content, "target": target, "group": group, "part": part, "envelope": envelope},
            count,
        )

    @classmethod
    def grouped(cls, columns: dict[str, np.ndarray], count: np.ndarray | None = None) -> RowMemory:
        """The same, of columns that are taken out of `columns` one by one: where there are many rows, they are not in memory twice."""
        first, codes, counts = distinct(_alike(*(columns[name] for name in ALIKE)))
        if count is not None:
            counts = np.zeros(len(first), dtype=np.int64)
            np.add.at(counts, codes, count)
        del codes
        if len(first) == len(columns["part"]):  # all differ: they stay as they are, and where
            return cls(**columns, count=counts.astype(np.int64))
        return cls(**{name: columns.pop(name)[first] for name in ALIKE}, count=counts.astype(np.int64))

    @classmethod
    def joined(cls, one: RowMemory, other: RowMemory) -> RowMemory:
        count = np.concatenate([one.count, other.count])
        return cls.grouped({name: np.concatenate([getattr(one, name), getattr(other, name)]) for name in ALIKE}, count)

    def without_index(self) -> RowMemory:
        """The same, for when no more rows are asked for: what they are found by takes as much again."""
        return replace(self)

    def added_up(self) -> RowMemory:
        """The same where entries that are alike are one; of rows that were left out and are gone nothing is left."""
        one = RowMemory.of(**{name.name: getattr(self, name.name) for name in fields(self)})
        kept = (one.part != LEFT_OUT) | (one.count != 0)
        return one if kept.all() else RowMemory(**{name.name: getattr(one, name.name)[kept] for name in fields(self)})

    def keys(self) -> pa.FixedSizeBinaryArray:
        """What makes each entry what it is but its count, as bytes: two entries with the same are of rows that are alike."""
        return as_array(_alike(*(getattr(self, name) for name in ALIKE)))

    def take(self, places: np.ndarray, count: np.ndarray) -> RowMemory:
        """Some entries, with other counts."""
        return RowMemory(
            self.row[places], self.content[places], self.target[places], self.group[places], self.part[places],
            self.envelope[places], count,
        )  # fmt: skip

    def remembered(self) -> RowMemory:
        """The same without any row present (count 0): how a later version knows rows that left and may come back."""
        kept = self.part != LEFT_OUT
        if kept.all():  # as they lie there: of many rows a copy is much
            return replace(self, count=np.zeros(len(kept), dtype=np.int64))
        return RowMemory(
            self.row[kept], self.content[kept], self.target[kept], self.group[kept], self.part[kept],
            self.envelope[kept], np.zeros(int(kept.sum()), dtype=np.int64),
        )  # fmt: skip

    def to_table(self) -> pa.Table:
        """One row for each entry."""
        import pyarrow as pa

        return pa.table(
            {
                "row": as_array(self.row),
                "content": as_array(self.content),
                "target": self.target,
                "group": self.group,
                "part": self.part,
                "envelope": self.envelope,
                "count": self.count,
            }
        )

    def to_bytes(self) -> bytes:
        return entries_bytes(self.to_table())

    @classmethod
    def from_bytes(cls, data: bytes) -> RowMemory:
        return cls.from_table(bytes_table(data))

    @classmethod
    def from_table(cls, table: pa.Table) -> RowMemory:
        """What `to_table` gave."""
        plain = {name: table.column(name).to_numpy() for name in ("target", "group", "part", "envelope", "count")}
        return cls(**{name: _lanes(table.column(name)) for name in ("row", "content")}, **plain)

    def parts_of_rows(self, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Part and envelope of the same raw rows, shape (n,) each; `UNKNOWN` where there is none."""
        return self._find(row, self._rows)

    def parts_of_content(self, content: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Part and envelope of rows that decode alike, shape (n,) each; `UNKNOWN` where there is none.

        Where they are in several parts: the one that is seen first, training before validation before test.
        """
        return self._find(content, self._contents)

    def groups_of_content(self, content: np.ndarray) -> np.ndarray:
        """Group of rows that decode alike, uint64, shape (n,); 0 where there is none."""
        import pyarrow.compute as pc

        at = pc.index_in(as_array(content), value_set=as_array(self.content)).fill_null(-1)
        return np.append(self.group, np.uint64(0))[at.to_numpy(zero_copy_only=False)]

    def parts_of_groups(self, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Part and envelope of the groups, shape (n,) each; `UNKNOWN` for new ones."""
        usable = np.flatnonzero((self.part >= 0) & (self.group != 0))
        known, first = np.unique(self.group[usable], return_index=True)
        parts = np.full(len(group), UNKNOWN, dtype=np.int8)
        envelope = np.full(len(group), -1, dtype=np.int16)
        if len(known):
            at = np.minimum(np.searchsorted(known, group), len(known) - 1)
            same = known[at] == group
            parts[same] = self.part[usable[first]][at[same]]
            envelope[same] = self.envelope[usable[first]][at[same]]
        return parts, envelope

    @cached_property
    def _rows(self) -> Index:
        return Index.of(self.row, np.flatnonzero((self.part != LEFT_OUT) & self.row.any(axis=1)))

    @cached_property
    def _contents(self) -> Index:
        places = np.flatnonzero(self.part != LEFT_OUT)
        seen_first = np.where(self.part[places] < 0, np.int8(len(PARTS)), self.part[places])
        return Index.of(self.content, places[np.argsort(seen_first, kind="stable")])

    def _find(self, wanted: np.ndarray, index: Index) -> tuple[np.ndarray, np.ndarray]:
        at = index.find(wanted)
        return np.append(self.part, np.int8(UNKNOWN))[at], np.append(self.envelope, np.int16(-1))[at]


def _lanes(column: pa.ChunkedArray) -> np.ndarray:
    """16-byte values as uint64, shape (m, 2)."""
    found = []
    for chunk in column.chunks:
        raw = np.frombuffer(chunk.buffers()[1], dtype="<u8").astype(np.uint64, copy=False).reshape(-1, 2)
        found.append(raw[chunk.offset : chunk.offset + len(chunk)])
    if len(found) == 1:  # as it lies there: of many rows a copy is much
        return found[0]
    return np.concatenate(found) if found else np.empty((0, 2), dtype=np.uint64)


def _alike(*columns: np.ndarray) -> np.ndarray:
    """128 bits for each row, the same for rows that are alike in all columns, others with a chance of 2^-128 (what is hashed are
    hashes under a key, so that nobody can make them collide): uint64, shape (n, 2). They need a quarter of the room that the
    columns do."""
    lanes = np.zeros((len(columns[0]), 2), dtype=np.uint64)
    first, second = lanes[:, 0], lanes[:, 1]
    for column in columns:
        for values in column.T if column.ndim == 2 else (column,):
            bits = values if values.dtype == np.uint64 else values.astype(np.int64).view(np.uint64)
            first[:] = mix(first ^ bits)
            second[:] = mix(second + bits + np.uint64(0x9E3779B97F4A7C15))
    return lanes


def give_back() -> None:
    """What Arrow has kept for later goes back to the system: the arrays that follow need it."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()


def entries_bytes(table: pa.Table) -> bytes:
    """Entries as Parquet. Equal ones give equal bytes."""
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(
        table.combine_chunks(), buffer, compression="zstd",
        use_dictionary=["part", "envelope", "count", "target", "group"],
    )  # fmt: skip
    return buffer.getvalue()


@dataclass(frozen=True)
class Index:
    """Fingerprints in an order in which one is found fast, also when they are asked for batch by batch.

    Attributes
    ----------
    prints : uint64, shape (m, 2), sorted by their first lane. places : where each of them was, int64, shape (m,).
    """

    prints: np.ndarray
    places: np.ndarray

    @classmethod
    def of(cls, prints: np.ndarray, places: np.ndarray) -> Index:
        """Of the fingerprints at some places."""
        order = np.argsort(prints[places, 0], kind="stable")
        return cls(prints[places[order]], places[order])

    def find(self, wanted: np.ndarray) -> np.ndarray:
        """The first place of each fingerprint, int64, shape (n,); -1 where it is not there."""
        first = np.ascontiguousarray(self.prints[:, 0])
        at = np.searchsorted(first, wanted[:, 0])
        found = np.full(len(wanted), -1, dtype=np.int64)
        waiting = np.arange(len(wanted))
        while len(waiting):  # once, but for those whose first lane is another fingerprint's too
            waiting = waiting[at[waiting] < len(first)]
            waiting = waiting[first[at[waiting]] == wanted[waiting, 0]]
            same = self.prints[at[waiting], 1] == wanted[waiting, 1]
            found[waiting[same]] = self.places[at[waiting[same]]]
            waiting = waiting[~same]
            at[waiting] += 1
        return found
