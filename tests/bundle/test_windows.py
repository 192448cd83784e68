"""Windows say what each of them would say alone, to the last bit, however many and however wide they are."""

from __future__ import annotations

from fractions import Fraction
from math import fsum, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.bundle import windows
from penstock.bundle.windows import TAKES, over_windows

NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False, width=64),
    st.sampled_from([0.0, -0.0, 0.1, 1e16, -1e16, 5e-324, 1e-300, 2.0**52 + 1]),
    st.just(float("nan")),
)


def alone(take: str, values: list[float]) -> float:
    """By definition."""
    if take == "sum":
        return fsum(values)
    if not values:
        return float("nan")
    mean = fsum(values) / len(values)
    if take == "std":
        exact = [Fraction(value) for value in values]
        middle = sum(exact) / len(exact)
        return sqrt(float(sum((value - middle) ** 2 for value in exact) / len(exact)))
    return {"mean": mean, "min": min(values), "max": max(values)}[take]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(NUMBERS.filter(lambda x: not abs(x) > 1e150), max_size=60),
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=30),
    st.sampled_from(TAKES),
    st.booleans(),
)
def test_a_window_says_what_it_would_say_alone(
    series: list[float], pairs: list[tuple[int, int]], take: str, cleverly: bool
) -> None:
    """Both ways of reckoning, gaps, empty windows, numbers that cancel each other out, and the smallest there are."""
    bounds = [sorted((min(a, len(series)), min(b, len(series)))) for a, b in pairs]
    starts, ends = np.array(bounds, np.int64).T
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "_NARROW", -1 if cleverly else 10**9)
        found = over_windows(take, np.array(series, np.float64), starts, ends)
    expected = [alone(take, [x for x in series[a:b] if x == x]) + 0.0 for a, b in bounds]
    assert found.tobytes() == np.array(expected, np.float64).tobytes()


def test_sums_beyond_float64_end_as_they_did() -> None:
    """Values whose sum overflows on its way are added one after the other."""
    values = np.full(100, 1.7e308)
    found = over_windows("sum", values, np.zeros(3, np.int64), np.full(3, 100, np.int64))
    assert found.tolist() == [float("inf")] * 3


def test_a_deviation_is_the_usual_one() -> None:
    """NumPy's, where that is accurate; of values that do not differ it is 0; beyond float64 it ends as other sums do."""
    dice = np.random.default_rng(0)
    series = dice.normal(20, 5, 500)
    starts = dice.integers(0, 400, 50)
    ends = starts + dice.integers(1, 100, 50)
    expected = [series[a:b].std() for a, b in zip(starts, ends, strict=True)]
    assert np.allclose(over_windows("std", series, starts, ends), expected, rtol=1e-12, atol=1e-12)
    one, ten = np.zeros(1, np.int64), np.full(1, 10, np.int64)
    assert over_windows("std", np.full(10, 0.1), one, ten).tolist() == [0.0]
    assert over_windows("std", np.array([1.7e308, -1.7e308] * 5), one, ten).tolist() == [float("inf")]


@pytest.mark.parametrize("reach", [5, 90])
@pytest.mark.parametrize("take", TAKES)
def test_windows_that_are_worked_out_in_turns_say_the_same(
    monkeypatch: pytest.MonkeyPatch, take: str, reach: int
) -> None:
    """In whatever order they come, and whether they reach a little or almost everything."""
    dice = np.random.default_rng(0)
    series = np.where(dice.random(200) < 0.1, np.nan, dice.normal(size=200))
    ends = dice.permutation(np.arange(200))
    starts = np.maximum(ends - dice.integers(0, reach, 200), 0)
    whole = over_windows(take, series, starts, ends)
    monkeypatch.setattr(windows, "_AT_ONCE", 16)
    turns = list(windows._in_turns(len(series), starts, ends))
    assert (len(turns) > 1) is (reach == 5)
    assert over_windows(take, series, starts, ends).tobytes() == whole.tobytes()
