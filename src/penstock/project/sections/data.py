"""`[project]` and `[data]`: what is asked, of which data, and how their source is read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal

from penstock.bundle.kinds import Kind, Task
from penstock.project.sections.section import Fault, Section
from penstock.project.split_settings import parsed_gap


class ProjectSection(Section, frozen=True):
    name: str = ""  # default: the folder's name
    question: str = ""


class AsOfSection(Section, frozen=True):
    """The newest row that was known at a time."""

    left: str
    right: str
    strict: bool = False  # older than the row's own time, not of the same
    max_age: str | float | None = None
    left_formats: tuple[str, ...] = ()  # of dates: "iso", or patterns such as "%d/%m/%Y"; default: found in the values
    right_formats: tuple[str, ...] = ()
    timezone: str = ""  # of instants that name none; default: UTC

    def faults(self) -> Iterator[Fault]:
        for key in ("left_formats", "right_formats"):
            for pattern in getattr(self, key):
                if pattern != "iso" and not _is_date_pattern(pattern):
                    yield key, f"{pattern!r} is no format of dates", FORMATS_WAY_OUT
        if self.max_age is not None and parsed_gap(self.max_age) is None:
            yield (
                "max_age",
                f"{self.max_age!r} is no length of time",
                'write "30d" (s, m, h, d, w), or a number for times that are numbers',
            )


def _is_date_pattern(pattern: str) -> bool:
    """Whether a pattern of `strptime` says at least year and month.

    >>> _is_date_pattern("%d/%m/%Y"), _is_date_pattern("%d/%m"), _is_date_pattern("dd/mm/yyyy")
    (True, False, False)
    """
    instant = datetime(2026, 11, 25, 13, 5, tzinfo=UTC)
    try:
        read = datetime.strptime(instant.strftime(pattern), pattern)
    except ValueError:
        return False
    return (read.year, read.month) == (instant.year, instant.month)


class JoinSection(Section, frozen=True):
    """Another source whose columns stand beside the rows."""

    source: str
    on: str | tuple[str, ...] = ()
    left_on: str | tuple[str, ...] = ()
    right_on: str | tuple[str, ...] = ()
    as_of: AsOfSection | None = None
    columns: tuple[str, ...] = ()  # those that are taken; default: all but those of the key and the time
    prefix: str = ""
    format: Literal["csv", "jsonl", "json", "parquet"] | None = None
    delimiter: str | None = None
    quote: str | None = None
    encoding: str = "utf-8"
    query: str | None = None
    cursor: str | None = None
    key: str | None = None

    def faults(self) -> Iterator[Fault]:
        left, right = names_of(self.left_on), names_of(self.right_on)
        if bool(names_of(self.on)) == bool(left or right) or len(left) != len(right):
            yield (
                "",
                "a join has either `on`, or `left_on` and `right_on` with as many columns each",
                'write on = "customer_id"',
            )
        if not is_database(self.source):
            for key in ("query", "cursor", "key"):
                if getattr(self, key) is not None:
                    yield key, f"the source {self.source!r} is no database", "remove it"


def names_of(names: str | tuple[str, ...]) -> tuple[str, ...]:
    """One name, or several."""
    return (names,) if isinstance(names, str) else names


class DataSection(Section, frozen=True):
    source: str = ""  # "" where the folder only keeps runs of scripts
    target: str = ""
    task: Task | None = None  # default: inferred from the target
    positive: str | int | float | bool | None = None  # the class that "positive" means; default: the last one
    kinds: dict[str, Kind] = {}  # overrides of the inferred kinds
    drop: tuple[str, ...] = ()  # columns that are not kept at all
    missing: tuple[str, ...] | None = None  # markers; default: found in training rows
    key: str | None = None  # an identifier column that is echoed in answers and takes labels
    format: Literal["csv", "jsonl", "json", "parquet", "texts", "images"] | None = None
    delimiter: str | None = None
    quote: str | None = None
    header: bool = True
    columns: tuple[str, ...] | None = None
    encoding: str = "utf-8"
    file_column: str | None = None  # a column that tells the file of each row
    query: str | None = None  # SQL, where the source is a database
    cursor: str | None = None  # its column by which only newer rows are fetched
    join: tuple[JoinSection, ...] = ()
    formats: dict[str, str | tuple[str, ...]] = {}  # column -> of its dates: "iso", or patterns such as "%d/%m/%Y"
    timezone: str | dict[str, str] = ""  # of instants that name none, of all columns or by column; default: UTC
    decimal: dict[str, str] = {}  # column -> its decimal mark
    thousands: dict[str, str] = {}  # column -> its thousands mark; "" for none

    def faults(self) -> Iterator[Fault]:
        yield from self._faults_of_writing()
        if self.target in self.drop:
            yield "drop", f"it names the target {self.target!r}", "remove it from the list"
        if not is_database(self.source):
            for key in ("query", "cursor"):
                if getattr(self, key) is not None:
                    yield (
                        key,
                        f"the source {self.source!r} is no database",
                        "remove it, or name one: sqlite:///shop.db, postgresql://",
                    )

    def _faults_of_writing(self) -> Iterator[Fault]:
        for name, said in self.formats.items():
            if not names_of(said):
                yield (
                    f"formats.{name}",
                    "no format is no way to read dates",
                    'write a pattern such as "%d/%m/%Y", or remove it',
                )
            for pattern in names_of(said):
                if pattern != "iso" and not _is_date_pattern(pattern):
                    yield f"formats.{name}", f"{pattern!r} is no format of dates", FORMATS_WAY_OUT
            if name == self.target:
                yield f"formats.{name}", "it is the target, which is a class or a number", "remove it"
        dates = {*self.formats, *(self.timezone if isinstance(self.timezone, dict) else ())}
        numbers = {*self.decimal, *self.thousands}
        for name in sorted(dates | numbers):
            kind, want = self.kinds.get(name), Kind.DATETIME if name in dates else Kind.NUMERIC
            key = next(
                key for key in ("formats", "timezone", "decimal", "thousands") if name in (getattr(self, key) or ())
            )
            if name in dates & numbers:
                yield (
                    f"{key}.{name}",
                    "a column holds either dates or numbers, and marks of numbers are set too",
                    "remove one",
                )
            elif kind not in (None, want):
                yield (
                    f"{key}.{name}",
                    f"kinds.{name} says that it is {kind.value}",
                    f"remove one of them, or write {want.value!r}",
                )
        for name in sorted(numbers):
            decimal, thousands = self.decimal.get(name, "."), self.thousands.get(name, "")
            marks = decimal + thousands
            if len(decimal) != 1 or len(thousands) > 1 or decimal == thousands or any(map(str.isalnum, marks)):
                yield (
                    f"{'decimal' if name in self.decimal else 'thousands'}.{name}",
                    f"decimal mark {decimal!r} and thousands mark {thousands!r} cannot be",
                    "each is one character (thousands may be none), they differ, and neither is a digit or a letter",
                )
        zones = self.timezone.items() if isinstance(self.timezone, dict) else [("", self.timezone)]
        for name, zone in zones:
            if zone and not _is_time_zone(zone):
                yield (
                    f"timezone.{name}".rstrip("."),
                    f"{zone!r} is no time zone that is known here",
                    'write a name such as "Europe/Berlin", or "UTC"',
                )


FORMATS_WAY_OUT = 'write "iso", or a pattern such as "%d/%m/%Y"'


def _is_time_zone(name: str) -> bool:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return name == "UTC"
    return True


def is_database(source: str) -> bool:
    """Whether a source is asked in SQL.

    >>> is_database("sqlite:///shop.db?table=orders"), is_database("orders.csv")
    (True, False)
    """
    return source.partition("://")[0].lower() in ("sqlite", "postgresql", "postgres") and "://" in source


class ContractSection(Section, frozen=True):
    """What a file must be before any row of it is taken in: see `penstock.data.contract`."""

    file: str = "contract.toml"
    check: Literal["stop", "warn", "off"] = "stop"  # what `run` and `retrain` do where rows break it
    at_predict: Literal["stop", "warn", "off"] = "warn"  # what `predict` does
