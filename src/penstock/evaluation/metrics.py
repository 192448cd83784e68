"""The metrics by which models are chosen, reported, judged and watched. Names and values are scikit-learn's.

Each metric is written once, as a *scorer*: a function of row weights with a leading batch axis. Weights of one give the
score; a matrix of resampling counts gives a thousand bootstrap replicates in a few array operations (`bootstrap.py`).

A score that the labels make impossible (ROC-AUC of one class) is NaN and `Metric.why_undefined` says why. Whether a
score is defined depends on the labels only, never on the predictions, so a poor model cannot hide behind a NaN: where
nothing is predicted positive, precision is 0, as in scikit-learn.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from penstock.bundle.kinds import Task
from penstock.errors import DeclarationError
from penstock.evaluation.confusion import FROM_CONFUSION, of_confusion
from penstock.evaluation.deviations import mae, mape, median_ae, r2, rmse
from penstock.evaluation.probabilities import brier, ece, log_loss
from penstock.evaluation.ranking import auc, average_precision, one_against_rest
from penstock.evaluation.scorers import Floats, Ints, Scorer

CLASSIFICATION = frozenset({Task.BINARY, Task.MULTICLASS})
REGRESSION = frozenset({Task.REGRESSION})


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    `needs` says what it reads of a prediction: ``probabilities``, ``labels`` (derived from probabilities by
    `predicted_labels`) or ``values``. `requires` says what the labels must hold for a score to exist.
    `unit` is for people: ``share`` (0 to 1), ``nats``, ``target`` (the target's own unit) or ``ratio``.
    """

    name: str
    title: str
    tasks: frozenset[Task]
    greater_is_better: bool
    needs: Literal["probabilities", "labels", "values"]
    requires: Literal["rows", "positives", "classes", "spread"]
    unit: Literal["share", "nats", "target", "ratio"]
    scorer_of: Callable[[npt.NDArray[np.generic], Floats], Scorer] | None = None
    """Of true values and predictions; None for metrics of labels, which are scored by their confusion matrix."""

    def scorer(self, y: npt.ArrayLike, prediction: npt.ArrayLike, *, threshold: float | None = None) -> Scorer:
        """The score as a function of row weights of shape (n_batches, n_samples).

        Parameters
        ----------
        y : int64 class codes or float64 targets, shape (n_samples,)
        prediction : probabilities, shape (n_samples, n_classes), or values in the target's unit, shape (n_samples,)
        threshold : see `predicted_labels`; only metrics of labels look at it
        """
        if self.scorer_of is None:
            p = np.asarray(prediction, dtype=np.float64)
            labels = predicted_labels(p, threshold)
            return of_confusion(np.asarray(y, dtype=np.int64), labels, p.shape[1], FROM_CONFUSION[self.name])
        if self.needs == "values":
            truth = np.asarray(y, dtype=np.float64).ravel()
            return self.scorer_of(truth, np.asarray(prediction, dtype=np.float64).ravel())
        return self.scorer_of(np.asarray(y, dtype=np.int64), np.asarray(prediction, dtype=np.float64))

    def score(
        self,
        y: npt.ArrayLike,
        prediction: npt.ArrayLike,
        *,
        threshold: float | None = None,
        weights: npt.ArrayLike | None = None,
    ) -> float:
        """The score; NaN where the labels allow none (see `why_undefined`). Shapes as in `scorer`.

        >>> METRICS["roc_auc"].score([0, 1, 1], [[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
        1.0
        """
        n = len(np.asarray(y))
        if n == 0:
            return float("nan")
        w = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
        return float(self.scorer(y, prediction, threshold=threshold)(w[None, :])[0])

    def why_undefined(self, y: npt.ArrayLike, n_classes: int = 2) -> str | None:
        """Why these labels allow no score, or None if they do."""
        truth = np.asarray(y)
        if truth.size == 0:
            return "there are no rows"
        if self.requires == "classes" and (truth == truth[0]).all():
            return f"all {truth.size} rows are of one class"
        if self.requires == "positives" and n_classes == 2 and not (truth == 1).any():
            return f"none of the {truth.size} rows is of the positive class"
        if self.requires == "spread" and (truth == truth[0]).all():
            return "one row has no spread" if truth.size == 1 else f"the target is the same in all {truth.size} rows"
        return None

    def better(self, a: float, b: float) -> bool:
        """Whether score `a` is better than score `b`. NaN is worse than any number."""
        if np.isnan(a) or np.isnan(b):
            return bool(not np.isnan(a) and np.isnan(b))
        return a > b if self.greater_is_better else a < b


