"""One arm of a release: what it did since the release began, as figures with the intervals of what they may be in truth."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import nan
from typing import Any

import numpy as np

from penstock.evaluation.bootstrap import Comparison, Estimate, none_if_nan
from penstock.serving.arm_figures import share_figure
from penstock.serving.sequences import ALPHA, mean_sequence, quantile_sequence
from penstock.serving.verdicts import UNKNOWN, Figure

_Z95 = 1.959964
SCORES_AT = (0.05, 0.25, 0.5, 0.75, 0.95)
"""The quantiles of the scores that are told."""


@dataclass
class Arm:
    """What one arm did since the release began.

    Attributes
    ----------
    latencies_ms, scores : float64; the score is the probability of the positive class, that of the most probable one where there are more,
        or the predicted value.
    by_fallback : rows that the arm's own fallback answered.
    positive : rows that were predicted as the positive class; None where there is none.
    quality : the metric of the goal on the rows whose outcome is known.
    """

    name: str
    version: int
    requests: int = 0
    errors: int = 0
    rows: int = 0
    abstentions: int = 0
    novel: int = 0
    by_fallback: int = 0
    positive: int | None = None
    latencies_ms: np.ndarray = field(default_factory=lambda: np.empty(0))
    scores: np.ndarray = field(default_factory=lambda: np.empty(0))
    labels: int = 0
    quality: Estimate | None = None

    def figures(self) -> dict[str, Figure]:
        """As conditions name them (`penstock.serving.conditions`). An interval holds at all looks with the chance 1 - ALPHA / 2, so
        that what is said of two of them holds with 1 - ALPHA."""
        shares = {"abstentions": self.abstentions, "novelty": self.novel, "fallbacks": self.by_fallback}
        if self.positive is not None:
            shares["positive"] = self.positive
        answered = self.requests - self.errors
        return {
            "requests": Figure.exactly(self.requests),
            "rows": Figure.exactly(self.rows),
            "errors": share_figure(self.errors, self.requests, self.requests, alpha=ALPHA / 2),
            **{name: share_figure(part, self.rows, answered, alpha=ALPHA / 2) for name, part in shares.items()},
            **{f"latency_p{q}": self._latency(q / 100) for q in (50, 95, 99)},
            "labels": Figure.exactly(self.labels),
            "quality": self._quality(),
        }

    def to_json(self) -> dict[str, Any]:
        plain = {name: none_if_nan(figure.value) for name, figure in self.figures().items()}
        scores = [none_if_nan(quantile_of(self.scores, share)) for share in SCORES_AT]
        return {"arm": self.name, "version": self.version, **plain, "scores": scores}

    def _latency(self, share: float) -> Figure:
        if not len(self.latencies_ms):
            return UNKNOWN
        interval = quantile_sequence(self.latencies_ms, share, alpha=ALPHA / 2)
        return Figure.within(quantile_of(self.latencies_ms, share), interval)

    def _quality(self) -> Figure:
        found = self.quality
        if found is None or found.why is not None:
            return UNKNOWN
        return Figure.within(
            found.value, mean_sequence(found.value, standard_error(found), self.labels, alpha=ALPHA / 2)
        )


def standard_error(interval: Estimate | Comparison) -> float:
    """That for which a 95 % interval stands."""
    return (interval.high - interval.low) / (2 * _Z95)


def quantile_of(values: np.ndarray, share: float) -> float:
    """NaN of no values."""
    return float(np.quantile(values, share)) if len(values) else nan
