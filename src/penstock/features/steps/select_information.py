"""Columns that tell something of the target, each by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, final

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.features.bounds import Bound, Number, Whole
from penstock.features.kinds import CATEGORIES, NUMBERS
from penstock.features.selection import FEWEST_ROWS, FittedSelection, Rule, keep_all, need_target, select
from penstock.features.step import Columns, Form, Shifted, Target
from penstock.features.vocabulary import numbered


@final
class SelectInformation:
    """Keep the columns whose mutual information with the target is above a threshold.

    The information is that of bins: numbers with many values, and the target of a regression, are cut at their quantiles;
    categories are taken one by one, and missing is a value. What chance shows in 39 of 40 columns is taken off: (f + 2 sqrt(2 f))
    / (2 rows) with f = (values - 1) (classes - 1), because twice the rows times the information of two things that have nothing
    to do with each other has a chi-squared distribution. Each column is looked at alone: one that tells something only together with
    another is dropped, and of two that say the same both are kept. With fewer than 20 training rows all are kept.

    Parameters
    ----------
    threshold : in nats, what the information must be above.
    most : columns that are kept at most: those that tell most.
    bins : of numbers with more values than that.
    price : nats that one unit of cost must bring, where the recipe has ``[costs]``; 0: costs do not matter.

    Source: Wilks (1935), Annals of Mathematical Statistics 6(4), 190, for the distribution.
    """

    name: ClassVar[str] = "select_information"
    takes: ClassVar[frozenset[Kind]] = NUMBERS | CATEGORIES
    gives: ClassVar[Kind | None] = None
    arity: ClassVar[int] = 1
    columnwise: ClassVar[bool] = False
    shifted: ClassVar[Shifted] = "kept"
    bounds: ClassVar[Mapping[str, Bound]] = {
        "threshold": Number(0, 100),
        "most": Whole(1, 1_000_000),
        "bins": Whole(2, 1000),
        "price": Number(0, 1e9),
    }
    ready: ClassVar[bool | None] = None

    def __init__(self, threshold: float = 0.0, most: int = 1_000_000, bins: int = 20, price: float = 0.0) -> None:
        self.threshold, self.most, self.bins, self.price = threshold, most, bins, price

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedSelection:
        (columns,) = inputs
        target = need_target(self.name, target)
        if len(columns) < FEWEST_ROWS:
            return keep_all(columns, "too few rows to tell")
        y = target.values if target.task.is_classification else _cut(target.values, self.bins)
        scores = np.array([information(self._codes(column, columns.form), y) for column in columns.values.T])
        return select(columns, Rule(scores, "tells {} nats of the target", self.threshold, self.most, self.price))

    def _codes(self, column: np.ndarray, form: Form) -> np.ndarray:
        if form is Form.NUMBERS:
            return _cut(column, self.bins)
        return numbered(column)[1]


def information(a: np.ndarray, b: np.ndarray) -> float:
    """Mutual information of two series of codes, in nats, less what chance shows in 39 of 40; never below 0.

    >>> round(information(np.array([0, 0, 1, 1] * 50), np.array([0, 0, 1, 1] * 50)), 3)  # ln 2, less 3.83 / 400
    0.684
    """
    a, b = np.unique(a, return_inverse=True)[1], np.unique(b, return_inverse=True)[1]
    n_a, n_b = int(a.max()) + 1, int(b.max()) + 1
    counts = np.unique(a.astype(np.int64) * n_b + b, return_counts=True)[1]
    found = _entropy(np.bincount(a)) + _entropy(np.bincount(b)) - _entropy(counts)
    free = (n_a - 1) * (n_b - 1)
    return max(0.0, found - (free + 2 * np.sqrt(2 * free)) / (2 * len(a)))


def _entropy(counts: np.ndarray) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def _cut(column: np.ndarray, bins: int) -> np.ndarray:
    """The bin of each number, int64 (n,); missing ones have a bin of their own."""
    missing = np.isnan(column)
    present = column[~missing].astype(np.float64)
    values, codes = np.unique(present, return_inverse=True)
    if len(values) > bins:
        edges = np.unique(np.quantile(present, np.arange(1, bins) / bins))
        codes = np.searchsorted(edges, present, side="right")
    cut = np.full(len(column), -1, np.int64)
    cut[~missing] = codes
    return cut
