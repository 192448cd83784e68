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

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Scorer = Callable[[Floats], Floats]
"""Weights (n_batches, n_samples) -> scores (n_batches,)."""

CLASSIFICATION = frozenset({Task.BINARY, Task.MULTICLASS})
REGRESSION = frozenset({Task.REGRESSION})
ECE_BINS = 15


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
    scorer_of: Callable[[npt.NDArray[np.generic], Floats], Scorer]

    def scorer(self, y: npt.ArrayLike, prediction: npt.ArrayLike, *, threshold: float | None = None) -> Scorer:
        """The score as a function of row weights of shape (n_batches, n_samples).

        Parameters
        ----------
        y : int64 class codes or float64 targets, shape (n_samples,)
        prediction : probabilities, shape (n_samples, n_classes), or values in the target's unit, shape (n_samples,)
        threshold : see `predicted_labels`; only metrics of labels look at it
        """
        if self.needs == "values":
            truth = np.asarray(y, dtype=np.float64).ravel()
            return self.scorer_of(truth, np.asarray(prediction, dtype=np.float64).ravel())
        p = np.asarray(prediction, dtype=np.float64)
        codes = np.asarray(y, dtype=np.int64)
        if self.needs == "probabilities":
            return self.scorer_of(codes, p)
        return _of_confusion(codes, predicted_labels(p, threshold), p.shape[1], _FROM_CONFUSION[self.name])

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


# --- building blocks ------------------------------------------------------------------------------------------------


def _ratio(numerator: Floats, denominator: Floats, otherwise: float) -> Floats:
    """numerator / denominator, and `otherwise` where the denominator is 0."""
    out = np.full(np.broadcast(numerator, denominator).shape, otherwise)
    np.divide(numerator, denominator, out=out, where=denominator != 0)
    return out


def _mean_of(losses: Floats) -> Scorer:
    """The weighted mean of one loss per row."""
    return lambda w: _ratio(w @ losses, w.sum(axis=1), np.nan)


def _sums_by(groups: Ints, n_groups: int, w: Floats) -> Floats:
    """Sum of weights per group, shape (n_batches, n_groups)."""
    return np.stack([np.bincount(groups, weights=row, minlength=n_groups) for row in w])


def _of_confusion(y: Ints, labels: Ints, k: int, from_matrix: Callable[[Floats], Floats]) -> Scorer:
    """A score of the confusion matrix, shape (n_batches, k true, k predicted)."""
    cells = y * k + labels
    return lambda w: from_matrix(_sums_by(cells, k * k, w).reshape(len(w), k, k))


class _Ranking:
    """Rows in the order of falling scores, and the ends of the runs of equal scores."""

    def __init__(self, positive: npt.NDArray[np.bool_], scores: Floats) -> None:
        self.order = np.argsort(-scores, kind="stable")
        ranked = scores[self.order]
        self.ends = np.r_[np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1]
        self.positive = positive[self.order].astype(np.float64)

    def counts(self, w: Floats) -> tuple[Floats, Floats]:
        """Weights of the rows, and of the positive ones, at or above each distinct score: (n_batches, n_distinct)."""
        w = w[:, self.order]
        positives = np.cumsum(w * self.positive, axis=1)
        rows = np.cumsum(w, axis=1)
        if len(self.ends) == w.shape[1]:
            return rows, positives
        return rows[:, self.ends], positives[:, self.ends]


def _auc(positive: npt.NDArray[np.bool_], scores: Floats) -> Scorer:
    """Area under the ROC curve by trapezoids (ties count one half). Fawcett (2006), Pattern Recogn. Lett. 27, 861."""
    ranking = _Ranking(positive, scores)

    def score(w: Floats) -> Floats:
        rows, tp = ranking.counts(w)
        fp = rows - tp
        area = fp[:, 0] * tp[:, 0] / 2
        area += ((fp[:, 1:] - fp[:, :-1]) * (tp[:, 1:] + tp[:, :-1])).sum(axis=1) / 2
        return _ratio(area, tp[:, -1] * fp[:, -1], np.nan)

    return score


def _average_precision(positive: npt.NDArray[np.bool_], scores: Floats) -> Scorer:
    """Sum of precision times gain in recall; no interpolation."""
    ranking = _Ranking(positive, scores)

    def score(w: Floats) -> Floats:
        rows, tp = ranking.counts(w)
        precision = _ratio(tp, rows, 0.0)
        gains = np.diff(tp, axis=1, prepend=0.0)
        return _ratio((gains * precision).sum(axis=1), tp[:, -1], np.nan)

    return score


