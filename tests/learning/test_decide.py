"""Thresholds and intervals."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.evaluation.metrics import METRICS
from penstock.learning.decide import choose_threshold, conformal_offsets


@pytest.mark.parametrize("metric", ["f1", "accuracy", "balanced_accuracy", "mcc"])
def test_the_threshold_is_the_best_of_all(metric: str) -> None:
    """No other threshold scores better on the same rows, by the metric's own definition."""
    rng = np.random.default_rng(0)
    y = (rng.random(300) < 0.2).astype(np.int64)
    p = np.clip(rng.normal(0.3 + 0.2 * y, 0.15), 0, 1).round(2)
    both = np.stack([1 - p, p], axis=1)
    chosen = METRICS[metric].score(y, both, threshold=choose_threshold(p, y, metric))
    assert chosen == pytest.approx(
        max(METRICS[metric].score(y, both, threshold=t) for t in np.arange(0.005, 1.0, 0.01))
    )


@pytest.mark.parametrize("metric", ["roc_auc", "recall", "log_loss"])
def test_metrics_without_a_best_threshold_get_one_half(metric: str) -> None:
    """Recall alone would call every row positive."""
    assert choose_threshold(np.array([0.1, 0.9]), np.array([0, 1]), metric) == 0.5


def test_degenerate_scores_get_one_half() -> None:
    """One class only, or one score only."""
    assert choose_threshold(np.array([0.1, 0.9]), np.array([1, 1]), "f1") == 0.5
    assert choose_threshold(np.array([0.3, 0.3]), np.array([0, 1]), "f1") == 0.5


def test_intervals_cover_what_they_promise() -> None:
    """Skewed noise, fresh rows: 90 % inside, 5 % on each side."""
    rng = np.random.default_rng(0)
    low, high = conformal_offsets(rng.exponential(size=4_000) - 1.0)
    fresh = rng.exponential(size=20_000) - 1.0
    assert ((fresh < low).mean(), (fresh > high).mean()) == pytest.approx((0.05, 0.05), abs=0.012)


def test_a_handful_of_residuals_gives_their_extremes() -> None:
    """Too few rows for the coverage: the widest interval there is."""
    assert conformal_offsets(np.array([0.5, -1.0, 2.0])) == (-1.0, 2.0)