def predicted_labels(probabilities: npt.ArrayLike, threshold: float | None = None) -> Ints:
    """Class codes (n_samples,) from probabilities (n_samples, n_classes).

    With two classes and a threshold, class 1 where its probability is at least the threshold; otherwise the most
    probable class, the first of equals.
    """
    p = np.asarray(probabilities)
    if threshold is not None and p.shape[1] == 2:
        return (p[:, 1] >= threshold).astype(np.int64)
    return np.argmax(p, axis=1).astype(np.int64)


def get_metric(name: str, task: Task) -> Metric:
    """The metric of that name, if it suits the task.

    Raises
    ------
    DeclarationError : there is no such metric, or not for this task; names the nearest and lists those that are.
    """
    suited = [m.name for m in METRICS.values() if task in m.tasks]
    if name in suited:
        return METRICS[name]
    near = difflib.get_close_matches(name, suited, 1)
    raise DeclarationError(
        f"{name!r} is no metric for {task.value} models" if name in METRICS else f"there is no metric {name!r}",
        why=f"for this task there are: {', '.join(suited)}",
        way_out=f"write {(near or [default_metric(task)])[0]!r}",
    )


def default_metric(task: Task) -> str:
    """What is optimised and judged when the declaration names no metric."""
    return {Task.BINARY: "roc_auc", Task.MULTICLASS: "accuracy", Task.REGRESSION: "r2"}[task]


def usual_metrics(task: Task) -> tuple[str, ...]:
    """The metrics that every report shows, the most telling first.

    Of regression without `mape`: one target near zero makes it endless.
    """
    match task:
        case Task.BINARY:
            return (
                *("roc_auc", "average_precision", "log_loss", "brier", "accuracy", "balanced_accuracy"),
                *("f1", "precision", "recall", "mcc", "ece"),
            )
        case Task.MULTICLASS:
            return ("accuracy", "balanced_accuracy", "f1", "log_loss", "roc_auc", "mcc", "brier", "ece")
        case Task.REGRESSION:
            return ("r2", "rmse", "mae", "median_ae")


_ALL = (
    Metric(*("roc_auc", "ROC-AUC", CLASSIFICATION, True, "probabilities", "classes", "share"), one_against_rest(auc)),
    Metric(
        *("average_precision", "Average precision", CLASSIFICATION, True, "probabilities", "positives", "share"),
        one_against_rest(average_precision),
    ),
    Metric("log_loss", "Log loss", CLASSIFICATION, False, "probabilities", "rows", "nats", log_loss),
    Metric("brier", "Brier score", CLASSIFICATION, False, "probabilities", "rows", "share", brier),
    Metric("accuracy", "Accuracy", CLASSIFICATION, True, "labels", "rows", "share"),
    Metric("balanced_accuracy", "Balanced accuracy", CLASSIFICATION, True, "labels", "rows", "share"),
    Metric("f1", "F1", CLASSIFICATION, True, "labels", "positives", "share"),
    Metric("precision", "Precision", CLASSIFICATION, True, "labels", "rows", "share"),
    Metric("recall", "Recall", CLASSIFICATION, True, "labels", "positives", "share"),
    Metric("mcc", "Matthews correlation", CLASSIFICATION, True, "labels", "classes", "ratio"),
    Metric("ece", "Calibration error", CLASSIFICATION, False, "probabilities", "rows", "share", ece),
    Metric("r2", "R²", REGRESSION, True, "values", "spread", "ratio", r2),
    Metric("rmse", "RMSE", REGRESSION, False, "values", "rows", "target", rmse),
    Metric("mae", "Mean absolute error", REGRESSION, False, "values", "rows", "target", mae),
    Metric("median_ae", "Median absolute error", REGRESSION, False, "values", "rows", "target", median_ae),
    Metric("mape", "Mean absolute percentage error", REGRESSION, False, "values", "rows", "ratio", mape),
)

METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}