def _one_against_rest(
    score_of: Callable[[npt.NDArray[np.bool_], Floats], Scorer],
) -> Callable[[npt.NDArray[np.generic], Floats], Scorer]:
    """Binary: the positive class. More: the mean over the classes for which a score exists (macro)."""

    def scorer(y: npt.NDArray[np.generic], p: Floats) -> Scorer:
        if p.shape[1] == 2:
            return score_of(y == 1, p[:, 1])
        parts = [score_of(y == k, p[:, k]) for k in range(p.shape[1])]

        def score(w: Floats) -> Floats:
            scores = np.stack([part(w) for part in parts])
            defined = ~np.isnan(scores)
            return _ratio(np.where(defined, scores, 0.0).sum(axis=0), defined.sum(axis=0).astype(np.float64), np.nan)

        return score

    return scorer


def _log_loss(y: npt.NDArray[np.generic], p: Floats) -> Scorer:
    """Mean of -log p(true class), probabilities clipped at the resolution of float64."""
    eps = float(np.finfo(np.float64).eps)
    return _mean_of(-np.log(np.clip(p[np.arange(len(y)), y], eps, 1 - eps)))


def _brier(y: npt.NDArray[np.generic], p: Floats) -> Scorer:
    """Binary: (p - y)^2 of the positive class. More: summed over classes. Brier (1950), Mon. Weather Rev. 78, 1."""
    if p.shape[1] == 2:
        return _mean_of((p[:, 1] - (y == 1)) ** 2)
    return _mean_of(((p - (y[:, None] == np.arange(p.shape[1]))) ** 2).sum(axis=1))


def confidence_and_hit(y: npt.NDArray[np.generic], p: Floats) -> tuple[Floats, Floats]:
    """What calibration compares: binary, P(positive) and whether it was; more, P(top class) and whether it hit."""
    if p.shape[1] == 2:
        return p[:, 1], (y == 1).astype(np.float64)
    return p.max(axis=1), (np.argmax(p, axis=1) == y).astype(np.float64)


def calibration_bin(confidence: Floats, n_bins: int = ECE_BINS) -> Ints:
    """Number of the equal-width bin of each confidence; 1.0 belongs to the last."""
    return np.clip(np.floor(confidence * n_bins), 0, n_bins - 1).astype(np.int64)


def _ece(y: npt.NDArray[np.generic], p: Floats) -> Scorer:
    """Expected calibration error over 15 equal-width bins. Naeini et al. (2015), AAAI; Guo et al. (2017), ICML."""
    confidence, hit = confidence_and_hit(y, p)
    bins, gap = calibration_bin(confidence), confidence - hit
    return lambda w: _ratio(np.abs(_sums_by(bins, ECE_BINS, w * gap)).sum(axis=1), w.sum(axis=1), np.nan)


# --- scores of a confusion matrix c (n_batches, k true, k predicted) -------------------------------------------------


def _accuracy(c: Floats) -> Floats:
    return _ratio(np.trace(c, axis1=1, axis2=2), c.sum(axis=(1, 2)), np.nan)


def _balanced_accuracy(c: Floats) -> Floats:
    """Mean recall of the classes that occur."""
    recall = _ratio(np.diagonal(c, axis1=1, axis2=2), c.sum(axis=2), 0.0)
    return _ratio(recall.sum(axis=1), (c.sum(axis=2) > 0).sum(axis=1).astype(np.float64), np.nan)


def _positive_or_macro(
    numerator: Callable[[Floats, Floats, Floats], tuple[Floats, Floats]], *, needs_positives: bool
) -> Callable[[Floats], Floats]:
    """Two classes: the positive one. More: the mean over the classes that occur or are predicted, 0 for 0/0."""

    def score(c: Floats) -> Floats:
        hits, true, predicted = np.diagonal(c, axis1=1, axis2=2), c.sum(axis=2), c.sum(axis=1)
        each = _ratio(*numerator(hits, true, predicted), 0.0)
        if c.shape[1] == 2:
            undefined = (true[:, 1] == 0) if needs_positives else (true.sum(axis=1) == 0)
            return np.where(undefined, np.nan, each[:, 1])
        seen = (true + predicted) > 0
        return _ratio((each * seen).sum(axis=1), seen.sum(axis=1).astype(np.float64), np.nan)

    return score


def _mcc(c: Floats) -> Floats:
    """Matthews correlation, for k classes as Gorodkin (2004), Comput. Biol. Chem. 28, 367."""
    true, predicted = c.sum(axis=2), c.sum(axis=1)
    n, hits = c.sum(axis=(1, 2)), np.trace(c, axis1=1, axis2=2)
    spread_true = n * n - (true * true).sum(axis=1)
    spread_predicted = n * n - (predicted * predicted).sum(axis=1)
    mcc = _ratio(hits * n - (true * predicted).sum(axis=1), np.sqrt(spread_true) * np.sqrt(spread_predicted), 0.0)
    return np.where(spread_true == 0, np.nan, mcc)


