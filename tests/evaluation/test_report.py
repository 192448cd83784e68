"""A report is plain data: complete, storable, and the same again when read."""

from __future__ import annotations

import json

import numpy as np
import pytest

from penstock.bundle.kinds import Task
from penstock.errors import NewerFormat, SchemaMismatch
from penstock.evaluation.curves import MOST_DOTS, precision_recall_curve, residuals, roc_curve
from penstock.evaluation.metrics import METRICS, usual_metrics
from penstock.evaluation.report import Override, Report, dumps, evaluate


def a_report(task: Task, n: int = 300, **options) -> Report:
    rng = np.random.default_rng(0)
    if task is Task.REGRESSION:
        y = rng.normal(100, 10, n)
        return evaluate(task, [], y, y + rng.normal(0, 3, n), metric="r2", baseline=np.full(n, 100.0), **options)
    k = 2 if task is Task.BINARY else 3
    y = rng.integers(0, k, n)
    p = rng.random((n, k)) + np.eye(k)[y] * 0.7
    p /= p.sum(axis=1, keepdims=True)
    metric = "roc_auc" if k == 2 else "accuracy"
    return evaluate(task, [False, True, 2][:k], y, p, metric=metric, baseline=np.full((n, k), 1 / k), **options)


@pytest.mark.parametrize("task", Task)
def test_a_report_reads_back_as_it_was_written(task):
    """Through canonical JSON, without NaN."""
    report = a_report(task, facts=[("run", "r1")], note="after selection")
    report = report.with_(
        overrides=(Override("roc_auc>=0.9", "pilot only", "ann", "2026-11-20T10:00:00Z"),),
        leaderboard=({"learner": "linear", "score": 0.5, "seconds": 1.0, "params": {}, "chosen": True},),
    )
    again = Report.from_json(json.loads(dumps(report)))
    assert dumps(again) == dumps(report)
    assert set(usual_metrics(task)) <= set(again.metrics)
    assert again.metrics[report.metric] == report.metrics[report.metric]
    assert set(again.baseline) == set(again.metrics)


def test_a_failed_candidate_has_no_score_in_the_stored_form():
    """JSON has no NaN."""
    failed = {"learner": "forest", "score": float("nan"), "seconds": 1.0, "params": {"depth": [float("inf")]}}
    stored = a_report(Task.BINARY).with_(leaderboard=(failed,)).to_json()
    assert stored["leaderboard"] == [{"learner": "forest", "score": None, "seconds": 1.0, "params": {"depth": [None]}}]
    json.dumps(stored, allow_nan=False)


def test_the_same_inputs_give_the_same_bytes():
    """Reports are compared by digest."""
    assert dumps(a_report(Task.BINARY)) == dumps(a_report(Task.BINARY))


def test_classes_are_named_as_the_keys_of_probabilities():
    """true, not True."""
    assert a_report(Task.MULTICLASS).classes == ("false", "true", "2")


@pytest.mark.parametrize("task", Task)
@pytest.mark.parametrize("n", [1, 2, 5])
def test_a_handful_of_rows_gives_a_report_too(task, n):
    """Undefined scores are null with a reason."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, n) if task is not Task.REGRESSION else rng.normal(size=n)
    p = np.full((n, 2 if task is Task.BINARY else 3), 0.5) if task is not Task.REGRESSION else np.zeros(n)
    report = evaluate(task, ["a", "b", "c"][: p.shape[1]] if p.ndim == 2 else [], y, p, metric=usual_metrics(task)[0])
    for estimate in report.to_json()["metrics"].values():
        assert (estimate["value"] is None) == ("why" in estimate)


def test_rows_that_do_not_fit_together_are_refused():
    """Answers to other rows."""
    with pytest.raises(SchemaMismatch, match="'prediction' has 3 rows, the targets 2"):
        evaluate(Task.REGRESSION, [], [1.0, 2.0], [1.0, 2.0, 3.0], metric="r2")


def test_a_report_of_a_later_format_is_refused():
    """Nothing is guessed."""
    with pytest.raises(NewerFormat, match="format 2"):
        Report.from_json({"format": 2, "kind": "penstock-report"})


def test_other_models_are_compared_on_the_same_rows():
    """The champion beside the challenger."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=500)
    report = evaluate(
        Task.REGRESSION, [], y, y + rng.normal(0, 0.5, 500), metric="r2",
        others={"champion m@3": (y + rng.normal(0, 1, 500), None)},
    )  # fmt: skip
    assert report.against["champion m@3"].better == 1.0
    assert report.against["champion m@3"].challenger == report.metrics["r2"].value


def test_the_area_under_the_drawn_roc_curve_is_the_score():
    """The thinned points still tell the truth."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 5000)
    p1 = np.clip(y * 0.3 + rng.random(5000) * 0.7, 0, 1)
    curve = roc_curve(y == 1, p1)
    area = np.trapezoid(curve["true_positive_rate"], curve["false_positive_rate"])
    assert area == pytest.approx(METRICS["roc_auc"].score(y, np.stack([1 - p1, p1], 1)), abs=2e-3)


def test_curves_of_one_class_are_left_out():
    """Nothing to draw."""
    assert roc_curve(np.array([True, True]), np.array([0.1, 0.2])) is None
    assert precision_recall_curve(np.array([False]), np.array([0.1])) is None


def test_residuals_are_sampled_but_counted_in_full():
    """The scatter is thinned, the histogram is not."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=3000)
    plots = residuals(y, y * 0.9)
    assert len(plots["predicted"]) == MOST_DOTS
    assert sum(plots["histogram"]["counts"]) == 3000
    assert len(plots["bands"]) == 10
