"""By how much the arms of a release differ, with intervals that may be looked at any time."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot
from typing import Any

import numpy as np

from penstock.evaluation.bootstrap import compare, none_if_nan
from penstock.evaluation.metrics import METRICS
from penstock.monitoring.arm import Arm, standard_error
from penstock.serving.sequences import NOTHING, Interval, difference, mean_sequence
from penstock.serving.verdicts import Figure

FEWEST_LABELS = 30
"""Labelled rows in each arm (of a shadow: pairs), below which nothing is said of quality."""

_BETTER = {
    "errors": -1,
    "abstentions": -1,
    "novelty": 0,
    "fallbacks": -1,
    "positive": 0,
    "latency_p50": -1,
    "latency_p99": -1,
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of both arms, the candidate's minus the live version's, and the interval of that at all looks together.

    `better` is whether less (-1) or more (+1) is better; 0: neither.
    """

    name: str
    live: float
    candidate: float
    interval: Interval
    better: int

    @property
    def value(self) -> float:
        return self.candidate - self.live

    @property
    def figure(self) -> Figure:
        """As conditions take it."""
        return Figure.within(self.value, self.interval)

    @property
    def verdict(self) -> str:
        """``better``, ``worse``, ``higher``, ``lower``, or ``not yet clear``."""
        if not self.interval.excludes_zero:
            return "not yet clear"
        is_more = self.interval.low > 0
        if not self.better:
            return "higher" if is_more else "lower"
        return "better" if is_more == (self.better > 0) else "worse"

    def to_json(self) -> dict[str, Any]:
        numbers = (self.live, self.candidate, self.value, *self.interval)
        names = ("live", "candidate", "difference", "low", "high")
        plain = {name: none_if_nan(number) for name, number in zip(names, numbers, strict=True)}
        return {"figure": self.name, **plain, "verdict": self.verdict}


@dataclass(frozen=True, slots=True)
class Judged:
    """An arm's rows whose outcome is known.

    Attributes
    ----------
    ids : of the predictions. y, predictions : as metrics take them; predictions may have a column for each class.
    threshold : of the version's decision.
    """

    ids: list[str]
    y: np.ndarray
    predictions: np.ndarray
    threshold: float | None


def differences(live: Arm, candidate: Arm) -> list[Difference]:
    """Of shares and times."""
    a, b = live.figures(), candidate.figures()
    found = []
    for name, better in _BETTER.items():
        if name == "fallbacks" and not any(side[name].value > 0 for side in (a, b)):
            continue  # most models have none
        if name in a and name in b:
            both = difference(*(_interval(name, figures[name]) for figures in (a, b)))
            found.append(Difference(name, a[name].value, b[name].value, both, better))
    return found


def _interval(name: str, figure: Figure) -> Interval:
    """Of a share of which nothing is known it is still known that it is one."""
    if figure.value == figure.value:
        return Interval(figure.low, figure.high)
    return NOTHING if name.startswith("latency") else Interval(0.0, 1.0)


def quality_difference(live: Arm, candidate: Arm, metric: str, pair: tuple[Judged, Judged] | None) -> Difference | None:
    """Of the metric of the goal; None where the labels are too few.

    Parameters
    ----------
    pair : of a shadow: both answered the same rows, whose luck is shared. None: each arm has rows of its own.
    """
    a, b = live.quality, candidate.quality
    if a is None or b is None or a.why is not None or b.why is not None:
        return None
    better = 1 if METRICS[metric].greater_is_better else -1
    if pair is not None:
        return _paired(*pair, metric, better)
    spread, n = hypot(standard_error(a), standard_error(b)), live.labels + candidate.labels
    return Difference(metric, a.value, b.value, mean_sequence(b.value - a.value, spread, n), better)


def _paired(first: Judged, second: Judged, metric: str, better: int) -> Difference | None:
    place = {known: i for i, known in enumerate(first.ids)}
    pairs = [(place[known], i) for i, known in enumerate(second.ids) if known in place]
    if len(pairs) < FEWEST_LABELS:
        return None
    mine, its = (np.array(some, dtype=np.int64) for some in zip(*pairs, strict=True))
    thresholds = (first.threshold, second.threshold)
    found = compare(
        METRICS[metric], first.y[mine], first.predictions[mine], second.predictions[its], thresholds=thresholds
    )
    interval = mean_sequence(found.difference, standard_error(found), len(pairs))
    return Difference(metric, found.champion, found.challenger, interval, better)