_FROM_CONFUSION: dict[str, Callable[[Floats], Floats]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "f1": _positive_or_macro(lambda hits, true, predicted: (2 * hits, true + predicted), needs_positives=True),
    "precision": _positive_or_macro(lambda hits, true, predicted: (hits, predicted), needs_positives=False),
    "recall": _positive_or_macro(lambda hits, true, predicted: (hits, true), needs_positives=True),
    "mcc": _mcc,
}


# --- regression -----------------------------------------------------------------------------------------------------


def _r2(y: npt.NDArray[np.generic], value: Floats) -> Scorer:
    """Share of the variance explained."""
    truth = y.astype(np.float64)
    if len(truth) == 0 or (truth == truth[0]).all():  # exact: a mean's rounding would leave a spread of 1e-32
        return lambda w: np.full(len(w), np.nan)
    centred = truth - truth.mean()
    squares, losses = centred**2, (truth - value) ** 2

    def score(w: Floats) -> Floats:
        total, mean_part = w @ squares, _ratio((w @ centred) ** 2, w.sum(axis=1), 0.0)
        spread = total - mean_part
        spread = np.where(spread <= 1e-14 * total, 0.0, spread)  # a replicate of one value: nothing but rounding
        return 1.0 - _ratio(w @ losses, spread, np.nan)

    return score


def _median_ae(y: npt.NDArray[np.generic], value: Floats) -> Scorer:
    """Median absolute error; the mean of the two middle ones where they differ."""
    errors = np.abs(y.astype(np.float64) - value)
    order = np.argsort(errors, kind="stable")
    ranked = errors[order]

    def score(w: Floats) -> Floats:
        reached = np.cumsum(w[:, order], axis=1)
        half = reached[:, -1:] / 2
        lower = np.argmax(reached >= half, axis=1)
        upper = np.argmax(reached > half, axis=1)
        return np.where(half[:, 0] > 0, (ranked[lower] + ranked[upper]) / 2, np.nan)

    return score


def _rmse(y: npt.NDArray[np.generic], value: Floats) -> Scorer:
    mean_square = _mean_of((y.astype(np.float64) - value) ** 2)
    return lambda w: np.sqrt(mean_square(w))


def _mae(y: npt.NDArray[np.generic], value: Floats) -> Scorer:
    return _mean_of(np.abs(y.astype(np.float64) - value))


def _mape(y: npt.NDArray[np.generic], value: Floats) -> Scorer:
    truth = y.astype(np.float64)
    return _mean_of(np.abs(truth - value) / np.maximum(np.abs(truth), float(np.finfo(np.float64).eps)))


def _from_labels(y: npt.NDArray[np.generic], p: Floats) -> Scorer:
    raise AssertionError("a metric of labels is scored through `_FROM_CONFUSION`")


_ALL = (
    Metric(*("roc_auc", "ROC-AUC", CLASSIFICATION, True, "probabilities", "classes", "share"), _one_against_rest(_auc)),
    Metric(
        *("average_precision", "Average precision", CLASSIFICATION, True, "probabilities", "positives", "share"),
        _one_against_rest(_average_precision),
    ),
    Metric("log_loss", "Log loss", CLASSIFICATION, False, "probabilities", "rows", "nats", _log_loss),
    Metric("brier", "Brier score", CLASSIFICATION, False, "probabilities", "rows", "share", _brier),
    Metric("accuracy", "Accuracy", CLASSIFICATION, True, "labels", "rows", "share", _from_labels),
    Metric("balanced_accuracy", "Balanced accuracy", CLASSIFICATION, True, "labels", "rows", "share", _from_labels),
    Metric("f1", "F1", CLASSIFICATION, True, "labels", "positives", "share", _from_labels),
    Metric("precision", "Precision", CLASSIFICATION, True, "labels", "rows", "share", _from_labels),
    Metric("recall", "Recall", CLASSIFICATION, True, "labels", "positives", "share", _from_labels),
    Metric("mcc", "Matthews correlation", CLASSIFICATION, True, "labels", "classes", "ratio", _from_labels),
    Metric("ece", "Calibration error", CLASSIFICATION, False, "probabilities", "rows", "share", _ece),
    Metric("r2", "R²", REGRESSION, True, "values", "spread", "ratio", _r2),
    Metric("rmse", "RMSE", REGRESSION, False, "values", "rows", "target", _rmse),
    Metric("mae", "Mean absolute error", REGRESSION, False, "values", "rows", "target", _mae),
    Metric("median_ae", "Median absolute error", REGRESSION, False, "values", "rows", "target", _median_ae),
    Metric("mape", "Mean absolute percentage error", REGRESSION, False, "values", "rows", "ratio", _mape),
)

METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}
