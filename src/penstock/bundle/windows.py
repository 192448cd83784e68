"""Sums and extremes over windows of one series, in a time that hardly depends on how wide the windows are.

What comes out is what one window alone would give, to the last bit: sums are exact before they are rounded once (as by `math.fsum`), and
extremes are values of the series. Windows may overlap, in any order.
"""

from __future__ import annotations

from itertools import accumulate
from math import fsum, sqrt

import numpy as np

_NARROW = 16  # values of a window, on average, up to which adding them up is faster than anything clever
_HUGE = 2.0**960  # of such values, sums may pass beyond float64 on their way
TAKES = ("mean", "sum", "min", "max", "std")


def over_windows(take: str, values: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """What the windows say, float64 (w,); NaN of those without a value, but the sum of nothing is 0.

    Parameters
    ----------
    take : one of `TAKES`; the standard deviation is that of a population, and takes time for each value of each window.
    values : float64 (n,), finite or NaN, which is left out. starts, ends : int64 (w,); a window is ``values[start:end]``.

    >>> series = np.array([1.0, np.nan, 3.0, 2.0])
    >>> [over_windows(take, series, np.array([0, 1, 1]), np.array([4, 4, 2])).tolist() for take in ("sum", "max")]
    [[6.0, 5.0, 0.0], [3.0, 3.0, nan]]
    """
    there = ~np.isnan(values)
    before = np.concatenate([[0], np.cumsum(there)])  # of how many values that are there each place comes
    present, a, b = values[there], before[starts], before[ends]
    wide = int((b - a).sum()) > _NARROW * len(a)
    if take in ("min", "max") and wide:
        found = _extremes(np.minimum if take == "min" else np.maximum, present, a, b)
    elif take in ("sum", "mean") and wide and np.abs(present).max(initial=0.0) < _HUGE:
        found = _sums(present, a, b)
        if take == "mean":
            found = np.where(b > a, found / np.maximum(b - a, 1), np.nan)
    else:
        plain = present.tolist()
        found = np.array([_SAYS[take](plain[i:j]) for i, j in zip(a.tolist(), b.tolist(), strict=True)], np.float64)
    return found + 0.0  # no negative zero: which of two zeros is the smaller depends on who is asked


def _sums(values: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Differences of running sums, in whole numbers of the finest unit that any value needs: Python divides those with one rounding."""
    fractions = [value.as_integer_ratio() for value in values.tolist()]
    unit = max((below for _, below in fractions), default=1)  # a power of two
    sums = list(accumulate((above * (unit // below) for above, below in fractions), initial=0))
    windows = zip(starts.tolist(), ends.tolist(), strict=True)
    return np.array([(sums[b] - sums[a]) / unit for a, b in windows], np.float64)


def _extremes(pick: np.ufunc, values: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """A window is covered by two runs of the same power of two that begin and end with it (a sparse table, level by level)."""
    width = ends - starts
    level = np.where(width > 0, np.frexp(np.maximum(width, 1))[1] - 1, -1)  # of the longest such run; exact below 2^53
    found = np.full(len(starts), np.nan)
    runs = values  # the extreme of the 2^k values from each place on
    for k in range(int(level.max(initial=-1)) + 1):
        these = level == k
        found[these] = pick(runs[starts[these]], runs[ends[these] - 2**k])
        runs = pick(runs[: -(2**k)], runs[2**k :]) if len(runs) > 2**k else runs
    return found


def _sum(values: list[float]) -> float:
    try:
        return fsum(values)
    except OverflowError:  # finite numbers whose sum is beyond float64: it ends at the largest float32 anyway
        return sum(values)


def _mean(values: list[float]) -> float:
    return _sum(values) / len(values) if values else float("nan")


def _std(values: list[float]) -> float:
    if not values:
        return float("nan")
    mean = _mean(values)
    return sqrt(_sum([(value - mean) * (value - mean) for value in values]) / len(values))


_SAYS = {
    "mean": _mean,
    "sum": _sum,
    "min": lambda values: min(values, default=float("nan")),
    "max": lambda values: max(values, default=float("nan")),
    "std": _std,
}
