"""The small models of the checks, always judged on rows that they were not fitted on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

FOLDS = 3
HUGE = 1e150  # larger numbers overflow where bins are cut


def folds_of(y: np.ndarray, seed: int, groups: np.ndarray | None = None) -> np.ndarray:
    """The fold of each row, int, shape (n,): the rows of each class (or of each stretch of numbers) dealt in turn.

    Of rows in `groups` (numbers from 0 on) each group is dealt whole, the largest first, to the fold with the fewest rows so far.
    """
    dice = np.random.default_rng(seed)
    if groups is not None:
        sizes = np.bincount(groups)
        of_group, rows = np.zeros(len(sizes), dtype=np.int64), np.zeros(FOLDS)
        for group in np.lexsort((dice.random(len(sizes)), -sizes)):
            of_group[group] = rows.argmin()
            rows[of_group[group]] += sizes[group]
        return of_group[groups]
    order = np.lexsort((dice.random(len(y)), y))
    fold = np.empty(len(y), dtype=np.int64)
    fold[order] = np.arange(len(y)) % FOLDS
    return fold


class Boosted:
    """Small gradient-boosted trees, which take missing values; also columns without any, and huge numbers."""

    def __init__(self, *, classification: bool, seed: int, robust: bool = False) -> None:
        self.classification, self.seed, self.robust = classification, seed, robust

    def fit(self, X: np.ndarray, y: np.ndarray) -> Boosted:
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        self._filled = ~np.isnan(X).all(axis=0)
        kind = HistGradientBoostingClassifier if self.classification else HistGradientBoostingRegressor
        size: dict[str, Any] = {"max_iter": 50, "max_leaf_nodes": 15, "learning_rate": 0.15}
        steady: dict[str, Any] = {
            "l2_regularization": 1.0,
            "early_stopping": False,
        }  # without it, rare classes run away
        loss = {"loss": "absolute_error"} if self.robust else {}
        model = kind(**size, **steady, **loss, random_state=self.seed)
        self._model = model.fit(self._taken(X), y)
        return self

    @property
    def classes_(self) -> np.ndarray:
        return np.asarray(self._model.classes_)

    def predict(self, X: np.ndarray) -> np.ndarray:
        return np.asarray(self._model.predict(self._taken(X)))

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return np.asarray(self._model.predict_proba(self._taken(X)))

    def _taken(self, X: np.ndarray) -> np.ndarray:
        return np.clip(np.where(self._filled, X, 0.0), -HUGE, HUGE)


def boosted(*, classification: bool, seed: int, robust: bool = False) -> Boosted:
    """A `Boosted` that is not fitted; a `robust` one foretells medians, which few wrong numbers do not move."""
    return Boosted(classification=classification, seed=seed, robust=robust)


def answers(model: Any, X: np.ndarray, n_classes: int) -> np.ndarray:
    """Probabilities, shape (n, n_classes), 0 for classes that the model never saw; numbers, (n, 1), of a regression."""
    if not n_classes:
        return np.asarray(model.predict(X), dtype=np.float64).reshape(-1, 1)
    found = np.zeros((len(X), n_classes))
    found[:, model.classes_.astype(np.int64)] = model.predict_proba(X)
    return found


def out_of_fold(make: Callable[[], Any], X: np.ndarray, y: np.ndarray, n_classes: int, fold: np.ndarray) -> np.ndarray:
    """Answers to each row by a model that saw none of its `fold`; as `answers`. A fold beside one class alone answers that class."""
    found = np.zeros((len(y), max(1, n_classes)))
    for k in range(FOLDS):
        inside, outside = fold != k, fold == k
        if not outside.any() or not inside.any():
            continue
        if n_classes and len(np.unique(y[inside])) == 1:
            found[outside, int(y[inside][0])] = 1.0
            continue
        found[outside] = answers(make().fit(X[inside], y[inside]), X[outside], n_classes)
    return found


def of_values(codes: np.ndarray, y: np.ndarray, n_classes: int, fold: np.ndarray) -> np.ndarray:
    """As `out_of_fold`, by the mean outcome of the rows with the same value (with one row's weight of the overall mean).

    `codes`: value numbers from 0 on; missing is a value as any other.
    """
    outcome = np.eye(n_classes)[y] if n_classes else y.reshape(-1, 1).astype(np.float64)
    size = int(codes.max(initial=-1)) + 1
    found = np.zeros_like(outcome, dtype=np.float64)
    for k in range(FOLDS):
        inside, outside = fold != k, fold == k
        if not outside.any() or not inside.any():
            continue
        mean = outcome[inside].mean(axis=0)
        rows = np.bincount(codes[inside], minlength=size)[:, None]
        sums = np.column_stack([np.bincount(codes[inside], column, size) for column in outcome[inside].T])
        found[outside] = ((sums + mean) / (rows + 1))[codes[outside]]
    return found


def tempered(chance: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Probabilities made as modest as their own success on these rows asks for: of the same shape (n, n_classes).

    Source: Guo, Pleiss, Sun & Weinberger (2017), On calibration of modern neural networks, ICML (temperature scaling).
    """
    logs = np.log(np.clip(chance, 1e-6, 1.0))
    best, least = chance, np.inf
    for temperature in np.geomspace(1.0, 8.0, 25):
        flat = np.exp(logs / temperature)
        flat /= flat.sum(axis=1, keepdims=True)
        loss = -float(np.log(flat[np.arange(len(y)), y]).mean())
        if loss < least:
            best, least = flat, loss
    return best


def auc(positive: np.ndarray, score: np.ndarray) -> float:
    """Chance that a positive row has the higher score than another, ties by half; NaN without both sorts of rows."""
    from scipy.stats import rankdata

    ones = int(positive.sum())
    others = len(positive) - ones
    if not ones or not others:
        return float("nan")
    return float((rankdata(score)[positive].sum() - ones * (ones + 1) / 2) / (ones * others))


def strength(y: np.ndarray, answer: np.ndarray, n_classes: int) -> float:
    """How far answers lie between chance (0) and perfection (1).

    Classes: 2 AUC - 1, each class against the others, weighted by its rows. Numbers: R squared. Below 0 becomes 0.
    """
    if not n_classes:
        spread = float(((y - y.mean()) ** 2).sum()) if len(y) else 0.0
        return max(0.0, 1.0 - float(((y - answer[:, 0]) ** 2).sum()) / spread) if spread else float("nan")
    found = [(auc(y == k, answer[:, k]), int((y == k).sum())) for k in range(n_classes)]
    known = [(value, rows) for value, rows in found if not np.isnan(value)]
    if not known:
        return float("nan")
    mean = sum(value * rows for value, rows in known) / sum(rows for _, rows in known)
    return max(0.0, 2 * mean - 1)


def influences(y: np.ndarray, answer: np.ndarray, n_classes: int) -> tuple[float, np.ndarray]:
    """As `strength`, but below 0 where it is; and how far each row moves it: shape (n,), of mean 0.

    The sum of squares, divided by n squared, is the squared standard error of the figure; products of two such arrays of the same rows
    say how two figures move together.

    Source: DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44, for areas under the curve.
    """
    n = len(y)
    if not n_classes:
        spread, off = (y - y.mean()) ** 2, (y - answer[:, 0]) ** 2
        share = float(off.mean() / spread.mean())
        return 1.0 - share, (share * spread - off) / spread.mean()
    value, moved, weight = 0.0, np.zeros(n), 0
    for k in range(n_classes):
        own = y == k
        if not own.any() or own.all():
            continue
        area, by_row = _area_by_row(own, answer[:, k])
        rows = int(own.sum())
        value, moved, weight = value + rows * area, moved + rows * by_row, weight + rows
    return 2 * value / weight - 1, 2 * moved / weight


def _area_by_row(positive: np.ndarray, score: np.ndarray) -> tuple[float, np.ndarray]:
    """The area under the curve, and how far each row moves it."""
    from scipy.stats import rankdata

    n, ones = len(score), int(positive.sum())
    others = n - ones
    among_own = np.empty(n)
    among_own[positive], among_own[~positive] = rankdata(score[positive]), rankdata(score[~positive])
    beyond = rankdata(score) - among_own  # rows of the other sort with a lower score, ties by half
    area = float(beyond[positive].sum() / (ones * others))
    moved = np.where(positive, (beyond / others - area) * n / ones, (1 - beyond / ones - area) * n / others)
    return area, moved


def tell_apart(X: np.ndarray, X_other: np.ndarray, *, seed: int) -> float:
    """Area under the curve of a classifier that tells the rows of two tables apart, out of fold; 0.5: it cannot.

    Rows that are repeated within a table count once.

    Source: Lopez-Paz & Oquab (2017), Revisiting classifier two-sample tests, ICLR.
    """
    X, X_other = np.unique(X, axis=0), np.unique(X_other, axis=0)  # rows that repeat within a part betray it by that
    both = np.vstack([X, X_other])
    which = np.r_[np.zeros(len(X), dtype=np.int64), np.ones(len(X_other), dtype=np.int64)]
    if not both.shape[1]:
        return 0.5
    answer = out_of_fold(lambda: boosted(classification=True, seed=seed), both, which, 2, folds_of(which, seed))
    return auc(which == 1, answer[:, 1])


def chance_limit(n: int, n_other: int, sigmas: float = 3.0) -> float:
    """The area under the curve that chance alone hardly exceeds: 0.5 and so many standard errors of Mann and Whitney."""
    return 0.5 + sigmas * float(np.sqrt((n + n_other + 1) / (12 * n * n_other))) if n and n_other else 1.0
