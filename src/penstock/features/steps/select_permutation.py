"""Columns that a model misses when their values are shuffled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, final

import numpy as np

from penstock.bundle.kinds import Kind, Task
from penstock.data.folds import hold_out
from penstock.features.bounds import Bound, Number, Whole
from penstock.features.kinds import NUMBERS
from penstock.features.selection import FittedSelection, Rule, keep_all, need_target, select
from penstock.features.step import Columns, Shifted, Target

FEWEST_ROWS = 100
"""Training rows from which a model on three quarters of them can be tried on the others."""
MOST_ROWS = 20_000
"""Training rows, drawn at random, that are enough to tell."""
ROUNDS = 60

Predict = Callable[[np.ndarray], np.ndarray]


@final
class SelectPermutation:
    """Keep the columns whose shuffling makes a model worse on rows that it has not seen.

    A small model of boosted trees is fitted on three quarters of the training rows (at most 20,000, drawn at random). On the
    others, the values of one column are shuffled and the loss that this adds is its importance: as a share of the loss of a
    model that knows no column at all (log loss of classes, squared error of numbers). Unlike `select_information` it sees
    columns that only tell something together; of two that say the same it may drop both, so take one of them out before.
    With fewer than 100 training rows all are kept. Of rows that are split by group, whole groups are held out; by time, the
    newest rows, with the gap before them.

    Parameters
    ----------
    threshold : what the importance must be above.
    most : columns that are kept at most: the most important ones.
    repeats : shuffles of each column; their mean counts.
    price : importance that one unit of cost must bring, where the recipe has ``[costs]``; 0: costs do not matter.

    Source: Breiman (2001), Machine Learning 45(1), 5.
    """

    name: ClassVar[str] = "select_permutation"
    takes: ClassVar[frozenset[Kind]] = NUMBERS
    gives: ClassVar[Kind | None] = Kind.NUMERIC
    arity: ClassVar[int] = 1
    columnwise: ClassVar[bool] = False
    shifted: ClassVar[Shifted] = "kept"
    bounds: ClassVar[Mapping[str, Bound]] = {
        "threshold": Number(0, 1),
        "most": Whole(1, 1_000_000),
        "repeats": Whole(1, 100),
        "price": Number(0, 1e9),
    }
    ready: ClassVar[bool | None] = None

    def __init__(self, threshold: float = 0.005, most: int = 1_000_000, repeats: int = 5, price: float = 0.0) -> None:
        self.threshold, self.most, self.repeats, self.price = threshold, most, repeats, price

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedSelection:
        (columns,) = inputs
        target = need_target(self.name, target)
        if len(columns) < FEWEST_ROWS:
            return keep_all(columns, "too few rows to tell")
        random = np.random.default_rng(seed)
        rows = random.permutation(len(columns))[:MOST_ROWS]
        rows, learn = _learn_first(target, rows, seed)
        X, y = columns.values[rows], target.values[rows]
        if not 0 < learn < len(rows):
            return keep_all(columns, "one group or time alone: no rows can be held out")
        predict = _boosted(X[:learn], y[:learn], target.task, seed)
        if predict is None:
            return keep_all(columns, "one class alone: nothing to tell")
        loss = _log_loss if target.task.is_classification else _squared
        unknowing = _unknowing(y[:learn], target.task, len(y) - learn)
        least = loss(unknowing, y[learn:])
        if least <= 0:
            return keep_all(columns, "the target does not vary in the rows that were held out")
        scores = importances(predict, X[learn:], y[learn:], loss, self.repeats, random) / least
        return select(columns, Rule(scores, "importance {}", self.threshold, self.most, self.price))


def importances(
    predict: Predict,
    X: np.ndarray,
    y: np.ndarray,
    loss: Callable[[np.ndarray, np.ndarray], float],
    repeats: int,
    random: np.random.Generator,
) -> np.ndarray:
    """The mean loss that shuffling each column adds, float64 (k,). X is left as it was."""
    usual = loss(predict(X), y)
    added = np.zeros(X.shape[1])
    shuffled = X.copy()
    for j in range(X.shape[1]):
        for _ in range(repeats):
            shuffled[:, j] = random.permutation(X[:, j])
            added[j] += loss(predict(shuffled), y) - usual
        shuffled[:, j] = X[:, j]
    return added / repeats


def _learn_first(target: Target, rows: np.ndarray, seed: int) -> tuple[np.ndarray, int]:
    """The rows, those that are learned from first, and how many these are: by the rule of the split."""
    if target.groups is None and target.times is None:
        return rows, len(rows) * 3 // 4
    groups = None if target.groups is None else target.groups[rows]
    times = None if target.times is None else target.times[rows]
    told, held = hold_out(target.values[rows], target.task, 0.25, seed, groups, times, target.gap)
    return np.concatenate([rows[told], rows[held]]), int(told.sum())


def _boosted(X: np.ndarray, y: np.ndarray, task: Task, seed: int) -> Predict | None:
    """The answers of a fitted model: probabilities (n, classes), or numbers (n,)."""
    from penstock.features.openmp import load_lightgbm

    lightgbm = load_lightgbm()
    params = {
        "objective": {Task.BINARY: "binary", Task.MULTICLASS: "multiclass", Task.REGRESSION: "regression"}[task],
        "num_leaves": 15, "learning_rate": 0.15, "min_data_in_leaf": max(3, min(20, len(X) // 20)), "verbosity": -1,
        "num_threads": 1, "deterministic": True, "force_row_wise": True, "seed": seed,
    }  # fmt: skip
    if task.is_classification and len(np.unique(y)) < 2:
        return None
    if task is Task.MULTICLASS:
        params["num_class"] = int(y.max()) + 1
    values = y.astype(np.float64)
    mean, scale = (values.mean(), values.std() or 1.0) if task is Task.REGRESSION else (0.0, 1.0)
    data = lightgbm.Dataset(X, (values - mean) / scale, params={"verbosity": -1})
    model = lightgbm.train(params, data, num_boost_round=ROUNDS)
    if task is Task.BINARY:
        return lambda rows: _two(np.asarray(model.predict(rows)))
    if task is Task.MULTICLASS:
        return lambda rows: np.asarray(model.predict(rows))
    return lambda rows: np.asarray(model.predict(rows)) * scale + mean


def _two(positive: np.ndarray) -> np.ndarray:
    return np.stack([1 - positive, positive], axis=1)


def _unknowing(y: np.ndarray, task: Task, n_rows: int) -> np.ndarray:
    """The answers of a model that knows no column."""
    if not task.is_classification:
        return np.full(n_rows, y.mean())
    shares = np.bincount(y.astype(np.int64), minlength=2) / len(y)
    return np.tile(shares, (n_rows, 1))


def _log_loss(probabilities: np.ndarray, y: np.ndarray) -> float:
    classes = y.astype(np.int64)
    known = classes < probabilities.shape[1]  # a class that no row of the fit had
    right = probabilities[np.flatnonzero(known), classes[known]]
    return float(-np.log(np.clip(right, 1e-15, 1.0)).mean()) if known.any() else 0.0


def _squared(answers: np.ndarray, y: np.ndarray) -> float:
    return float(((answers - y) ** 2).mean())
