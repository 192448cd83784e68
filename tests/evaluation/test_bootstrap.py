"""Intervals hold the truth as often as they say, and are the same every time."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.bundle.kinds import Task
from penstock.evaluation.bootstrap import MOST_ROWS, Comparison, Estimate, compare, interval, intervals
from penstock.evaluation.metrics import METRICS, usual_metrics


def answers(seed: int, n: int, skill: float = 1.0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    p1 = 1 / (1 + np.exp(-(skill * (2 * y - 1) + rng.normal(0, 1.5, n))))
    return y, np.stack([1 - p1, p1], axis=1)


@pytest.mark.parametrize("name", ["roc_auc", "accuracy", "log_loss", "f1", "r2", "mae"])
def test_a_95_percent_interval_holds_the_true_score_about_95_times_in_100(name):
    """200 samples of 300 rows; the true score is that of 200,000 rows."""
    if name in {"r2", "mae"}:

        def make(seed, n):
            rng = np.random.default_rng(seed)
            y = rng.normal(0, 2, n)
            return y, y + rng.normal(0, 1, n)
    else:
        make = answers
    metric = METRICS[name]
    truth = metric.score(*make(10_000, 200_000))
    inside = sum(e.low <= truth <= e.high for e in (interval(metric, *make(s, 300), n=300) for s in range(200)))
    assert 180 <= inside <= 199


def test_the_same_seed_gives_the_same_interval():
    """And another seed another one."""
    y, p = answers(0, 200)
    first, again, other = (interval(METRICS["roc_auc"], y, p, seed=s) for s in (1, 1, 2))
    assert first == again
    assert first != other


def test_an_interval_holds_its_value_even_for_a_biased_metric():
    """Calibration errors of replicates lie above the sample's own."""
    y, p = answers(4, 150)
    for name, e in intervals([METRICS[m] for m in usual_metrics(Task.BINARY)], y, p).items():
        assert e.low <= e.value <= e.high, name
        assert e.low < e.high, name


def test_an_undefined_score_has_no_interval_and_says_why():
    """One class."""
    e = interval(METRICS["roc_auc"], [1, 1], [[0.1, 0.9], [0.2, 0.8]])
    assert np.isnan([e.value, e.low, e.high]).all()
    assert e.to_json() == {"value": None, "low": None, "high": None, "why": "all 2 rows are of one class"}
    assert Estimate.from_json(e.to_json()).why == e.why


def test_many_rows_are_thinned_for_the_spread_and_the_width_is_scaled():
    """The interval of four times the rows is about half as wide; the value is that of all rows."""
    y, p = answers(2, 4 * MOST_ROWS)
    small = interval(METRICS["accuracy"], y[:MOST_ROWS], p[:MOST_ROWS], n=400)
    large = interval(METRICS["accuracy"], y, p, n=400)
    assert large.value == METRICS["accuracy"].score(y, p)
    assert (large.high - large.low) / (small.high - small.low) == pytest.approx(0.5, abs=0.12)


def test_a_paired_comparison_finds_what_separate_intervals_hide():
    """Two models with nearly the same errors: a small but sure difference."""
    y, p = answers(5, 2000)
    logit = np.log(p[:, 1] / p[:, 0]) + 0.08 * (2 * y - 1)
    q1 = 1 / (1 + np.exp(-logit))
    q = np.stack([1 - q1, q1], axis=1)
    metric = METRICS["roc_auc"]
    a, b = interval(metric, y, p), interval(metric, y, q)
    assert a.high > b.low  # apart they overlap
    found = compare(metric, y, p, q)
    assert found.proven(metric)
    assert found.better > 0.99
    assert found.difference == pytest.approx(b.value - a.value)
    assert compare(metric, y, q, p).better < 0.01


def test_a_model_against_itself_is_even():
    """Difference 0, better in half."""
    y, p = answers(6, 300)
    same = compare(METRICS["log_loss"], y, p, p)
    assert (same.difference, same.low, same.high, same.better) == (0.0, 0.0, 0.0, 0.5)
    assert not same.proven(METRICS["log_loss"])
    assert Comparison.from_json(same.to_json()) == same


def test_for_errors_less_is_better():
    """The challenger with the smaller error wins."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=500)
    found = compare(METRICS["rmse"], y, y + rng.normal(0, 1, 500), y + rng.normal(0, 0.5, 500))
    assert found.difference < 0
    assert found.better == 1.0
    assert found.proven(METRICS["rmse"])


def test_one_row_has_an_interval_without_width():
    """1 row: every replicate is that row."""
    e = interval(METRICS["accuracy"], [1], [[0.2, 0.8]])
    assert (e.value, e.low, e.high) == (1.0, 1.0, 1.0)
