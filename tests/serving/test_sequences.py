"""Confidence sequences: they hold at all looks together, and so are wider than ordinary intervals, and they do narrow."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.serving.sequences import Interval, difference, mean_sequence, quantile_sequence, share_sequence

LOOKS = (*range(1, 50, 3), *range(50, 500, 25), *range(500, 2001, 250))


@pytest.mark.parametrize("p", [0.01, 0.3, 0.5])
def test_a_share_is_missed_at_any_look_in_fewer_runs_than_alpha(p: float) -> None:
    """100 runs of 2,000 observations, looked at about 40 times each: an ordinary interval would miss in most of them."""
    rng = np.random.default_rng(7)
    missed = ordinary = 0
    for _ in range(100):
        hits = np.cumsum(rng.random(LOOKS[-1]) < p)
        spans = [share_sequence(int(hits[n - 1]), n, alpha=0.1) for n in LOOKS]
        missed += any(not low <= p <= high for low, high in spans)
        usual = [1.645 * math.sqrt(p * (1 - p) / n) for n in LOOKS]
        ordinary += any(abs(hits[n - 1] / n - p) > reach for n, reach in zip(LOOKS, usual, strict=True))
    assert missed <= 100 * 0.1
    assert ordinary > 100 * 0.3


def test_a_mean_is_missed_at_any_look_in_about_as_few_runs_as_alpha() -> None:
    """Of skewed values, from 50 observations on."""
    rng = np.random.default_rng(8)
    missed = 0
    for _ in range(100):
        values = rng.exponential(size=2000)
        for n in (n for n in LOOKS if n >= 50):
            low, high = mean_sequence(values[:n].mean(), values[:n].std() / math.sqrt(n), n, alpha=0.1)
            if not low <= 1 <= high:
                missed += 1
                break
    assert missed <= 100 * 0.1


def test_a_quantile_is_missed_at_any_look_in_fewer_runs_than_alpha() -> None:
    """The median and the 95 % quantile of skewed times."""
    rng = np.random.default_rng(9)
    for share in (0.5, 0.95):
        true, missed = -math.log(1 - share), 0
        for _ in range(40):
            values = rng.exponential(size=2000)
            spans = [quantile_sequence(values[:n], share, alpha=0.1) for n in LOOKS[::4]]
            missed += any(not low <= true <= high for low, high in spans)
        assert missed <= 4


@given(st.integers(0, 2000), st.integers(0, 2000))
def test_a_share_lies_within_its_interval(hits: int, misses: int) -> None:
    """Which lies between 0 and 1, is wider than 0, and mirrors that of the misses."""
    n = hits + misses
    low, high = share_sequence(hits, n)
    assert 0 <= low < high <= 1
    if n:
        assert low <= hits / n <= high
    other = share_sequence(misses, n)
    assert low == pytest.approx(1 - other.high, abs=1e-9)


def test_more_observations_narrow_an_interval() -> None:
    """By about the root of their ratio."""
    widths = [(lambda i: i.high - i.low)(share_sequence(n // 10, n)) for n in (100, 10_000, 1_000_000)]
    assert widths[0] > 5 * widths[1] > 25 * widths[2]


def test_few_values_leave_an_end_open() -> None:
    """Nothing is known of the 99 % quantile of ten values but its lower end."""
    assert quantile_sequence([], 0.5) == Interval(-math.inf, math.inf)
    low, high = quantile_sequence(range(10), 0.99)
    assert math.isinf(high)
    assert low <= 9
    assert quantile_sequence([3.0], 0.5) == Interval(-math.inf, math.inf)


def test_a_difference_is_as_unsure_as_both() -> None:
    """From the least to the most that it may be."""
    assert difference(Interval(0.1, 0.3), Interval(0.2, 0.6)) == pytest.approx((-0.1, 0.5))
    assert difference(Interval(0.1, 0.2), Interval(0.3, 0.6)).excludes_zero
    assert not mean_sequence(math.nan, 0.1, 10).excludes_zero
