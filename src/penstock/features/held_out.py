"""What a small linear model of a few columns tells of the target on rows that it has not seen."""

from __future__ import annotations

import numpy as np

from penstock.bundle.kinds import Task

MOST_CLASSES = 3
"""The most frequent classes, each of which is told from all others."""
LEAST_ROWS = 200
"""Rows below which one form of a column cannot be told from another."""
CERTAIN = 2.0
"""Standard errors by which a loss must be lower."""
WORTH = 0.005
"""Share of the loss that a change must save, beside being no chance."""
MOST = 10.0
"""What one row loses at most: a few rows that lie far out would hide what is true of all others."""
_STEPS = 12


def losses(columns: np.ndarray, y: np.ndarray, task: Task) -> np.ndarray:
    """The loss of each row by the model of the other half: log loss, or squared error in variances of the target.

    Parameters
    ----------
    columns : float64 (n, k), without NaN. y : their target, shape (n,): class numbers or float64. Rows in random order.

    Returns
    -------
    float64, shape (n,). Two halves, each told by a ridge or logistic regression of the other one, penalty |w|^2 / 2.
    """
    found = np.zeros(len(y))
    for held in (slice(0, None, 2), slice(1, None, 2)):
        told = slice(1, None, 2) if held.start == 0 else slice(0, None, 2)
        centre, scale = columns[told].mean(axis=0), columns[told].std(axis=0)
        design = np.column_stack([(columns - centre) / np.where(scale > 0, scale, 1.0), np.ones(len(y))])
        if not task.is_classification:
            middle, spread = y[told].mean(), y[told].std() or 1.0
            target = (y - middle) / spread
            rest = target[held] - design[held] @ _ridge(design[told], target[told])
            found[held] = np.minimum(rest**2, MOST)
            continue
        classes, counts = np.unique(y[told], return_counts=True)
        chosen = classes[np.argsort(-counts, kind="stable")][: 1 if len(classes) == 2 else MOST_CLASSES]
        for one in chosen:
            target = (y == one).astype(np.float64)
            scores = design[held] @ _logistic(design[told], target[told])
            found[held] += np.minimum(np.logaddexp(0.0, scores) - target[held] * scores, MOST)
    return found


def is_better(new: np.ndarray, old: np.ndarray, *, worth: float = WORTH) -> bool:
    """Whether losses of the same rows are lower by more than chance, and by enough to be worth a step."""
    saved = old - new
    error = saved.std() / np.sqrt(len(saved))
    return bool(saved.mean() > CERTAIN * error and saved.mean() > worth * old.mean())


def _penalty(design: np.ndarray) -> np.ndarray:
    penalty = np.eye(design.shape[1])
    penalty[-1, -1] = 1e-9  # the intercept is not penalised
    return penalty


def _ridge(design: np.ndarray, target: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.solve(design.T @ design + _penalty(design), design.T @ target))


def _logistic(design: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Newton's method, with steps that are halved until the loss falls."""
    penalty, weights = _penalty(design), np.zeros(design.shape[1])
    share = min(max(float(target.mean()), 1e-6), 1 - 1e-6)
    weights[-1] = np.log(share / (1 - share))

    def loss(candidate: np.ndarray) -> float:
        scores = design @ candidate
        return float(np.sum(np.logaddexp(0.0, scores) - target * scores) + candidate @ penalty @ candidate / 2)

    now = loss(weights)
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(design @ weights, -35, 35)))
        slope = design.T @ (chance - target) + penalty @ weights
        curvature = (design * (chance * (1 - chance))[:, None]).T @ design + penalty
        step = np.linalg.solve(curvature, slope)
        for _ in range(10):
            after = loss(weights - step)
            if after <= now:
                break
            step = step / 2
        else:
            break
        weights, saved, now = weights - step, now - after, after
        if saved < 1e-4 * now + 1e-6 * len(target):
            break
    return weights
