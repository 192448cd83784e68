"""How a raw value becomes an instant: microseconds since 1970, UTC."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from penstock.bundle.raw import Reader, Unreadable, describe, short, simple_value
from penstock.bundle.specs import ColumnSpec
from penstock.errors import DeclarationError

_ISO = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?"
    r" ?(?:([Zz])|([+-])([0-9]{2}):?([0-9]{2})?)?)?"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND


def instant_reader(spec: ColumnSpec) -> Reader:
    markers = frozenset(marker.strip() for marker in spec.missing)
    zone = time_zone(spec.timezone, column=spec.name)
    formats = spec.formats or ("iso",)
    parsers = [_iso_instant if pattern == "iso" else _pattern_instant(pattern) for pattern in formats]

    def read(value: object) -> int | None:
        if type(value) is str:
            text = value.strip()
            if not text or text in markers:
                return None
            for parse in parsers:
                try:
                    instant = parse(text)
                except ValueError:
                    continue
                if instant.tzinfo is None:
                    instant = instant.replace(tzinfo=zone)  # twice-told hours: the first; skipped hours: the old offset
                microseconds = (instant - _EPOCH) // _MICROSECOND
                if not _FIRST <= microseconds <= _LAST:
                    raise Unreadable("out-of-range", f"{short(text)} lies outside the years 1 to 9999 in UTC")
                return microseconds
            raise Unreadable("wrong-type", f"{short(text)} is not a date of the form {' or '.join(formats)}")
        if value is None or value != value:
            return None
        simple = simple_value(value)
        if simple is not value:
            return read(simple)
        raise Unreadable("wrong-type", f"{describe(value)} is not a date: it must be text")

    return read


def time_zone(name: str, *, column: str) -> tzinfo:
    """The time zone of this name.

    Raises
    ------
    DeclarationError : there is none, or this machine has no time-zone data.
    """
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise DeclarationError(
            f"column {column!r} declares the time zone {name!r}, which is not known here",
            why="it is no name of the time-zone data base, or this machine has no such data base",
            way_out="write a name such as 'Europe/Berlin', or `pip install tzdata`",
        ) from error


def _iso_instant(text: str) -> datetime:
    match = _ISO.fullmatch(text)
    if match is None:
        raise ValueError(text)
    year, month, day, hour, minute, second, fraction, zulu, sign, offset_hours, offset_minutes = match.groups()
    zone: tzinfo | None = None
    if zulu:
        zone = UTC
    elif sign:
        offset = timedelta(hours=int(offset_hours), minutes=int(offset_minutes or 0))
        zone = timezone(-offset if sign == "-" else offset)
    microsecond = int(fraction[:6].ljust(6, "0")) if fraction else 0
    return datetime(
        int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), microsecond, tzinfo=zone
    )


def _pattern_instant(pattern: str) -> Callable[[str], datetime]:
    def parse(text: str) -> datetime:
        if not text.isascii() and any(char.isdigit() and not char.isascii() for char in text):
            raise ValueError(text)  # `strptime` would take digits of other scripts
        return datetime.strptime(text, pattern)

    return parse
