"""`live-quality`"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from penstock.evaluation.bootstrap import Estimate, interval
from penstock.evaluation.metrics import METRICS
from penstock.monitoring.checks.check import CheckResult, unjudged
from penstock.monitoring.view import View

LEAST = 0.01  # of a score between 0 and 1; of others, this share of the expected score


class LiveQuality:
    """The goal's metric on rows whose outcome is known by now.

    What it does
        Scores the labelled rows of the window, withheld answers included, and compares with the score that was expected when
        the model was judged, in view of both intervals.
    Why it matters
        It is what all other checks only stand for.
    Example that fails
        ROC-AUC was 0.81 when the model was judged, and is 0.70 (0.66 to 0.74) on 900 labelled rows.
    What to do
        Retrain with the labels (`penstock retrain`), or go back (`penstock rollback`). Mind how labels arrive: where only
        some rows ever get one (only those that were acted on), the score is theirs, not that of all traffic.
    Reference
        Efron & Tibshirani (1993), An Introduction to the Bootstrap.
    """

    id = "live-quality"
    statistical = True

    def cases(self, view: View) -> Sequence[str | None]:
        return [None] if view.labelled is not None and view.reference.quality is not None else []

    def judge(self, view: View, column: str | None, alpha: float) -> CheckResult:
        labelled, expected, metric = view.labelled, view.reference.quality, METRICS[view.reference.metric or ""]
        assert labelled is not None
        assert expected is not None
        if len(labelled.y) < view.settings.minimum_rows:
            return unjudged(self, column, f"{len(labelled.y):,} labelled rows, {view.settings.minimum_rows} needed")
        answered = view.window.answered
        prediction = answered.value if answered.probabilities is None else answered.probabilities
        assert prediction is not None
        score = interval(metric, labelled.y, prediction[labelled.rows], threshold=view.threshold)
        if score.why is not None or np.isnan(score.low):
            return unjudged(self, column, score.why or "its interval is not known")
        reach = NormalDist().inv_cdf(1 - alpha) * float(np.hypot(_spread(score), _spread(expected)))
        reach = max(reach, LEAST * (1.0 if metric.unit == "share" else abs(expected.value)))
        limit = expected.value - reach if metric.greater_is_better else expected.value + reach
        alarm = score.value < limit if metric.greater_is_better else score.value > limit
        why = (
            f"{metric.title} {score.value:.4g} ({score.low:.4g} to {score.high:.4g}) on {len(labelled.y):,} labelled rows; "
            f"{expected.value:.4g} was expected"
        )
        return CheckResult(self.id, column, score.value, limit, bool(alarm), why)


def _spread(estimate: Estimate) -> float:
    """The standard error that a 95 % interval stands for."""
    width = estimate.high - estimate.low
    return 0.0 if np.isnan(width) else width / (2 * 1.959964)
