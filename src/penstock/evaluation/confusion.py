"""Scores of the confusion matrix c, shape (n_batches, k true, k predicted)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from penstock.evaluation.scorers import Floats, Ints, Scorer, ratio, sums_by


def of_confusion(y: Ints, labels: Ints, k: int, from_matrix: Callable[[Floats], Floats]) -> Scorer:
    """A score of the confusion matrix, shape (n_batches, k true, k predicted)."""
    cells = y * k + labels
    return lambda w: from_matrix(sums_by(cells, k * k, w).reshape(len(w), k, k))


def _accuracy(c: Floats) -> Floats:
    return ratio(np.trace(c, axis1=1, axis2=2), c.sum(axis=(1, 2)), np.nan)


def _balanced_accuracy(c: Floats) -> Floats:
    """Mean recall of the classes that occur."""
    recall = ratio(np.diagonal(c, axis1=1, axis2=2), c.sum(axis=2), 0.0)
    return ratio(recall.sum(axis=1), (c.sum(axis=2) > 0).sum(axis=1).astype(np.float64), np.nan)


def _positive_or_macro(
    numerator: Callable[[Floats, Floats, Floats], tuple[Floats, Floats]], *, needs_positives: bool
) -> Callable[[Floats], Floats]:
    """Two classes: the positive one. More: the mean over the classes that occur or are predicted, 0 for 0/0."""

    def score(c: Floats) -> Floats:
        hits, true, predicted = np.diagonal(c, axis1=1, axis2=2), c.sum(axis=2), c.sum(axis=1)
        each = ratio(*numerator(hits, true, predicted), 0.0)
        if c.shape[1] == 2:
            undefined = (true[:, 1] == 0) if needs_positives else (true.sum(axis=1) == 0)
            return np.where(undefined, np.nan, each[:, 1])
        seen = (true + predicted) > 0
        return ratio((each * seen).sum(axis=1), seen.sum(axis=1).astype(np.float64), np.nan)

    return score


def _mcc(c: Floats) -> Floats:
    """Matthews correlation, for k classes as Gorodkin (2004), Comput. Biol. Chem. 28, 367."""
    true, predicted = c.sum(axis=2), c.sum(axis=1)
    n, hits = c.sum(axis=(1, 2)), np.trace(c, axis1=1, axis2=2)
    spread_true = n * n - (true * true).sum(axis=1)
    spread_predicted = n * n - (predicted * predicted).sum(axis=1)
    mcc = ratio(hits * n - (true * predicted).sum(axis=1), np.sqrt(spread_true) * np.sqrt(spread_predicted), 0.0)
    return np.where(spread_true == 0, np.nan, mcc)


FROM_CONFUSION: dict[str, Callable[[Floats], Floats]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "f1": _positive_or_macro(lambda hits, true, predicted: (2 * hits, true + predicted), needs_positives=True),
    "precision": _positive_or_macro(lambda hits, true, predicted: (hits, predicted), needs_positives=False),
    "recall": _positive_or_macro(lambda hits, true, predicted: (hits, true), needs_positives=True),
    "mcc": _mcc,
}
