"""Each metric is compared with scikit-learn; the edges have tests of their own."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import sklearn.metrics as sk

from penstock.bundle.kinds import Task
from penstock.errors import DeclarationError
from penstock.evaluation.metrics import METRICS, default_metric, get_metric, predicted_labels, usual_metrics


def binary(seed: int, n: int = 400, *, ties: bool = False):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    p1 = np.clip(0.3 * y + rng.random(n) * 0.7, 0, 1)
    if ties:
        p1 = np.round(p1, 1)
    return y, np.stack([1 - p1, p1], axis=1)


def multiclass(seed: int, n: int = 400, k: int = 4):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, k, n)
    p = rng.random((n, k)) + np.eye(k)[y] * 0.5
    return y, p / p.sum(axis=1, keepdims=True)


def numbers(seed: int, n: int = 400):
    rng = np.random.default_rng(seed)
    y = rng.normal(1000, 30, n)
    return y, y + rng.normal(0, 10, n)


def labels(p):
    return p.argmax(axis=1)


BINARY = {
    "roc_auc": lambda y, p, w: sk.roc_auc_score(y, p[:, 1], sample_weight=w),
    "average_precision": lambda y, p, w: sk.average_precision_score(y, p[:, 1], sample_weight=w),
    "log_loss": lambda y, p, w: sk.log_loss(y, p, sample_weight=w, labels=[0, 1]),
    "brier": lambda y, p, w: sk.brier_score_loss(y, p[:, 1], sample_weight=w),
    "accuracy": lambda y, p, w: sk.accuracy_score(y, labels(p), sample_weight=w),
    "balanced_accuracy": lambda y, p, w: sk.balanced_accuracy_score(y, labels(p), sample_weight=w),
    "f1": lambda y, p, w: sk.f1_score(y, labels(p), sample_weight=w),
    "precision": lambda y, p, w: sk.precision_score(y, labels(p), sample_weight=w),
    "recall": lambda y, p, w: sk.recall_score(y, labels(p), sample_weight=w),
    "mcc": lambda y, p, w: sk.matthews_corrcoef(y, labels(p), sample_weight=w),
}
MULTICLASS = {
    "roc_auc": lambda y, p, w: sk.roc_auc_score(y, p, sample_weight=w, multi_class="ovr"),
    "average_precision": lambda y, p, w: sk.average_precision_score(np.eye(p.shape[1])[y], p, sample_weight=w),
    "log_loss": lambda y, p, w: sk.log_loss(y, p, sample_weight=w, labels=np.arange(p.shape[1])),
    "brier": lambda y, p, w: sk.brier_score_loss(y, p, sample_weight=w, labels=np.arange(p.shape[1])),
    "accuracy": BINARY["accuracy"],
    "balanced_accuracy": BINARY["balanced_accuracy"],
    "f1": lambda y, p, w: sk.f1_score(y, labels(p), sample_weight=w, average="macro"),
    "precision": lambda y, p, w: sk.precision_score(y, labels(p), sample_weight=w, average="macro"),
    "recall": lambda y, p, w: sk.recall_score(y, labels(p), sample_weight=w, average="macro"),
    "mcc": BINARY["mcc"],
}
NUMBERS = {
    "r2": lambda y, p, w: sk.r2_score(y, p, sample_weight=w),
    "rmse": lambda y, p, w: sk.root_mean_squared_error(y, p, sample_weight=w),
    "mae": lambda y, p, w: sk.mean_absolute_error(y, p, sample_weight=w),
    "median_ae": lambda y, p, w: sk.median_absolute_error(y, p, sample_weight=w),
    "mape": lambda y, p, w: sk.mean_absolute_percentage_error(y, p, sample_weight=w),
}


def same(name, reference, y, p, w=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = reference(y, p, w)
    assert METRICS[name].score(y, p, weights=w) == pytest.approx(wanted, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("ties", [False, True])
def test_a_binary_score_equals_scikit_learn(name, ties):
    """With and without equal scores, plain and weighted."""
    for seed in range(5):
        y, p = binary(seed, ties=ties)
        same(name, BINARY[name], y, p)
        same(name, BINARY[name], y, p, np.random.default_rng(seed).integers(0, 4, len(y)).astype(float))
    same(name, BINARY[name], *binary(0, n=2 if name not in {"roc_auc", "mcc"} else 12))


@pytest.mark.parametrize("name", MULTICLASS)
def test_a_multiclass_score_equals_scikit_learn(name):
    """Macro means over classes, plain and weighted."""
    for seed in range(5):
        y, p = multiclass(seed)
        same(name, MULTICLASS[name], y, p)
        same(name, MULTICLASS[name], y, p, np.random.default_rng(seed).integers(1, 4, len(y)).astype(float))


@pytest.mark.parametrize("name", NUMBERS)
def test_a_regression_score_equals_scikit_learn(name):
    """Plain and weighted, odd and even numbers of rows."""
    for seed in range(5):
        y, p = numbers(seed, 400 + seed)
        same(name, NUMBERS[name], y, p)
        same(name, NUMBERS[name], y, p, np.random.default_rng(seed).integers(1, 4, len(y)).astype(float))


def test_calibration_error_equals_its_definition():
    """Sum over bins of (share of rows) x |mean confidence - observed share|."""
    y, p = binary(3, 2000)
    bins = np.minimum((p[:, 1] * 15).astype(int), 14)
    wanted = sum(
        (bins == b).mean() * abs(p[bins == b, 1].mean() - y[bins == b].mean()) for b in range(15) if (bins == b).any()
    )
    assert METRICS["ece"].score(y, p) == pytest.approx(wanted, abs=1e-12)


def test_weights_of_counts_equal_repeated_rows():
    """A bootstrap replicate by weights is the same score as on the drawn rows."""
    for make, task in ((binary, Task.BINARY), (multiclass, Task.MULTICLASS), (numbers, Task.REGRESSION)):
        y, p = make(7, 101)
        rows = np.random.default_rng(1).integers(0, 101, 101)
        counts = np.bincount(rows, minlength=101).astype(float)
        for name in usual_metrics(task):
            drawn, weighted = METRICS[name].score(y[rows], p[rows]), METRICS[name].score(y, p, weights=counts)
            assert weighted == pytest.approx(drawn, rel=1e-10), name


@pytest.mark.parametrize("name", ["roc_auc", "mcc"])
def test_one_class_gives_nan_and_the_reason(name):
    """No exception: a slice may well hold one class."""
    y, p = np.ones(5, dtype=np.int64), np.full((5, 2), 0.5)
    assert np.isnan(METRICS[name].score(y, p))
    assert METRICS[name].why_undefined(y) == "all 5 rows are of one class"


@pytest.mark.parametrize("name", ["recall", "f1", "average_precision"])
def test_no_positive_row_gives_nan_and_the_reason(name):
    """Nothing to find cannot be found."""
    y, p = np.zeros(4, dtype=np.int64), np.full((4, 2), 0.5)
    assert np.isnan(METRICS[name].score(y, p))
    assert METRICS[name].why_undefined(y) == "none of the 4 rows is of the positive class"


def test_predicting_no_positive_scores_zero_and_not_nan():
    """A poor model must not hide behind an undefined score."""
    y, p = np.array([0, 1, 1]), np.array([[0.9, 0.1]] * 3)
    assert [METRICS[m].score(y, p) for m in ("precision", "recall", "f1", "mcc")] == [0, 0, 0, 0]


def test_one_row_has_an_accuracy_and_no_r2():
    """1 row: means exist, spreads do not."""
    assert METRICS["accuracy"].score([1], [[0.2, 0.8]]) == 1.0
    assert METRICS["rmse"].score([3.0], [1.0]) == 2.0
    assert np.isnan(METRICS["r2"].score([3.0], [1.0]))
    assert METRICS["r2"].why_undefined([3.0]) == "one row has no spread"


def test_a_constant_target_has_no_r2_whatever_its_rounding():
    """0.1 repeated has a mean that is not quite 0.1."""
    assert np.isnan(METRICS["r2"].score([0.1] * 10, np.arange(10.0)))


@pytest.mark.parametrize("name", METRICS)
def test_no_rows_give_nan(name):
    """0 rows."""
    p = np.empty((0, 2)) if METRICS[name].needs != "values" else np.empty(0)
    assert np.isnan(METRICS[name].score(np.empty(0), p))
    assert METRICS[name].why_undefined(np.empty(0)) == "there are no rows"


def test_a_certain_and_wrong_answer_costs_a_finite_log_loss():
    """Probability 0 for what happened is clipped."""
    assert METRICS["log_loss"].score([0], [[0.0, 1.0]]) == pytest.approx(36.04, abs=0.01)


def test_a_threshold_takes_the_positive_class_from_itself_on():
    """At the threshold is positive; without one the first of equals wins."""
    p = np.array([[0.7, 0.3], [0.5, 0.5], [0.71, 0.29]])
    assert predicted_labels(p, 0.3).tolist() == [1, 1, 0]
    assert predicted_labels(p).tolist() == [0, 0, 0]
    assert METRICS["recall"].score([1, 1, 1], p, threshold=0.3) == pytest.approx(2 / 3)


def test_an_unknown_metric_names_the_nearest():
    """Also one that belongs to another task."""
    with pytest.raises(DeclarationError, match="write 'roc_auc'"):
        get_metric("rocauc", Task.BINARY)
    with pytest.raises(DeclarationError, match="no metric for regression"):
        get_metric("roc_auc", Task.REGRESSION)


@pytest.mark.parametrize("task", Task)
def test_the_default_and_usual_metrics_suit_their_task(task):
    """And NaN is never better than a number."""
    assert default_metric(task) in usual_metrics(task)
    assert all(task in METRICS[name].tasks for name in usual_metrics(task))
    metric = METRICS[default_metric(task)]
    assert metric.better(0.0, float("nan"))
    assert not metric.better(float("nan"), 0.0)
