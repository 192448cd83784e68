"""Missing numbers filled from the training rows that are most alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.errors import RecipeError
from penstock.features.bounds import Bound, Whole
from penstock.features.doubles import double, doubles, narrowed
from penstock.features.kinds import NUMBERS
from penstock.features.ops import concat, floats, ints, op
from penstock.features.scaled import present
from penstock.features.step import Columns, Shifted, Target

if TYPE_CHECKING:
    from spox import Var

MOST_COLUMNS = 200
FAR = 1e300
"""The distance of two rows that have no column in common."""


@final
class ImputeNearest:
    """Fill a missing value with the mean of its column among the training rows that are nearest in the other columns.

    The distance of two rows is the mean squared difference of the standardised columns that both have (which orders them as
    scikit-learn's KNNImputer does behind its StandardScaler). Only rows that have the missing column count as neighbours, and
    each counts alike. Where no row has a column in common, the fill is the column's mean; a column without values gets 0.

    The model carries rows: the training rows that are kept stand in the graph, number by number, and travel with every bundle.
    Do not use it on personal data. An online row costs some 0.4 ms with 1,000 rows, and more
    where columns are missing in different rows. At most 200 columns.

    Parameters
    ----------
    neighbours : rows that a fill is the mean of.
    rows : training rows that are kept, at most, drawn at random from those that have any value.

    Source: Troyanskaya et al. (2001), Bioinformatics 17(6), 520.
    """

    name: ClassVar[str] = "impute_nearest"
    takes: ClassVar[frozenset[Kind]] = NUMBERS
    gives: ClassVar[Kind | None] = Kind.NUMERIC
    arity: ClassVar[int] = 1
    columnwise: ClassVar[bool] = False
    shifted: ClassVar[Shifted] = "kept"
    carries_rows: ClassVar[bool] = True
    bounds: ClassVar[Mapping[str, Bound]] = {"neighbours": Whole(1, 100), "rows": Whole(1, 10_000)}
    ready: ClassVar[bool] = False

    def __init__(self, neighbours: int = 5, rows: int = 1_000) -> None:
        self.neighbours, self.rows = neighbours, rows

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedImputeNearest:
        (columns,) = inputs
        if len(columns.names) > MOST_COLUMNS:
            raise RecipeError(
                f"'impute_nearest' of {len(columns.names)} columns",
                why=f"with more than {MOST_COLUMNS}, each row takes milliseconds to serve, and all rows are about as far away",
                way_out="give it fewer columns, or use impute(...)",
            )
        scales = np.array([_mean_and_deviation(present(column)) for column in columns.values.T])  # (k, 2)
        useful = np.flatnonzero(~np.isnan(columns.values).all(axis=1))
        if len(useful) > self.rows:
            useful = np.sort(np.random.default_rng(seed).choice(useful, self.rows, replace=False))
        return FittedImputeNearest(columns.names, columns.values[useful], scales[:, 0], scales[:, 1], self.neighbours)


@dataclass(frozen=True)
class FittedImputeNearest:
    """The rows that are kept.

    Attributes
    ----------
    rows : float32, shape (r, k), NaN where missing. mean, scale : float64, shape (k,); scale is never 0.
    """

    names: tuple[str, ...]
    rows: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    neighbours: int

    @property
    def carried_rows(self) -> int:
        """Training rows that stand in the graph."""
        return len(self.rows)

    def emit(self, inputs: Sequence[Var]) -> Var:
        (x,) = inputs
        means = floats(self.mean)
        if len(self.rows) == 0:
            return op.where(op.isnan(x), means, x)
        distances = self._distances(x)  # (n, r)
        blocks, order = [], []
        for donors, columns in _with_the_same_donors(self.rows).items():
            blocks.append(self._fills(distances, np.array(donors, dtype=np.int64), list(columns)))
            order += columns
        fills = concat(blocks)
        if order != sorted(order):
            fills = op.gather(fills, ints(np.argsort(order)), axis=1)
        return op.where(op.isnan(x), fills, x)

    def _distances(self, x: Var) -> Var:
        """Mean squared differences of rows to the rows that are kept, over the columns that both have: (n, r)."""
        missing = op.isnan(x)
        scaled = op.div(op.sub(double(x), doubles(self.mean)), doubles(self.scale))
        scaled = op.where(missing, doubles(0.0), scaled)
        there = op.cast(op.not_(missing), to=np.float64)
        kept_there = (~np.isnan(self.rows)).astype(np.float64)
        kept = np.where(kept_there > 0, (self.rows.astype(np.float64) - self.mean) / self.scale, 0.0)
        # sum over shared columns of (a - b)^2 = a^2 [b there] - 2 a b + [a there] b^2, as one product
        left = op.concat([op.mul(scaled, scaled), scaled, there], axis=1)  # (n, 3k)
        right = np.concatenate([kept_there.T, -2 * kept.T, (kept**2).T])  # (3k, r)
        shared = op.matmul(there, doubles(kept_there.T))
        none = op.equal(shared, doubles(0.0))
        squares = op.div(op.matmul(left, doubles(right)), op.where(none, doubles(1.0), shared))
        return op.where(none, doubles(FAR), squares)

    def _fills(self, distances: Var, donors: np.ndarray, columns: list[int]) -> Var:
        """Means of some columns among the nearest of the rows that have them: float32 (n, len(columns))."""
        if len(donors) == 0:  # the columns' means, from wherever
            donors, values = np.arange(len(self.rows)), np.tile(self.mean[columns], (len(self.rows), 1))
        else:
            values = self.rows[np.ix_(donors, np.array(columns))].astype(np.float64)
        near = distances if len(donors) == len(self.rows) else op.gather(distances, ints(donors), axis=1)
        nearest, places = op.top_k(near, ints([min(self.neighbours, len(donors))]), axis=1, largest=0)
        weights = op.cast(op.less(nearest, doubles(FAR)), to=np.float64)  # 0 for rows without a column in common
        weighted = op.mul(op.gather(doubles(values), places, axis=0), op.unsqueeze(weights, ints([2])))
        total = op.reduce_sum(weighted, ints([1]), keepdims=0)  # (n, columns), of (n, neighbours, columns)
        count = op.reduce_sum(weights, ints([1]), keepdims=1)
        none = op.equal(count, doubles(0.0))
        means = op.div(total, op.where(none, doubles(1.0), count))
        return narrowed(op.where(none, doubles(self.mean[columns]), means))


def _with_the_same_donors(rows: np.ndarray) -> dict[tuple[int, ...], list[int]]:
    """Which rows have a value, and the columns of which that is so: the nearest of them are sought once for all."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for column, there in enumerate((~np.isnan(rows)).T):
        groups.setdefault(tuple(np.flatnonzero(there).tolist()), []).append(column)
    return groups


def _mean_and_deviation(values: np.ndarray) -> tuple[float, float]:
    if len(values) == 0:
        return 0.0, 1.0
    if values.min() == values.max():
        return float(values[0]), 1.0
    return float(values.mean()), float(values.std())
