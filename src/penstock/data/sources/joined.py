"""Rows with columns of other sources: by key, or by key as of a time, so that no row knows its future.

The other source is held in memory, with the columns that are taken; the rows themselves pass through in batches. Each row gets
the values of at most one row of the other source, so that their number and order stay.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, final

from penstock.data.sources.clocks import Clock, Times, clocks_of
from penstock.data.sources.join_keys import JoinKeys
from penstock.errors import DeclarationError, SourceError
from penstock.objects.digests import digest_of_json

if TYPE_CHECKING:
    import numpy as np

    from penstock.bundle.specs import EncodedColumn
    from penstock.data.source import Batch
    from penstock.data.sources.declared import DeclaredSource

INFERRED_ROWS = 200_000
"""From so many rows it is inferred how times are written."""


@dataclass(frozen=True, slots=True)
class AsOf:
    """Of several rows of a key, the newest one that was known at the time of the row.

    Attributes
    ----------
    left, right : the columns of the times, of the rows and of the other source.
    strict : it must be older; else it may also be of the same time.
    max_age_us : it may be at most so old, in microseconds (of numbers: in their own unit); None: however old.
    left_formats, right_formats : how the dates of either side are written; () where their values tell.
    timezone : in which instants are read that name none; "": UTC, where none names one.
    """

    left: str
    right: str
    strict: bool = False
    max_age_us: float | None = None
    left_formats: tuple[str, ...] = ()
    right_formats: tuple[str, ...] = ()
    timezone: str = ""

    def to_json(self) -> dict[str, Any]:
        """What decides which row is found; of how times are written only what is declared."""
        return {
            "left": self.left, "right": self.right, "strict": self.strict, "max_age_us": self.max_age_us,
            **({"left_formats": list(self.left_formats)} if self.left_formats else {}),
            **({"right_formats": list(self.right_formats)} if self.right_formats else {}),
            **({"timezone": self.timezone} if self.timezone else {}),
        }  # fmt: skip


@dataclass(frozen=True)
class Join:
    """One other source.

    Attributes
    ----------
    name : what it is called in messages. left_on, right_on : the columns of the key, in the same order.
    columns : those that are taken; all but those of the key and the time where it is empty. prefix : before their names.
    """

    source: DeclaredSource
    name: str
    left_on: tuple[str, ...]
    right_on: tuple[str, ...]
    columns: tuple[str, ...] = ()
    prefix: str = ""
    as_of: AsOf | None = None

    @cached_property
    def taken(self) -> tuple[str, ...]:
        """Columns of the other source that are taken."""
        names = self.source.names
        keys = {*self.right_on, *({self.as_of.right} if self.as_of else ())}
        _check(names, (*keys, *self.columns), f"the joined source {self.name}")
        return self.columns or tuple(name for name in names if name not in keys)

    @property
    def names(self) -> tuple[str, ...]:
        """What they are called beside the rows."""
        return tuple(self.prefix + name for name in self.taken)

    def to_json(self) -> dict[str, Any]:
        """What decides which values come of it."""
        return {
            "left_on": list(self.left_on), "right_on": list(self.right_on), "columns": list(self.columns),
            "prefix": self.prefix, "as_of": self.as_of and self.as_of.to_json(), "options": self.source.options,
        }  # fmt: skip


@final
class JoinedSource:
    """The rows of `main`, with the columns of each join behind their own. Later joins may use columns of earlier ones."""

    def __init__(self, main: DeclaredSource, joins: Sequence[Join]) -> None:
        self._main = main
        self._joins = tuple(joins)
        self._told: tuple[str, ...] = ()

    @cached_property
    def names(self) -> tuple[str, ...]:
        names = self._main.names
        for join in self._joins:
            _check(names, join.left_on, "the rows")
            _check(self._main.names, (join.as_of.left,) if join.as_of else (), "the rows")  # as they are before joins
            twice = [name for name in join.names if name in names]
            if twice:
                raise SourceError(
                    f"the joined column {twice[0]!r} has a name that is taken",
                    why=f"the rows have it before {join.name} is joined",
                    way_out='prefix = "..." in that [[data.join]], or name the columns that are wanted',
                )
            names = (*names, *join.names)
        return names

    @property
    def joined(self) -> tuple[str, ...]:
        """The columns that are not the rows' own."""
        return tuple(name for join in self._joins for name in join.names)

    @property
    def why(self) -> tuple[str, ...]:
        joined = (
            f"joined {join.name} by {', '.join(join.left_on)}" + (f", as of {join.as_of.left}" if join.as_of else "")
            for join in self._joins
        )
        return (*self._main.why, *joined)

    @property
    def options(self) -> dict[str, Any]:
        return {**self._main.options, "joins": [join.to_json() for join in self._joins]}

    @property
    def origin(self) -> dict[str, Any]:
        return {**self._main.origin, "joined": [join.source.origin for join in self._joins]}

    @property
    def contents(self) -> Mapping[str, str]:
        return {
            **self._main.contents,
            **{f"{join.name}: {file}": digest for join in self._joins for file, digest in join.source.contents.items()},
        }

    @property
    def warnings(self) -> tuple[str, ...]:
        return (*self._main.warnings, *(w for join in self._joins for w in join.source.warnings), *self._told)

    @property
    def kept(self) -> str | None:
        return None

    def file_of_row(self, row: int) -> tuple[str, int] | None:
        """As `OfFiles`: rows keep their order."""
        from penstock.data.source import OfFiles

        return self._main.file_of_row(row) if isinstance(self._main, OfFiles) else None

    def digest(self) -> str:
        joined = [join.source.digest() for join in self._joins]
        return digest_of_json({"kind": "joined", "main": self._main.digest(), "joins": joined})

    def batches(self, rows: int | None = None) -> Iterator[Batch]:
        names = self.names
        lookups = [_Lookup.of(join, self._main) for join in self._joins]
        for batch in self._main.batches(rows):
            for lookup in lookups:
                batch = lookup.beside(batch)
            yield batch.select(names)
        self._told = tuple(told for lookup in lookups for told in lookup.told())


