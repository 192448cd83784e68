"""Instants and the names of runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.ledger.clock import instant_text, new_run_id, now

INSTANTS = st.datetimes(datetime(1970, 1, 2), datetime(2999, 12, 30), timezones=st.just(UTC))


def test_an_instant_of_another_zone_is_written_in_utc() -> None:
    """Noon in Berlin in summer is ten o'clock."""
    noon = datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert instant_text(noon) == "2026-07-01T10:00:00.000000Z"


def test_a_naive_instant_is_refused() -> None:
    """Nobody knows when that was."""
    with pytest.raises(ValueError, match="naive"):
        instant_text(now().replace(tzinfo=None))


@given(INSTANTS, INSTANTS)
def test_texts_and_ids_sort_by_time(one: datetime, other: datetime) -> None:
    """So that "newest first" needs no other column."""
    if one < other:
        assert instant_text(one) < instant_text(other)
        assert new_run_id(one) < new_run_id(other)
    assert len(new_run_id(one)) == len("20261120T101112-3f9a1c")
