"""From scores to decisions: the threshold of a binary model, the interval of a regression."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Counts = np.ndarray
_OF_COUNTS: dict[str, Callable[[Counts, Counts, Counts, Counts], np.ndarray]] = {
    "accuracy": lambda tp, fp, fn, tn: (tp + tn) / (tp + fp + fn + tn),
    "f1": lambda tp, fp, fn, tn: 2 * tp / np.maximum(2 * tp + fp + fn, 1),
    "balanced_accuracy": lambda tp, fp, fn, tn: tp / np.maximum(tp + fn, 1) / 2 + tn / np.maximum(tn + fp, 1) / 2,
    "mcc": lambda tp, fp, fn, tn: (
        (tp * tn - fp * fn) / np.sqrt(np.maximum((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn), 1))
    ),
}


def choose_threshold(p: np.ndarray, y: np.ndarray, metric: str) -> float:
    """The probability from which a binary model should say yes.

    Parameters
    ----------
    p : float64 (n,), out-of-fold probabilities of the positive class, of training rows.
    y : int64 (n,), 0 or 1.
    metric : accuracy, balanced_accuracy, f1 or mcc are maximised, halfway between two scores. Every other metric does not
        look at labels, or is best where all or no rows are positive (precision, recall): 0.5.

    >>> choose_threshold(np.array([0.1, 0.2, 0.3, 0.4]), np.array([0, 0, 1, 1]), "f1")
    0.25
    """
    if metric not in _OF_COUNTS or len(np.unique(y)) < 2:
        return 0.5
    order = np.argsort(-p, kind="stable")
    ranked = p[order]
    ends = np.flatnonzero(np.diff(ranked) < 0)  # the last row of each run of equal scores, but for the lowest
    if len(ends) == 0:
        return 0.5
    tp = np.cumsum(y[order] == 1).astype(np.float64)[ends]
    fp = ends + 1.0 - tp
    n_positive = float((y == 1).sum())
    value = _OF_COUNTS[metric](tp, fp, n_positive - tp, len(y) - n_positive - fp)
    best = int(ends[np.argmax(value)])
    return float((ranked[best] + ranked[best + 1]) / 2)


def cost_threshold(false_positive: float, false_negative: float) -> float:
    """The probability from which saying yes costs less than saying no, on average: ``fp / (fp + fn)``.

    It holds for probabilities that mean what they say, which calibration sees to. Source: Elkan (2001), The foundations of
    cost-sensitive learning, IJCAI.

    >>> round(cost_threshold(1.0, 5.0), 4)
    0.1667
    """
    return false_positive / (false_positive + false_negative)


def mean_cost(p: np.ndarray, y: np.ndarray, threshold: float, costs: tuple[float, float]) -> float:
    """The cost of a row, on average, with these costs of a false positive and of a false negative.

    >>> mean_cost(np.array([0.3, 0.1, 0.3, 0.9]), np.array([0, 1, 1, 1]), 0.2, (1.0, 5.0))
    1.5
    """
    said = p >= threshold
    return float(costs[0] * (said & (y == 0)).mean() + costs[1] * (~said & (y == 1)).mean())


def conformal_offsets(residuals: np.ndarray, coverage: float = 0.9) -> tuple[float, float]:
    """What to add to an answer to get an interval that holds the truth in `coverage` of the cases.

    Parameters
    ----------
    residuals : float64 (n,), truth minus out-of-fold answer of training rows, in the target's unit.
    coverage : share of truths inside; what is left is divided evenly between too low and too high.

    Returns
    -------
    (low, high) : with n residuals their ``floor((1 - c)/2 (n + 1))``-th smallest and ``ceil((1 + c)/2 (n + 1))``-th
        smallest, or the extremes where there are too few rows for the coverage.

    Out-of-fold residuals make it the cross-validated form of split conformal prediction, for rows exchangeable with the
    training rows; averaged over inputs, not at each. Sources: Vovk et al. (2005), Algorithmic Learning in a Random World;
    Barber et al. (2021), Ann. Stat. 49, 486 (CV+); Romano et al. (2019), NeurIPS (each side on its own).

    >>> low, high = conformal_offsets(np.linspace(-1, 1, 199), 0.9)
    >>> (round(low, 2), round(high, 2))
    (-0.91, 0.91)
    """
    ranked = np.sort(residuals)
    n = len(ranked)
    below = int(np.floor((1 - coverage) / 2 * (n + 1) + 1e-9))
    above = int(np.ceil((1 + coverage) / 2 * (n + 1) - 1e-9))
    return float(ranked[max(below, 1) - 1]), float(ranked[min(above, n) - 1])
