"""How the times of two sources are written, so that one can be asked what was known at the time of the other.

A date such as 02/03/2026 is two days. Read the wrong way round on one side, a row would be given values of its own future,
and nothing would show it. So a side that may be read both ways is read as the other one is, where that is beyond doubt and the
order of its own rows does not speak against it; else the user has to say it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.errors import SchemaMismatch

if TYPE_CHECKING:
    import numpy as np

    from penstock.bundle.raw import Reader
    from penstock.bundle.specs import EncodedColumn
    from penstock.data.evidence import Evidence
    from penstock.data.formats import DateFormat


@dataclass(frozen=True, slots=True)
class Clock:
    """How the times of a column are written."""

    read: Reader
    is_date: bool

    def times(self, column: EncodedColumn) -> np.ndarray:
        """Microseconds of dates, else numbers; NaN where there is none: float64, shape (n,)."""
        import numpy as np

        from penstock.bundle.raw import Unreadable

        table = np.full(len(column.values) + 1, np.nan)
        for code, value in enumerate(column.values):
            try:
                time = self.read(value)
            except Unreadable:
                continue
            if time is not None:
                table[code] = time
        return table[column.codes]


@dataclass(frozen=True)
class Times:
    """The times of one side.

    Attributes
    ----------
    column : of all its rows, or of the first of them. name : of the column. of : whose rows they are, for messages.
    setting : the key of `as_of` that says their `formats`. formats : as it does; () where they are inferred.
    """

    column: EncodedColumn
    name: str
    of: str
    setting: str
    formats: tuple[str, ...] = ()


def clocks_of(left: Times, right: Times, timezone: str, notes: list[str]) -> tuple[Clock, Clock]:
    """The clocks of the rows and of the other source; what a person should know is added to `notes`.

    `timezone`: in which instants are read that name none; "" means UTC, where none names one.

    Raises
    ------
    SchemaMismatch : a side holds neither dates nor numbers, one holds dates and the other numbers, day and month of a
        side cannot be told apart, or only some instants name their time zone and `timezone` does not say that of the others.
    """
    sides = [_Side.of(left), _Side.of(right)]
    if sides[0].is_date != sides[1].is_date:
        raise SchemaMismatch(
            f"{left.name!r} and {right.name!r} of {right.of} cannot be compared",
            why="one holds dates and the other numbers",
            way_out="write both times in one form",
        )
    if not timezone:
        _check_zones(*sides)
    one, other = (side.settled(by, notes) for side, by in zip(sides, reversed(sides), strict=True))
    return one.clock(timezone or "UTC"), other.clock(timezone or "UTC")


@dataclass(frozen=True)
class _Side:
    """Attributes
    ----------
    dates : how its dates are written; None of numbers, and where the formats are declared.
    """

    times: Times
    evidence: Evidence
    dates: DateFormat | None
    formats: tuple[str, ...] = ()
    decimal: str = "."
    thousands: str = ""

    @classmethod
    def of(cls, times: Times) -> _Side:
        import numpy as np

        from penstock.data.evidence import MISSING_MARKERS, Evidence
        from penstock.data.formats import date_format, number_format

        evidence = Evidence.of(times.column, np.arange(len(times.column.codes)))
        evidence = evidence.without([text for text in evidence.texts if text in MISSING_MARKERS])
        if times.formats:
            return cls(times, evidence, None, times.formats)
        dates = date_format(evidence, times.name)
        if dates is not None:
            return cls(times, evidence, dates, dates.formats)
        numbers = number_format(evidence.texts) if evidence.texts else None
        if numbers is not None:
            return cls(times, evidence, None, (), numbers.decimal, numbers.thousands)
        shown = ", ".join(map(repr, evidence.texts[:3]))
        raise SchemaMismatch(
            f"{times.name!r} is no time",
            why="its values are neither dates that are known nor numbers" if shown else "it is empty",
            way_out=f"name a column of dates such as 2026-11-20 in as_of, or say in {times.setting} how they are written",
            seen=shown,
        )

    @property
    def is_date(self) -> bool:
        return bool(self.formats)

    @property
    def both_ways(self) -> tuple[str, ...]:
        """The formats with day and month the other way round, where the values do not tell which is right."""
        return () if self.dates is None else self.dates.swapped

    def clock(self, timezone: str) -> Clock:
        from penstock.bundle.kinds import Kind
        from penstock.bundle.specs import ColumnSpec
        from penstock.bundle.values import column_reader

        name = self.times.name
        if self.is_date:
            spec = ColumnSpec(name, Kind.DATETIME, formats=self.formats, timezone=timezone)
        else:
            spec = ColumnSpec(name, Kind.NUMERIC, decimal=self.decimal, thousands=self.thousands)
        return Clock(column_reader(spec), self.is_date)

    def settled(self, by: _Side, notes: list[str]) -> _Side:
        """The same with day and month as the other side has them, where its own values do not tell."""
        from dataclasses import replace

        if not self.both_ways:
            return self
        assert self.dates is not None
        times, order = self.times, _orders(by.formats)
        own, swapped = _orders(self.formats), _orders(self.both_ways)
        fitting = [
            formats
            for formats, found in ((self.formats, own), (self.both_ways, swapped))
            if not by.both_ways and len(order) == 1 and found == order
        ]
        if len(fitting) != 1 or (self.dates.leaning and fitting[0] != self.formats):
            shown = next(text for text in self.evidence.texts if any(char in "/-." for char in text))
            raise SchemaMismatch(
                f"day and month of {times.name!r} of {times.of} cannot be told apart",
                why=f"every value, such as {shown!r}, is a date both ways; read the wrong way, rows would know their future",
                way_out=f"say it in as_of of that [[data.join]]: {times.setting} = {_toml(self.formats)} or {_toml(self.both_ways)}",
            )
        notes.append(
            f"every time in {times.name!r} of {times.of} is a date both ways; it is read in the order that "
            f"{by.times.name!r} of {by.times.of} is written in: {', '.join(fitting[0])}"
        )
        return replace(self, formats=fitting[0])


def _orders(formats: tuple[str, ...]) -> set[str]:
    """Whether the day or the month stands first, of those where either may."""
    return {pattern[:2] for pattern in formats if pattern[:2] in ("%d", "%m") and pattern[3:5] in ("%d", "%m")}


def _check_zones(left: _Side, right: _Side) -> None:
    """Refuse instants of one side, or of a part of it, that name no time zone where others do.

    Read in a wrong one, they are hours later or earlier than they seem, and rows know their future.

    Raises
    ------
    SchemaMismatch : there are some.
    """
    from penstock.data.formats import clocks_of_zones

    counts = [clocks_of_zones(side.evidence) if side.is_date else (0, 0) for side in (left, right)]
    if not any(zoned for zoned, _ in counts):
        return
    plain = [
        f"{plain} instants in {side.times.name!r} of {side.times.of}"
        for side, (_, plain) in zip((left, right), counts, strict=True)
        if plain
    ]
    if plain:
        raise SchemaMismatch(
            f"{' and '.join(plain)} name no time zone, while others do",
            why="read in another zone than they were written in, they are hours off, and rows would know their future",
            way_out='say in as_of of that [[data.join]] where they are from: timezone = "UTC", or a name such as "Europe/Berlin"',
        )


def _toml(formats: tuple[str, ...]) -> str:
    return "[" + ", ".join(f'"{pattern}"' for pattern in formats) + "]"
