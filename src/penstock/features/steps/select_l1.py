"""Columns that a linear model with an L1 penalty still needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, final

import numpy as np

from penstock.bundle.kinds import Kind, Task
from penstock.features.bounds import Bound, Number, Whole
from penstock.features.kinds import NUMBERS
from penstock.features.selection import FEWEST_ROWS, FittedSelection, Rule, keep_all, need_target, select
from penstock.features.step import Columns, Shifted, Target

CHUNK_ROWS = 65_536
MOST_COLUMNS = 5_000
"""Columns from which the matrix of their products would be larger than 200 MB."""
MOST_ROUNDS = 2_000
ENOUGH = 1e-9


@final
class SelectL1:
    """Keep the columns that have a weight in a linear model with an L1 penalty (the lasso).

    The columns are standardised and missing values are their mean; classes are answered as 0 and 1, one model for each where
    there are more than two. Of several columns that say the same it tends to keep one. At most 5,000 columns; with fewer
    than 20 training rows all are kept.

    Parameters
    ----------
    strength : of the penalty, as a share of the one at which no column would be left. More keeps fewer.
    most : columns that are kept at most: those with the largest weight, in standard deviations.
    price : weight that one unit of cost must bring, where the recipe has ``[costs]``; 0: costs do not matter.

    Source: Tibshirani (1996), Journal of the Royal Statistical Society B 58(1), 267; solved by coordinate descent, Friedman et
    al. (2010), Journal of Statistical Software 33(1).
    """

    name: ClassVar[str] = "select_l1"
    takes: ClassVar[frozenset[Kind]] = NUMBERS
    gives: ClassVar[Kind | None] = Kind.NUMERIC
    arity: ClassVar[int] = 1
    columnwise: ClassVar[bool] = False
    shifted: ClassVar[Shifted] = "kept"
    bounds: ClassVar[Mapping[str, Bound]] = {
        "strength": Number(0, 1, low_included=False),
        "most": Whole(1, 1_000_000),
        "price": Number(0, 1e9),
    }
    ready: ClassVar[bool | None] = None

    def __init__(self, strength: float = 0.05, most: int = 1_000_000, price: float = 0.0) -> None:
        self.strength, self.most, self.price = strength, most, price

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedSelection:
        (columns,) = inputs
        target = need_target(self.name, target)
        if len(columns) < FEWEST_ROWS:
            return keep_all(columns, "too few rows to tell")
        if len(columns.names) > MOST_COLUMNS:
            return keep_all(columns, f"more than {MOST_COLUMNS:,} columns: use select_information first")
        products, answers = correlations(columns.values, _responses(target))
        penalty = self.strength * float(np.abs(answers).max())
        weights = [lasso(products, own, penalty) for own in answers.T]
        scores = np.abs(weights).max(axis=0)
        scores[scores <= ENOUGH] = 0.0  # of a column that says what another one says, rounding leaves something
        return select(columns, Rule(scores, "weight {}", 0.0, self.most, self.price))


def correlations(X: np.ndarray, Y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Products of standardised columns, missing values at their mean: float64 (k, k) and (k, m). A column of one value is 0."""
    means, scales = zip(*(_mean_and_scale(column) for column in X.T), strict=True)
    mean, scale = np.array(means), np.array(scales)
    answers = (Y - Y.mean(axis=0)) / np.maximum(Y.std(axis=0), 1e-300)
    within = np.zeros((X.shape[1], X.shape[1]))
    across = np.zeros((X.shape[1], Y.shape[1]))
    for start in range(0, len(X), CHUNK_ROWS):
        chunk = (X[start : start + CHUNK_ROWS].astype(np.float64) - mean) / scale
        chunk[np.isnan(chunk)] = 0.0
        within += chunk.T @ chunk
        across += chunk.T @ answers[start : start + CHUNK_ROWS]
    return within / len(X), across / len(X)


def lasso(products: np.ndarray, answers: np.ndarray, penalty: float) -> np.ndarray:
    """Weights w, float64 (k,), that make w'Pw/2 - a'w + penalty |w| smallest.

    >>> lasso(np.eye(2), np.array([0.5, -0.1]), 0.2).tolist()
    [0.3, 0.0]
    """
    weights, rest = np.zeros(len(answers)), answers.astype(np.float64).copy()
    inside = np.flatnonzero(np.diag(products) > 0)
    active = inside
    for _ in range(MOST_ROUNDS):
        moved = 0.0
        for j in active:
            own = products[j, j]
            aim = rest[j] + own * weights[j]
            new = np.sign(aim) * max(abs(aim) - penalty, 0.0) / own
            if new != weights[j]:
                step = new - weights[j]
                rest -= products[:, j] * step
                weights[j] = new
                moved = max(moved, abs(step))
        if moved < ENOUGH:
            if len(active) == len(inside):
                break
            active = inside  # has a column that was at rest begun to move?
        else:
            active = np.flatnonzero(weights)
    return weights


def _mean_and_scale(column: np.ndarray) -> tuple[float, float]:
    present = column[~np.isnan(column)].astype(np.float64)
    if not len(present) or present.min() == present.max():
        return (float(present[0]) if len(present) else 0.0), 1.0
    return float(present.mean()), float(np.sqrt(((present - present.mean()) ** 2).sum() / len(column)))


def _responses(target: Target) -> np.ndarray:
    if target.task is Task.MULTICLASS:
        return (target.values[:, None] == np.arange(int(target.values.max()) + 1)).astype(np.float64)
    return target.values.astype(np.float64)[:, None]
