"""Instants: UTC, fixed width, refusing what is ambiguous."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.serving.instants import iso, iso_of, parse_instant


@given(st.integers(0, 4_000_000_000_000_000_000))
def test_text_and_instant_are_the_same_microsecond(at_ns: int) -> None:
    """Reading back gives the instant, to the microsecond."""
    at = parse_instant(iso(at_ns))
    assert at == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_ns // 1000)
    assert iso_of(at) == iso(at_ns)


@given(st.lists(st.integers(0, 4_000_000_000_000_000_000), min_size=2))
def test_text_sorts_as_time_does(instants: list[int]) -> None:
    """The width is fixed, so text order is time order."""
    micros = sorted(at // 1000 * 1000 for at in instants)
    assert [iso(at) for at in micros] == sorted(iso(at) for at in micros)


def test_a_naive_datetime_is_refused() -> None:
    """It would mean something else on every machine."""
    with pytest.raises(ValueError, match="no time zone"):
        iso_of(datetime(2026, 1, 1))


def test_another_zone_becomes_utc() -> None:
    """The instant counts, not the zone it is told in."""
    assert iso_of(datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))) == "2026-01-01T00:00:00.000000Z"
