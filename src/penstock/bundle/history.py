"""Columns that look back: what earlier rows of the same key say, as of the time of a row. One definition for training and serving.

A row sees rows of its key that are strictly earlier: neither its own instant nor the future. Sums are rounded once (`math.fsum`),
so that they do not depend on what else is in a table: a row with its history sent along gets the bits that it gets in a batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from penstock.bundle.frame import Frame, absent, typed_array
from penstock.bundle.kinds import Kind
from penstock.bundle.raw import Unreadable
from penstock.bundle.specs import ColumnSpec
from penstock.bundle.values import column_reader
from penstock.bundle.windows import TAKES as OVER_WINDOWS
from penstock.bundle.windows import over_windows
from penstock.errors import RequestError

SECOND = 1_000_000
TAKES = ("lag", *OVER_WINDOWS, "count", "since")
_AT_ONCE = 1 << 16  # rows
MOST_ROWS = 10_000
"""History rows that one request may carry."""


@dataclass(frozen=True, slots=True)
class Past:
    """One column that looks back.

    Parameters
    ----------
    take : "lag" (the value `rows` rows ago), "mean", "sum", "min", "max", "std" (of the values that are there, divided by their
        number), "count" (of rows), or "since" (seconds since the last row; in the unit of `over` where that is a number).
    over : the column of the time: instants or numbers. by : columns that name whose rows they are; () for all rows.
    of : the column of numbers that is looked at; None for "count" and "since".
    rows : how many rows back; window : how far, in microseconds, or in the unit of `over`. One of the two is None; both for "since".

    Nothing to look back at: "count" and "sum" are 0, all others missing. Everything is missing where the time or a key is.
    """

    name: str
    take: str
    over: str
    by: tuple[str, ...] = ()
    of: str | None = None
    rows: int | None = None
    window: float | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        """The columns that are read."""
        return tuple(dict.fromkeys((self.over, *self.by, *(() if self.of is None else (self.of,)))))


def past_json(past: Past) -> dict[str, Any]:
    """A column that looks back, in its stored form."""
    return {**asdict(past), "by": list(past.by)}


@dataclass(frozen=True)
class History:
    """The columns of a data set that look back, and how what they read is decoded.

    Attributes
    ----------
    specs : of the columns that are read: one for each, whether or not it is an input of a model.
    """

    columns: tuple[Past, ...]
    specs: tuple[ColumnSpec, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(past.name for past in self.columns)

    def to_json(self) -> dict[str, Any]:
        return {
            "columns": [past_json(past) for past in self.columns],
            "specs": [spec.to_json() for spec in self.specs],
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> History:
        return cls(
            tuple(Past(**{**past, "by": tuple(past["by"])}) for past in plain["columns"]),
            tuple(ColumnSpec.from_json(spec) for spec in plain["specs"]),
        )

    def values(self, table: Frame, rank: np.ndarray) -> dict[str, np.ndarray]:
        """What each row of a table sees of the others: float64, shape (n,), by name.

        Parameters
        ----------
        table : the columns of `specs`.
        rank : int, shape (n,). A row sees rows of its own rank and of lower ones; one below 0 is seen by none and sees none.
        """
        found = {past.name: np.full(len(table), np.nan) for past in self.columns}
        for level in np.unique(rank[rank >= 0]).tolist():
            wanted, seen = np.flatnonzero(rank == level), np.flatnonzero((rank >= 0) & (rank <= level))
            for past in self.columns:
                needed = table.select(past.needs)
                found[past.name][wanted] = _look_back(past, needed.take(seen), needed.take(wanted))
        return found

    def onto(self, frame: Frame) -> Frame:
        """The rows of a table with the columns that look back, each row seeing all earlier ones of the table.

        Those that the table has already, and those whose columns it does not have, stay as they are.
        """
        able = [past for past in self.columns if all(name in frame for name in past.needs)]
        columns, kinds = dict(frame.columns), dict(frame.kinds)
        for past in able:
            if past.name in frame and not frame.missing(past.name).all():
                continue
            columns[past.name], kinds[past.name] = _look_back(past, frame, frame), Kind.NUMERIC
        return Frame(columns, kinds, len(frame))

    def fill(self, rows: Sequence[Any], history: object) -> list[Any]:
        """Rows of a request, with what they see of the history that was sent along; they do not see each other.

        A field that a row has already is left alone; so is what is no row, which its own reader refuses.

        Raises
        ------
        RequestError : the history is not a list of objects, is too long, or has a value that cannot be read; with its path.
        """
        past = self._decoded(_checked(history), "history")
        kept = [row for row in rows if isinstance(row, dict)]
        asked = self._decoded(kept, None)
        found = {column.name: _look_back(column, past, asked).tolist() for column in self.columns}
        filled = iter(
            {**{name: None if values[i] != values[i] else values[i] for name, values in found.items()}, **_given(row)}
            for i, row in enumerate(kept)
        )
        return [next(filled) if isinstance(row, dict) else row for row in rows]

    def key_of(self, past: Past, row: Mapping[str, Any]) -> tuple[tuple[Any, ...], Any] | None:
        """Whose row a raw row is to a column, and its time, both decoded; None where one is missing or cannot be read."""
        try:
            key = tuple(self._readers[name](row.get(name)) for name in past.by)
            time = self._readers[past.over](row.get(past.over))
        except Unreadable:
            return None
        return None if time is None or time != time or None in key else (key, time)

    def _decoded(self, rows: Sequence[Mapping[str, Any]], path: str | None) -> Frame:
        columns, kinds = {}, {}
        for spec in self.specs:
            read = self._readers[spec.name]
            decoded = []
            for i, row in enumerate(rows):
                try:
                    decoded.append(read(row.get(spec.name)))
                except Unreadable as error:
                    if path is not None:
                        raise RequestError(
                            f"{path}[{i}].{spec.name} cannot be read",
                            why=error.why,
                            way_out="send a value of the declared kind, or null when there is none",
                            path=f"{path}[{i}].{spec.name}",
                            code=error.code,
                        ) from None
                    decoded.append(None)  # the reader of the request says so
            columns[spec.name], kinds[spec.name] = typed_array(decoded, spec.kind), spec.kind
        return Frame(columns, kinds, len(rows))

    @cached_property
    def _readers(self) -> dict[str, Any]:
        return {spec.name: column_reader(spec) for spec in self.specs}


def _given(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def _checked(history: object) -> list[Mapping[str, Any]]:
    if type(history) is not list or not all(type(row) is dict for row in history):
        raise RequestError(
            '"history" is not a list of objects',
            why="it holds earlier rows, each an object of fields",
            way_out='write {"rows": [{...}], "history": [{...}, ...]}',
            path="history",
            code="bad-row",
        )
    if len(history) > MOST_ROWS:
        raise RequestError(
            f"{len(history):,} rows of history in one request",
            why=f"a request carries at most {MOST_ROWS:,}",
            way_out="send the rows that the windows reach, of the keys that are asked for",
            path="history",
            code="too-large",
            status=413,
        )
    return history


# ---------------------------------------------------------------- looking back


def _look_back(past: Past, seen: Frame, asked: Frame) -> np.ndarray:
    """What each row of `asked` sees of the earlier rows of `seen`, float64 (n,)."""
    values = np.full(len(asked), np.nan)
    groups = _groups(past, seen)
    times = asked[past.over]
    of = None if past.of is None else seen[past.of]
    for key, rows in _groups(past, asked).items():
        behind = groups.get(key, np.empty(0, np.int64))
        behind = behind[np.argsort(seen[past.over][behind], kind="stable")]
        before = seen[past.over][behind]
        own = times[rows]
        ends = np.searchsorted(before, own, side="left")  # what is at the same instant is not earlier
        starts = np.zeros(len(rows), np.int64)
        if past.window is not None:
            starts = np.searchsorted(before, _moved(own, past.window), side="left")
        elif past.rows is not None and past.take != "lag":
            starts = np.maximum(ends - past.rows, 0)
        if past.take == "count":
            values[rows] = ends - starts
        elif past.take == "since":
            some = ends > 0
            apart = own[some] - before[ends[some] - 1]
            values[rows[some]] = apart / SECOND if asked.kinds[past.over] is Kind.DATETIME else apart
        elif past.take == "lag":
            places = ends - (past.rows or 1)
            some = places >= 0
            assert of is not None
            values[rows[some]] = of[behind][places[some]]
        else:
            assert of is not None
            values[rows] = over_windows(past.take, of[behind], starts, ends)
    return values


def _moved(times: np.ndarray, window: float) -> np.ndarray:
    """Where windows begin; those of instants stay whole numbers of microseconds."""
    return times - np.int64(window) if times.dtype == np.int64 else times - window


def _groups(past: Past, frame: Frame) -> dict[Any, np.ndarray]:
    """Rows by key, in order, int64; those without a time or a key are in none."""
    known = ~absent(frame[past.over], frame.kinds[past.over])
    for name in past.by:
        known &= ~absent(frame[name], frame.kinds[name])
    rows = np.flatnonzero(known)
    if not past.by:
        return {(): rows} if len(rows) else {}
    number: dict[Any, int] = {}
    codes = np.fromiter((number.setdefault(key, len(number)) for key in _keys(past, frame, rows)), np.int64, len(rows))
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(number)))
    rows = rows[order]
    return dict(zip(number, np.split(rows, ends[:-1]), strict=True)) if number else {}


def _keys(past: Past, frame: Frame, rows: np.ndarray) -> Iterator[Any]:
    """The key of each of some rows; of all rows together Python's objects would take more than the rows do."""
    for start in range(0, len(rows), _AT_ONCE):
        some = rows[start : start + _AT_ONCE]
        yield from zip(*(frame[name][some].tolist() for name in past.by), strict=True)
