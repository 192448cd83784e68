"""Rows are put in the order of time, whatever way it is written."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.bundle.decoder import EncodedColumn
from penstock.data.times import times_of
from penstock.data.writing import Written
from penstock.errors import SchemaMismatch


@pytest.mark.parametrize(
    "values",
    [
        ["2026-01-02", "2026-01-03", "2026-11-01"],
        ["31/12/2025", "01/01/2026", "02/02/2026"],
        ["9", "10", "11.5"],
        ["20251231", "20260101", "20260201"],
    ],
)
def test_dates_and_numbers_sort_by_time(values: list[str]) -> None:
    """Not by their letters."""
    assert np.argsort(times_of(EncodedColumn.of(values), "date", [])[0]).tolist() == [0, 1, 2]


def test_rows_without_a_time_count_as_the_oldest_and_are_told() -> None:
    """They train."""
    warnings: list[str] = []
    times, dates = times_of(EncodedColumn.of(["2026-01-02", None, "NA", "2025-01-01"]), "when", warnings)
    assert dates
    assert np.argsort(times, kind="stable").tolist() == [1, 2, 3, 0]
    assert warnings == ["2 rows have no time in 'when': they count as the oldest"]


def test_dates_that_may_be_read_both_ways_are_told() -> None:
    """Read the wrong way, rows of the future would train."""
    warnings: list[str] = []
    times_of(EncodedColumn.of(["01/02/2026", "02/01/2026"]), "when", warnings)
    assert len(warnings) == 1
    assert warnings[0].startswith("rows are dealt by the time in 'when': day and month cannot be told apart")


def test_times_are_read_as_they_are_said_to_be_written() -> None:
    """Pattern and time zone, without a word of doubt."""
    warnings: list[str] = []
    said = Written(formats=("%d/%m/%Y %H:%M",), timezone="America/New_York")
    times, _ = times_of(EncodedColumn.of(["01/02/2026 00:30", "02/01/2026 00:30"]), "when", warnings, said)
    assert times[0] - times[1] == 30 * 86_400e6
    assert times[1] % 86_400e6 == 5.5 * 3600e6
    assert warnings == []


def test_what_is_no_time_is_refused() -> None:
    """With its values shown on the terminal."""
    with pytest.raises(SchemaMismatch, match="neither dates") as caught:
        times_of(EncodedColumn.of(["red", "green"]), "colour", [])
    assert "'red'" in caught.value.seen
