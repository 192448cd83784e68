"""Sums and extremes over windows of one series, in a time that hardly depends on how wide the windows are.

What comes out is what one window alone would give, to the last bit: sums and variances are exact before they are rounded once (sums as by
`math.fsum`), and extremes are values of the series. Windows may overlap, in any order.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from math import fsum, sqrt
from operator import lshift, mul

import numpy as np

_NARROW = 16  # values of a window, on average, up to which adding them up is faster than anything clever
_AT_ONCE = 1 << 14  # windows
_READ_AGAIN = 4  # times that each value may be read, on average
_HUGE = 2.0**960  # of such values, sums may pass beyond float64 on their way
_DIGITS = 53  # binary ones of a float64
TAKES = ("mean", "sum", "min", "max", "std")


def over_windows(take: str, values: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """What the windows say, float64 (w,); NaN of those without a value, but the sum of nothing is 0.

    Parameters
    ----------
    take : one of `TAKES`; the standard deviation is that of a population.
    values : float64 (n,), finite or NaN, which is left out. starts, ends : int64 (w,); a window is ``values[start:end]``.

    >>> series = np.array([1.0, np.nan, 3.0, 2.0])
    >>> [over_windows(take, series, np.array([0, 1, 1]), np.array([4, 4, 2])).tolist() for take in ("sum", "max")]
    [[6.0, 5.0, 0.0], [3.0, 3.0, nan]]
    """
    found = np.empty(len(starts))
    for these, begin, end in _in_turns(len(values), starts, ends):
        found[these] = _over(take, values[begin:end], starts[these] - begin, ends[these] - begin)
    return found


def _in_turns(n: int, starts: np.ndarray, ends: np.ndarray) -> Iterator[tuple[np.ndarray | slice, int, int]]:
    """Some windows at a time, and from where to where they reach; all at once where they are few, or reach so far that values would be
    read again and again. What is worked out takes some 150 bytes a value: of a long series as much more than the series."""
    if len(starts) <= _AT_ONCE:
        yield slice(None), 0, n
        return
    order = np.argsort(ends, kind="stable")
    turns = [order[start : start + _AT_ONCE] for start in range(0, len(order), _AT_ONCE)]
    reach = [(int(starts[turn].min()), int(ends[turn].max())) for turn in turns]
    if sum(end - begin for begin, end in reach) > _READ_AGAIN * n:
        yield slice(None), 0, n
        return
    for turn, (begin, end) in zip(turns, reach, strict=True):
        yield turn, begin, end


def _over(take: str, values: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """As `over_windows`, of all windows at once."""
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
    elif take == "std":
        found = _deviations(present, a, b)
    else:
        plain = present.tolist()
        found = np.array([_SAYS[take](plain[i:j]) for i, j in zip(a.tolist(), b.tolist(), strict=True)], np.float64)
    return found + 0.0  # no negative zero: which of two zeros is the smaller depends on who is asked


def _sums(values: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Differences of running sums, which Python divides with one rounding."""
    whole, unit = _whole(values)
    sums = list(accumulate(whole, initial=0))
    windows = zip(starts.tolist(), ends.tolist(), strict=True)
    return np.array([(sums[b] - sums[a]) / unit for a, b in windows], np.float64)


def _deviations(values: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Square roots of variances, which are differences of running sums of values and of their squares; NaN of no value."""
    whole, unit = _whole(values)
    found = np.full(len(starts), np.nan)
    windows = [(i, a, b) for i, (a, b) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)) if b > a]
    if sum(b - a for _, a, b in windows) <= len(whole):  # one window, say: nothing is added up twice
        of = [(i, b - a, sum(whole[a:b]), sum(map(mul, whole[a:b], whole[a:b]))) for i, a, b in windows]
    else:
        sums = list(accumulate(whole, initial=0))
        squares = list(accumulate(map(mul, whole, whole), initial=0))
        of = [(i, b - a, sums[b] - sums[a], squares[b] - squares[a]) for i, a, b in windows]
    for i, n, total, square in of:
        try:
            found[i] = sqrt((n * square - total * total) / (n * unit) ** 2)
        except OverflowError:  # beyond float64: it ends at the largest float32 anyway
            found[i] = np.inf
    return found


def _whole(values: np.ndarray) -> tuple[list[int], int]:
    """Values in whole numbers of the finest unit that any of them needs, and how many of it make one: a power of two."""
    parts, exponents = np.frexp(values)
    finest = max(0, _DIGITS - int(exponents[values != 0].min(initial=_DIGITS)))
    wholes = (parts * 2.0**_DIGITS).astype(np.int64).tolist()
    shifts = np.maximum(exponents - _DIGITS + finest, 0).tolist()  # of a zero it does not matter
    return list(map(lshift, wholes, shifts)), 1 << finest


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


_SAYS = {
    "mean": _mean,
    "sum": _sum,
    "min": lambda values: min(values, default=float("nan")),
    "max": lambda values: max(values, default=float("nan")),
}
