"""Columns that vary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, final

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.features.bounds import Bound, Number, Whole
from penstock.features.kinds import NUMBERS
from penstock.features.selection import FittedSelection, Rule, select
from penstock.features.step import Columns, Shifted, Target


@final
class SelectVariance:
    """Keep the columns whose variance in the training rows is above a threshold; the others are not asked for any more.

    The variance divides by n and leaves missing values out. It is in the square of the column's unit: with a threshold other
    than 0, bring columns to one scale first (`min_max`; `standardise` makes all variances 1).

    Parameters
    ----------
    threshold : what a variance must be above; 0 drops columns of one value.
    most : columns that are kept at most: those with the largest variance.
    """

    name: ClassVar[str] = "select_variance"
    takes: ClassVar[frozenset[Kind]] = NUMBERS
    gives: ClassVar[Kind | None] = Kind.NUMERIC
    arity: ClassVar[int] = 1
    columnwise: ClassVar[bool] = False
    shifted: ClassVar[Shifted] = "kept"
    bounds: ClassVar[Mapping[str, Bound]] = {"threshold": Number(0, 1e30), "most": Whole(1, 1_000_000)}
    ready: ClassVar[bool | None] = None

    def __init__(self, threshold: float = 0.0, most: int = 1_000_000) -> None:
        self.threshold, self.most = threshold, most

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedSelection:
        (columns,) = inputs
        scores = np.array([_variance(column) for column in columns.values.T])
        return select(columns, Rule(scores, "variance {}", self.threshold, self.most))


def _variance(column: np.ndarray) -> float:
    present = column[~np.isnan(column)].astype(np.float64)
    return float(present.var()) if len(present) and present.min() < present.max() else 0.0
