"""What the counts of an arm say: shares and quantiles of time, each with the interval of what it may be in truth."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import final

from penstock.serving.arm_counts import (
    ABSTENTIONS,
    AGREEING,
    COMPARED,
    EDGES_S,
    ERRORS,
    FALLBACK,
    NOVEL,
    REQUESTS,
    ROWS,
    TIMES,
    Counts,
)
from penstock.serving.sequences import ALPHA, histogram_sequence, share_sequence
from penstock.serving.verdicts import UNKNOWN, Figure, Figures

_EDGES_MS = [1000 * edge for edge in EDGES_S]
_TOTALS = {"requests": REQUESTS, "rows": ROWS}
_SHARES = {
    "errors": (ERRORS, REQUESTS),
    "abstentions": (ABSTENTIONS, ROWS),
    "novelty": (NOVEL, ROWS),
    "fallbacks": (FALLBACK, ROWS),
    "agreement": (AGREEING, COMPARED),
}
_QUANTILES = {"latency_p50": 0.5, "latency_p95": 0.95, "latency_p99": 0.99}


def figures(counts: Counts, *, hours: float = math.nan, alpha: float = ALPHA) -> Figures:
    """Counts as the figures of `penstock.serving.conditions`, each worked out when it is asked for; NaN where nothing was counted.

    Parameters
    ----------
    hours : since the release began. alpha : the chance that the interval of one of them ever misses (`penstock.serving.sequences`).

    >>> figures([0.0] * (TIMES + len(EDGES_S)))["errors"].value
    nan
    """
    return _CountedFigures(counts, hours, alpha)


@final
class _CountedFigures(Mapping[str, Figure]):
    def __init__(self, counts: Counts, hours: float, alpha: float) -> None:
        self._counts, self._hours, self._alpha = counts, hours, alpha

    def __getitem__(self, name: str) -> Figure:
        counts = self._counts
        if name in _SHARES:
            part, whole = _SHARES[name]
            observed = counts[REQUESTS] - (0 if whole == REQUESTS else counts[ERRORS])
            return share_figure(counts[part], counts[whole], observed, alpha=self._alpha)
        if name in _QUANTILES:
            share = _QUANTILES[name]
            interval = histogram_sequence(counts[TIMES:], _EDGES_MS, share, alpha=self._alpha)
            return Figure.within(1000 * quantile(counts, share), interval)
        return Figure.exactly(self._hours if name == "hours" else counts[_TOTALS[name]])

    def __iter__(self) -> Iterator[str]:
        return iter((*_TOTALS, *_SHARES, *_QUANTILES, "hours"))

    def __len__(self) -> int:
        return len(_TOTALS) + len(_SHARES) + len(_QUANTILES) + 1


def share_figure(part: float, whole: float, requests: float, *, alpha: float = ALPHA) -> Figure:
    """A share of rows (or requests), and its interval.

    The rows of one request are often of one customer, and alike: they count as one observation together, however many they are.

    >>> share_figure(50, 1000, 10).high > share_figure(50, 1000, 1000).high
    True
    """
    if not whole:
        return UNKNOWN
    n = min(whole, requests)
    return Figure.within(part / whole, share_sequence(part / whole * n, n, alpha=alpha))


def quantile(counts: Counts, share: float) -> float:
    """Seconds within which that share of the requests was answered: the upper edge of its bucket; NaN where there is none."""
    times = counts[TIMES:]
    wanted = share * sum(times)
    running = 0.0
    for place, count in enumerate(times):
        running += count
        if count and running >= wanted:
            return EDGES_S[place]
    return math.nan
