"""Instants as they are stored: UTC, microseconds, fixed width, so that text sorts as time does."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def iso(at_ns: int) -> str:
    """Nanoseconds since 1970 as ISO text.

    >>> iso(1_700_000_000_123_456_789)
    '2023-11-14T22:13:20.123456Z'
    """
    seconds, rest = divmod(at_ns, 1_000_000_000)
    return f"{_second(seconds)}.{rest // 1000:06d}Z"


def iso_now() -> str:
    return iso(time.time_ns())


def iso_of(at: datetime) -> str:
    """The same text for an aware datetime.

    Raises
    ------
    ValueError : `at` has no time zone; a naive instant means something else on every machine.
    """
    if at.tzinfo is None:
        raise ValueError(f"{at!r} has no time zone; use datetime(..., tzinfo=UTC)")
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_instant(text: str) -> datetime:
    """An aware UTC datetime from ISO 8601 text; text without a zone is taken as UTC.

    Raises
    ------
    ValueError : it is no ISO 8601 instant.

    >>> parse_instant("2026-11-20T10:00:00+01:00")
    datetime.datetime(2026, 11, 20, 9, 0, tzinfo=datetime.timezone.utc)
    """
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)


_last_second: tuple[int, str] = (-1, "")


def _second(seconds: int) -> str:
    """Text of a whole second; remembered, because a busy server asks for the same one thousands of times."""
    global _last_second
    known, text = _last_second
    if known != seconds:
        text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
        _last_second = (seconds, text)
    return text
