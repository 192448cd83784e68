"""Instants, always UTC, and the names of runs, which sort by time."""

from __future__ import annotations

import os
from datetime import UTC, datetime


def now() -> datetime:
    """The present instant, UTC."""
    return datetime.now(UTC)


def instant_text(instant: datetime) -> str:
    """An instant as it is stored: microseconds, UTC, ``Z``. Such texts sort by time.

    >>> instant_text(datetime(2026, 11, 20, 10, tzinfo=UTC))
    '2026-11-20T10:00:00.000000Z'
    """
    if instant.tzinfo is None:
        raise ValueError(f"a naive instant: {instant!r}; give it a time zone")
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def now_text() -> str:
    """The present instant as it is stored."""
    return instant_text(now())


def seconds_between(started_at: str, ended_at: str | None = None) -> float:
    """Seconds between two instants as they are stored; until now without a second.

    >>> seconds_between("2026-11-20T10:00:00.000000Z", "2026-11-20T10:00:01.500000Z")
    1.5
    """
    end = now() if ended_at is None else datetime.fromisoformat(ended_at)
    return max(0.0, (end - datetime.fromisoformat(started_at)).total_seconds())


def new_run_id(instant: datetime) -> str:
    """An id that reads well and sorts by time: the second, then the microsecond and a random digit, in hex.

    >>> new_run_id(datetime(2026, 11, 20, 10, 11, 12, 345678, tzinfo=UTC))[:-1]
    '20261120T101112-5464e'
    """
    return f"{instant:%Y%m%dT%H%M%S}-{instant.microsecond:05x}{os.urandom(1)[0] & 15:x}"
