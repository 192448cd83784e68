"""Intervals that may be looked at any time: they hold for all looks together, however many, and whenever one stops.

An ordinary 95 % interval misses in one of twenty looks; who looks every hour until it excludes 0 will see that happen. A *confidence
sequence* contains the true value at every look at once, with the stated chance. It is wider, and that is its honest price.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

ALPHA = 0.05
"""The chance that a sequence ever misses."""

BEST_AT = 1000
"""The number of observations at which the asymptotic sequence is narrowest, relative to what is possible."""


class Interval(NamedTuple):
    """Both ends; NaN where nothing is known."""

    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


NOTHING = Interval(math.nan, math.nan)


def share_sequence(hits: float, n: float, *, alpha: float = ALPHA) -> Interval:
    """A confidence sequence of a share, of observations one after another.

    Parameters
    ----------
    hits, n : how many of how many. Where an observation is itself a share (of the rows of one request), hits is the sum of these.

    Returns
    -------
    Interval within [0, 1]. It holds for every n at once with probability at least 1 - alpha, for any true share (no approximation).

    Source: the mixture of Robbins (1970), Ann. Math. Stat. 41, 1397, with the uniform prior: while the true share is p,
    B(hits + 1, n - hits + 1) / (p^hits (1 - p)^(n - hits)) is a martingale that starts at 1, and by Ville's inequality reaches
    1 / alpha with probability at most alpha. For observations between 0 and 1 of mean p it is a supermartingale, as
    x log(q / p) is convex in x: single throws are the worst case.

    >>> share_sequence(0, 0)
    Interval(low=0.0, high=1.0)
    >>> low, high = share_sequence(10, 1000)
    >>> (round(low, 4), round(high, 4))
    (0.0021, 0.0279)
    """
    if n <= 0:
        return Interval(0.0, 1.0)
    at = hits / n
    low = 0.0 if hits == 0 else _edge(lambda p: _allowed(hits, n, p, alpha), 0.0, at)
    high = 1.0 if hits == n else _edge(lambda p: _allowed(hits, n, p, alpha), 1.0, at)
    return Interval(low, high)


def quantile_sequence(values: npt.ArrayLike, share: float, *, alpha: float = ALPHA) -> Interval:
    """A confidence sequence of a quantile.

    Parameters
    ----------
    values : shape (n,), observed one after another, in any order here.
    share : of the values that lie below the quantile, between 0 and 1.

    Returns
    -------
    Interval. Infinite where the values are too few for that end.

    Source: Howard & Ramdas (2022), Bernoulli 28, 1704: how many values lie below the true quantile is a sum of coin throws, to which
    `share_sequence` applies; the values at which it is not rejected are the interval.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    n = len(ordered)
    if n == 0:
        return Interval(-math.inf, math.inf)
    fewest, most = _below(n, share, alpha)
    low = -math.inf if fewest == 0 else float(ordered[fewest - 1])
    high = math.inf if most == n else float(ordered[most])
    return Interval(low, high)


def histogram_sequence(
    counts: Sequence[float], edges: Sequence[float], share: float, *, alpha: float = ALPHA
) -> Interval:
    """`quantile_sequence` of values of which only a histogram is kept.

    Parameters
    ----------
    counts : of the values up to each of `edges`, above the one before.
    edges : ascending.

    >>> histogram_sequence([0, 900, 100], [1.0, 2.0, 4.0], 0.5)
    Interval(low=1.0, high=2.0)
    """
    n = round(sum(counts))
    if n == 0:
        return Interval(-math.inf, math.inf)
    fewest, most = _below(n, share, alpha)
    low, high, running = -math.inf, math.inf, 0.0
    for count, edge in zip(counts, edges, strict=True):
        running += count
        if running < fewest:
            low = edge
        if running > most:
            high = edge
            break
    return Interval(low, high)


def mean_sequence(value: float, standard_error: float, n: float, *, alpha: float = ALPHA) -> Interval:
    """A confidence sequence of anything whose estimate is normal for many observations: a mean, a metric, a difference of two.

    Parameters
    ----------
    value, standard_error : of the estimate from `n` observations.

    Returns
    -------
    Interval. Holds for all looks together as the first look is taken at ever more observations (asymptotically): do not read it
        below some dozens.

    Source: Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024), Ann. Stat. 52, 2613, proposition 2.2 (the boundary of Robbins' normal
    mixture); its parameter is chosen so that it is narrowest at `BEST_AT` observations (their section B.2).
    """
    if n <= 0 or math.isnan(value) or math.isnan(standard_error):
        return NOTHING
    rho2 = (-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / BEST_AT
    margin = math.sqrt(2 * (n * rho2 + 1) / (n * rho2) * math.log(math.sqrt(n * rho2 + 1) / alpha))
    return Interval(value - margin * standard_error, value + margin * standard_error)


def difference(first: Interval, second: Interval) -> Interval:
    """Of the second minus the first: each holds with the chance 1 - alpha / 2, and so the difference with 1 - alpha."""
    return Interval(second.low - first.high, second.high - first.low)


def _below(n: int, share: float, alpha: float) -> tuple[int, int]:
    """How few and how many of n values may lie below the quantile of that share."""
    middle = min(n, max(0, round(share * n)))
    fewest = _furthest(lambda k: _allowed(k, n, share, alpha), 0, middle)
    return fewest, _furthest(lambda k: _allowed(k, n, share, alpha), n, middle)


def _allowed(hits: float, n: float, p: float, alpha: float) -> bool:
    """Whether the martingale of the share p is below 1 / alpha."""
    misses = n - hits
    if (hits and p <= 0) or (misses and p >= 1):
        return False
    log_likelihood = (hits * math.log(p) if hits else 0.0) + (misses * math.log1p(-p) if misses else 0.0)
    log_mixture = math.lgamma(hits + 1) + math.lgamma(misses + 1) - math.lgamma(n + 2)
    return log_mixture - log_likelihood < math.log(1 / alpha)


def _edge(allowed: Callable[[float], bool], outer: float, inner: float) -> float:
    """Where `allowed` ends between a share that is not and one that is: the outer side of it."""
    for _ in range(60):
        middle = (outer + inner) / 2
        if allowed(middle):
            inner = middle
        else:
            outer = middle
    return outer


def _furthest(allowed: Callable[[int], bool], outer: int, inner: int) -> int:
    """The number nearest to `outer` that is allowed; `inner` is."""
    if allowed(outer):
        return outer
    while abs(outer - inner) > 1:
        middle = (outer + inner) // 2
        if allowed(middle):
            inner = middle
        else:
            outer = middle
    return inner
