"""Missing numbers filled with what is usual among rows of the same group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.bundle.packing import FLOAT32_MAX
from penstock.errors import RecipeError
from penstock.features.bounds import Bound, OneOf, Whole
from penstock.features.kinds import NUMBERS
from penstock.features.ops import floats, ints, op
from penstock.features.scaled import present
from penstock.features.step import Columns, Shifted, Target
from penstock.features.thresholds import Leaf, Thresholds, emit_thresholds

if TYPE_CHECKING:
    from spox import Var

MOST_GROUPS = 1_000_000
"""Combinations of the groups' values, counted with those that do not occur: they are a table in the graph."""


@final
class ImputeByGroup:
    """Fill missing values of each column with one value learned from the training rows of the same group.

    The second argument says the group, by numbers that are exactly equal: ``impute_by_group(age, ordinal(job))``, or
    ``impute_by_group(income, group(ordinal(job), quantile_bin(age, 5)))`` for each combination. A missing number is a value of
    its own there. Rows of a group that was not seen in training, or that has too few values, get the value of all training rows;
    a column without any value is filled with 0.

    Parameters
    ----------
    strategy : "mean", "median" or "mode" (the most frequent value; of equally frequent ones the smallest).
    min_rows : values that a group must have in a column for a fill of its own.
    """

    name: ClassVar[str] = "impute_by_group"
    takes: ClassVar[frozenset[Kind]] = NUMBERS
    gives: ClassVar[Kind | None] = Kind.NUMERIC
    arity: ClassVar[int] = 2
    columnwise: ClassVar[bool] = False
    shifted: ClassVar[Shifted] = "kept"
    bounds: ClassVar[Mapping[str, Bound]] = {
        "strategy": OneOf(("median", "mean", "mode")),
        "min_rows": Whole(1, 1_000_000_000),
    }
    ready: ClassVar[bool] = False

    def __init__(self, strategy: str = "median", min_rows: int = 5) -> None:
        self.strategy, self.min_rows = strategy, min_rows

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedImputeByGroup:
        columns, by = inputs
        known = [_distinct(column) for column in by.values.T]
        sizes = [len(values) + 2 for values in known]  # 0: not seen in training; 1: missing
        n_combinations = int(np.prod(sizes, dtype=np.float64))
        if n_combinations > MOST_GROUPS:
            raise RecipeError(
                f"'impute_by_group' by {', '.join(by.names)} has {n_combinations:,} combinations of groups",
                why=f"more than {MOST_GROUPS:,} make a large graph, and few of them would have rows",
                way_out="group by fewer columns, by quantile_bin(...), or by ordinal(..., max_categories=50)",
            )
        strides = np.cumprod([1, *sizes[:-1]])
        place = sum(_codes(c, v) * s for c, v, s in zip(by.values.T, known, strides, strict=True))
        groups, row_group = np.unique(place, return_inverse=True)
        usual = np.array([self._usual(present(column)) for column in columns.values.T])
        fills = np.tile(usual, (len(groups) + 1, 1))  # the last one: of a group that was not seen
        starts = np.searchsorted(np.sort(row_group), np.arange(len(groups) + 1))
        in_order = columns.values[np.argsort(row_group, kind="stable")]
        for group, (start, stop) in enumerate(pairwise(starts)):
            for j, column in enumerate(in_order[start:stop].T):
                values = present(column)
                if len(values) >= self.min_rows:
                    fills[group, j] = self._usual(values)
        table = np.full(n_combinations, len(groups))
        table[groups] = np.arange(len(groups))
        trees = tuple(_tree(v, int(s)) for v, s in zip(known, strides, strict=True))
        return FittedImputeByGroup(columns.names, trees, table, fills.astype(np.float32))

    def _usual(self, values: np.ndarray) -> float:
        if len(values) == 0:
            return 0.0
        if self.strategy == "mean":
            return float(values.mean())
        if self.strategy == "mode":
            distinct, counts = np.unique(values, return_counts=True)
            return float(distinct[counts.argmax()])
        return float(np.median(values))


@dataclass(frozen=True)
class FittedImputeByGroup:
    """What each group is filled with.

    Attributes
    ----------
    trees : for each column of groups, what each of its values adds to the number of the combination.
    table : the group of each combination, shape (n_combinations,); the last group for those that were not seen.
    fills : float32, shape (n_groups, k).
    """

    names: tuple[str, ...]
    trees: tuple[Thresholds, ...]
    table: np.ndarray
    fills: np.ndarray

    def emit(self, inputs: Sequence[Var]) -> Var:
        x, by = inputs
        combination = op.cast(emit_thresholds(by, self.trees, 1), to=np.int64)  # (n, 1)
        group = op.squeeze(op.gather(ints(self.table), combination), ints([1]))  # (n,)
        return op.where(op.isnan(x), op.gather(floats(self.fills), group), x)


def _distinct(column: np.ndarray) -> np.ndarray:
    """float32, rising, each once, without NaN."""
    distinct: np.ndarray = np.unique(column[~np.isnan(column)])
    return distinct


def _codes(column: np.ndarray, known: np.ndarray) -> np.ndarray:
    """1 for a missing value, 2 for the smallest known one, and so on."""
    return np.where(np.isnan(column), 1, np.searchsorted(known, column) + 2)


def _tree(known: np.ndarray, stride: int) -> Thresholds:
    """Each known value is an interval that holds no other float32; between two of them nothing is known, which adds 0."""
    codes = {float(value): (i + 2) * stride for i, value in enumerate(known)}
    after = np.nextafter(known[known < FLOAT32_MAX], np.float32(np.inf))
    edges = np.unique(np.concatenate([known, after]).astype(np.float64))
    edges = edges[edges > -FLOAT32_MAX]  # nothing is smaller
    leaves: list[Leaf] = [(0, float(codes.get(low, 0))) for low in (-FLOAT32_MAX, *edges.tolist())]
    return Thresholds(edges, leaves, (0, float(stride)))
