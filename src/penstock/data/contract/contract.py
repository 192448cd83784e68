"""A contract as data: what each column, the table, and pairs of columns must keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property

from penstock.bundle.kinds import Kind
from penstock.bundle.specs import ColumnSpec, Label
from penstock.bundle.values import class_text

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class ColumnRules:
    """What one column must keep. None: nothing is asked.

    Attributes
    ----------
    kind : how its values are read, with the markers, marks and formats below; None: it may hold anything.
    optional : the file need not have it.
    missing_at_most : share of rows without a value.
    at_least, at_most : numbers; of a datetime column microseconds since 1970, UTC.
    values : all that it may say. pattern : regular expression that a whole value matches.
    length_at_least, length_at_most : characters of a value.
    newest_within_s : the newest instant lies at most so many seconds back.
    exceptions : share of rows that may break a rule of their values.
    """

    name: str
    kind: Kind | None = None
    missing: tuple[str, ...] = ()
    decimal: str = "."
    thousands: str = ""
    formats: tuple[str, ...] = ()
    timezone: str = "UTC"
    optional: bool = False
    missing_at_most: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    whole: bool = False
    values: tuple[Label, ...] | None = None
    length_at_least: int | None = None
    length_at_most: int | None = None
    pattern: str | None = None
    unique: bool = False
    newest_within_s: float | None = None
    exceptions: float = 0.0

    @cached_property
    def spec(self) -> ColumnSpec:
        """How its values are read."""
        values = self.values or ()
        truth = bool(values) and all(type(value) is bool for value in values)
        return ColumnSpec(
            self.name,
            self.kind or Kind.TEXT,
            missing=self.missing,
            decimal=self.decimal,
            thousands=self.thousands,
            formats=self.formats,
            timezone=self.timezone,
            numeric_text=bool(values) and all(type(value) in (int, float) for value in values),
            boolean_text=truth,
        )

    @cached_property
    def value_texts(self) -> frozenset[str]:
        """The values allowed, as the decoder writes them."""
        return frozenset(class_text(value) for value in self.values or ())


@dataclass(frozen=True, slots=True)
class Comparison:
    """A rule between two columns, or a column and a number: ``left op right`` holds in every row that has both.

    `right` is a column's name or a number; `exceptions` the share of rows that may break it.
    """

    id: str
    left: str
    op: str
    right: str | float
    exceptions: float = 0.0

    def __str__(self) -> str:
        return f"{self.left} {self.op} {self.right}"


@dataclass(frozen=True)
class Contract:
    """All of it.

    Attributes
    ----------
    columns : name -> rules, in the order of the text. comparisons : between columns.
    new_columns : whether a file may have columns that are not named. rows_at_least, rows_at_most : of a whole file.
    """

    columns: Mapping[str, ColumnRules] = field(default_factory=dict)
    comparisons: tuple[Comparison, ...] = ()
    new_columns: bool = False
    rows_at_least: int | None = None
    rows_at_most: int | None = None

    @property
    def freshness_s(self) -> float | None:
        """The shortest time within which newest rows must lie, in seconds; None where what holds today holds tomorrow."""
        return min((r.newest_within_s for r in self.columns.values() if r.newest_within_s is not None), default=None)


def instant_text(microseconds: float) -> str:
    """A TOML date or instant of microseconds since 1970.

    >>> instant_text(0), instant_text(1_500_000)
    ('1970-01-01', '1970-01-01T00:00:01.500000Z')
    """
    instant = _EPOCH + timedelta(microseconds=int(microseconds))
    whole_day = instant.time() == _EPOCH.time()
    return instant.date().isoformat() if whole_day else instant.replace(tzinfo=None).isoformat() + "Z"


def microseconds_of(instant: datetime) -> int:
    """Microseconds since 1970; an instant without a zone is UTC."""
    aware = instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)
