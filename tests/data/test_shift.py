"""How columns differ."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp

from penstock.data.shift import shift_of_numbers, shift_of_values


def test_the_statistic_of_numbers_is_that_of_scipy() -> None:
    """Missing values are told apart, and do not count in it."""
    dice = np.random.default_rng(0)
    a, b = dice.normal(size=500), np.append(dice.normal(0.3, 1, size=700), [np.nan] * 70)
    shift = shift_of_numbers("x", a, b)
    assert shift.size == pytest.approx(ks_2samp(a, b[:700]).statistic)
    assert shift.now.missing == pytest.approx(70 / 770)
    assert shift.beyond_chance


def test_chance_alone_is_seldom_told() -> None:
    """Of two hundred pairs of equal distributions at most one or two."""
    dice = np.random.default_rng(1)
    numbers = sum(shift_of_numbers("x", dice.normal(size=200), dice.normal(size=300)).beyond_chance for _ in range(200))
    values = 0
    for _ in range(200):
        counts = [dict(zip("abcd", map(int, dice.multinomial(300, [0.4, 0.3, 0.2, 0.1])), strict=True)) for _ in "12"]
        values += shift_of_values("x", *counts).beyond_chance
    assert numbers <= 2
    assert values == 0


def test_edges_are_no_numbers_of_their_own() -> None:
    """No rows, all missing, one value, infinities."""
    nothing, missing = np.empty(0), np.full(5, np.nan)
    for a, b in ((nothing, nothing), (missing, nothing), (np.array([1.0]), np.array([np.inf]))):
        assert 0 <= shift_of_numbers("x", a, b).size <= 1
    assert shift_of_values("x", {}, {None: 3}).size == 0
    assert shift_of_values("x", {"a": 1}, {"b": 1}).size == 1


def test_a_column_that_was_lost_is_beyond_chance() -> None:
    """Its values are alike, but most are missing now."""
    values = np.arange(1000.0)
    assert shift_of_numbers("x", values, np.where(np.arange(1000) % 2, values, np.nan)).beyond_chance


def test_instants_are_told_as_dates() -> None:
    """Not as microseconds; their spread in days or hours."""
    days = np.datetime64("2024-01-01", "us").astype(np.int64) + np.arange(1000) * 86_400_000_000.0
    told = shift_of_numbers("sold_at", days, days + 500 * 86_400e6, unit="us")
    assert told.to_text() == "  sold_at: ks 0.500; 2025-05-14 ± 289 days -> 2026-09-26 ± 289 days"
    assert told.to_json()["unit"] == "us"
    assert "hours" in shift_of_numbers("sold_at", days[:1], days[:1] + 3.6e9, unit="us").to_text()
    assert "no instant" in shift_of_numbers("sold_at", days, np.full(3, np.nan), unit="us").to_text()