@dataclass
class _Lookup:
    """The rows of another source, to be found by key (and time).

    Attributes
    ----------
    keys : the numbers of its keys. codes : those of the rows with a key, sorted, shape (m,).
    order : their places in `table`. times : theirs, ascending within a key; empty without.
    """

    join: Join
    table: Batch
    keys: JoinKeys
    codes: np.ndarray
    order: np.ndarray
    times: np.ndarray
    clock: Clock | None
    notes: list[str]
    rows: int = 0
    unmatched: int = 0
    unreadable: int = 0

    @classmethod
    def of(cls, join: Join, main: DeclaredSource) -> _Lookup:
        import numpy as np

        from penstock.data.source import Batch

        needed = tuple(dict.fromkeys((*join.right_on, *((join.as_of.right,) if join.as_of else ()), *join.taken)))
        table = Batch.join([batch.select(needed) for batch in join.source.batches()])
        columns = table.columns
        keys, codes = JoinKeys.of([columns[name] for name in join.right_on])
        notes: list[str] = []
        present = np.flatnonzero(codes >= 0)
        if len(present) < len(codes):
            notes.append(f"{len(codes) - len(present)} rows of {join.name} have no key and are not joined")
        if join.as_of is None:
            order = present[np.argsort(codes[present], kind="stable")]
            _refuse_several(join, table, codes[order], order)
            return cls(join, table, keys, codes[order], order, np.empty(0), None, notes)
        as_of, column = join.as_of, columns[join.as_of.right]
        theirs = Times(column, as_of.right, join.name, "right_formats", as_of.right_formats)
        left, right = clocks_of(_times_of_rows(as_of, main), theirs, as_of.timezone, notes)
        all_times = right.times(column)
        timed = present[~np.isnan(all_times[present])]
        if len(timed) < len(present):
            notes.append(
                f"{len(present) - len(timed)} rows of {join.name} have no time in {join.as_of.right!r} and are not joined"
            )
        order = timed[np.lexsort((timed, all_times[timed], codes[timed]))]
        sorted_codes, times = codes[order], all_times[order]
        same = int(((np.diff(sorted_codes) == 0) & (np.diff(times) == 0)).sum())
        if same:
            notes.append(
                f"{same} rows of {join.name} have the key and the time of another: the later one in the source is taken"
            )
        return cls(join, table, keys, sorted_codes, order, times, left, notes)

    def beside(self, batch: Batch) -> Batch:
        """A batch with the columns of the join behind its own."""
        import numpy as np
        import pyarrow as pa

        from penstock.data.source import Batch

        columns = batch.columns
        codes = self.keys.codes([columns[name] for name in self.join.left_on])
        low = np.searchsorted(self.codes, codes, side="left")
        high = np.searchsorted(self.codes, codes, side="right")
        if self.join.as_of is None:
            at = np.where((codes >= 0) & (high > low), low, -1)
        else:
            at = self._newest(columns[self.join.as_of.left], self.join.as_of, np.where(codes >= 0, low, high), high)
        self.rows += len(batch)
        self.unmatched += int((at < 0).sum())
        places = np.full(len(at), -1, dtype=np.int64)
        places[at >= 0] = self.order[at[at >= 0]]
        index = pa.array(places, mask=places < 0)
        taken = [
            self.table.table.column(name).take(index).dictionary_decode().dictionary_encode()
            for name in self.join.taken
        ]
        return Batch(pa.RecordBatch.from_arrays([*batch.table.columns, *taken], names=[*batch.names, *self.join.names]))

    def _newest(self, column: EncodedColumn, as_of: AsOf, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Of the rows from `low` to `high`, the last one that was known at the time; -1 where there is none."""
        import numpy as np

        assert self.clock is not None  # there is one where there is an as_of
        now = self.clock.times(column)
        self.unreadable += int(np.isnan(now).sum())
        start, end = low.copy(), high.copy()
        while (going := start < end).any():
            middle = (start + end) // 2
            then = self.times[np.minimum(middle, len(self.times) - 1)]
            known = (then < now) if as_of.strict else (then <= now)
            start = np.where(going & known, middle + 1, start)
            end = np.where(going & ~known, middle, end)
        at = np.where(start > low, start - 1, -1)
        at[np.isnan(now)] = -1
        if as_of.max_age_us is not None and len(self.times):
            at[(at >= 0) & (now - self.times[np.maximum(at, 0)] > as_of.max_age_us)] = -1
        return at

    def told(self) -> list[str]:
        """What became of the rows; refused where not one has found another."""
        if self.rows and self.unmatched == self.rows:
            raise SourceError(
                f"no row has one in {self.join.name}",
                why=f"their {', '.join(self.join.left_on)} never stands in its {', '.join(self.join.right_on)}"
                + (", or only later" if self.join.as_of else ""),
                way_out="check the columns of the key, and how they are written, in [[data.join]]",
            )
        told = list(self.notes)
        if self.unmatched:
            share = self.unmatched / self.rows
            told.append(
                f"{self.unmatched} of {self.rows} rows ({share:.1%}) have none in {self.join.name}: its columns are missing there"
            )
        if self.unreadable and self.join.as_of:
            told.append(
                f"{self.unreadable} rows have no time in {self.join.as_of.left!r}, and so none in {self.join.name}"
            )
        return told


def _refuse_several(join: Join, table: Batch, codes: np.ndarray, order: np.ndarray) -> None:
    import numpy as np

    again = np.flatnonzero(np.diff(codes) == 0)
    if not len(again):
        return
    columns = table.columns
    keys = {int(codes[i]): int(order[i]) for i in again[::-1].tolist()}
    firsts = [
        "/".join(str(columns[name].values[columns[name].codes[row]]) for name in join.right_on)
        for row in sorted(keys.values())[:3]
    ]
    raise SourceError(
        f"joining {join.name} would multiply rows",
        why=f"{len(keys)} keys stand in more than one of its rows, in {len(keys) + len(again)} in all",
        way_out="join as of a time (as_of), name more columns in `on`, or bring one row per key",
        seen=", ".join(firsts),
    )


def _times_of_rows(as_of: AsOf, main: DeclaredSource) -> Times:
    """The times of the first rows."""
    from penstock.data.source import Batch

    seen: list[Batch] = []
    for batch in main.batches():
        seen.append(batch.select((as_of.left,)))
        if sum(map(len, seen)) >= INFERRED_ROWS:
            break
    column = Batch.join(seen).columns[as_of.left]
    return Times(column, as_of.left, "the rows", "left_formats", as_of.left_formats)


def _check(names: Sequence[str], wanted: Sequence[str], of: str) -> None:
    for name in wanted:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            raise DeclarationError(
                f"{of} have no column {name!r}" if of == "the rows" else f"{of} has no column {name!r}",
                why=f"[[data.join]] names it; the columns are {', '.join(names)}",
                way_out=f"write {near[0]!r}" if near else "name one of these",
            )
