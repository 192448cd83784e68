"""Numbers in bins that tell the target apart."""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from penstock.errors import RecipeError
from penstock.features.bins import ENCODE, Bins
from penstock.features.bounds import Bound, Number, Whole
from penstock.features.step import Target

MOST_SUMS = 2_000_000
FEWEST_VALUES = 10_000
"""So many distinct values, and as many more as their sums by class stay below `MOST_SUMS`, are each looked at for an edge; of more, neighbours
are taken together, as many rows in each group."""

LEAST_GAIN = 1e-14
"""Of a division, for each row; what is less is rounding. (Targets are counted, or lie between -1 and 1.)"""


@final
class TreeBin(Bins):
    """The bin of each number; bins are the leaves of a decision tree that foretells the target from this column alone.

    The tree divides, time after time, the bin whose division leaves the least impurity (Gini's for classes, squared error for
    numbers), as scikit-learn's trees with `max_leaf_nodes` do, and stops when nothing is gained. Edges lie midway between two
    training values. A number on an edge belongs to the bin above it. A column that says nothing of the target is one bin. Of
    more different values than 2 million, divided by the classes where there are classes (but never fewer than 10,000), neighbours are
    taken together first.

    The bins are learned from the target of the training rows: with small bins, training rows look a little easier than new ones.

    Parameters
    ----------
    bins : number of bins, at most.
    min_rows : training rows that a bin must have; below 1, the share of the rows that have a value.

    Source: Breiman, Friedman, Olshen and Stone (1984), Classification and Regression Trees.
    """

    name: ClassVar[str] = "tree_bin"
    bounds: ClassVar[Mapping[str, Bound]] = {
        "bins": Whole(2, 1_000),
        "min_rows": Number(0, 1e9, low_included=False),
        "encode": ENCODE,
    }

    def __init__(self, bins: int = 10, min_rows: float = 0.01, encode: str = "ordinal") -> None:
        self.bins, self.min_rows, self.encode = bins, min_rows, encode

    def edges(self, column: np.ndarray, target: Target | None) -> np.ndarray:
        if target is None:
            raise RecipeError(
                "'tree_bin' is fitted without a target",
                why="its bins are those that tell the target apart",
                way_out="declare a target under [data] in penstock.toml, or use quantile_bin",
            )
        there = ~np.isnan(column)
        values = column[there].astype(np.float64)
        if len(values) == 0:
            return np.empty(0)
        low, high, group = _grouped(values, _most_values(target))
        rows, sums = _sums_by_group(group, len(low), target, there)
        least = math.ceil(self.min_rows * len(values)) if self.min_rows < 1 else math.ceil(self.min_rows)
        cuts = _grow(rows, sums, self.bins, least)
        return np.array([(high[cut - 1] + low[cut]) / 2 for cut in cuts])


@dataclass(frozen=True, order=True)
class _Division:
    """The best division of the groups from `start` to `stop`: minus what it gains, so that the heap gives the best first."""

    loss: float
    start: int
    stop: int
    cut: int


def _most_values(target: Target) -> int:
    n_classes = int(target.values.max()) + 1 if target.task.is_classification else 1
    return max(FEWEST_VALUES, MOST_SUMS // n_classes)


def _grouped(values: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Smallest and largest value of each group, rising, and the group of each row."""
    distinct, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    if len(distinct) <= most:
        return distinct, distinct, group
    wide = (np.cumsum(counts) - counts) * most // len(values)  # of each distinct value
    first = np.flatnonzero(np.diff(wide, prepend=-1))
    last = np.append(first[1:], len(distinct)) - 1
    return distinct[first], distinct[last], np.searchsorted(first, group, side="right") - 1


def _sums_by_group(
    group: np.ndarray, n_groups: int, target: Target, there: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of each group, the rows, and the sums of the target: rows of each class (n_groups, n_classes), or (n_groups, 1)."""
    y = target.values[there]
    rows = np.bincount(group, minlength=n_groups).astype(np.float64)
    if not target.task.is_classification:
        centred = y.astype(np.float64) - y.mean()
        unit = float(np.abs(centred).max()) or 1.0
        return rows, np.bincount(group, weights=centred / unit, minlength=n_groups)[:, None]
    n_classes = int(y.max()) + 1
    sums = np.bincount(group * n_classes + y.astype(np.int64), minlength=n_groups * n_classes)
    return rows, sums.reshape(n_groups, n_classes).astype(np.float64)


def _grow(rows: np.ndarray, sums: np.ndarray, bins: int, least: int) -> list[int]:
    """The groups before which there is an edge, rising."""
    cuts: list[int] = []
    waiting: list[_Division] = []

    def look(start: int, stop: int) -> None:
        division = _best(rows, sums, start, stop, least)
        if division is not None:
            heapq.heappush(waiting, division)

    look(0, len(rows))
    while waiting and len(cuts) < bins - 1:
        best = heapq.heappop(waiting)
        cuts.append(best.cut)
        look(best.start, best.cut)
        look(best.cut, best.stop)
    return sorted(cuts)


def _best(rows: np.ndarray, sums: np.ndarray, start: int, stop: int, least: int) -> _Division | None:
    """Both criteria fall by the rise of sum(sums^2) / rows; None where nothing is gained."""
    if stop - start < 2:
        return None
    left_rows, left = np.cumsum(rows[start:stop]), np.cumsum(sums[start:stop], axis=0)
    n_rows, total = left_rows[-1], left[-1]
    left_rows, left = left_rows[:-1], left[:-1]
    right_rows = n_rows - left_rows
    together = float((total**2).sum() / n_rows)
    apart = (left**2).sum(axis=1) / left_rows + ((total - left) ** 2).sum(axis=1) / right_rows
    apart[(left_rows < least) | (right_rows < least)] = -np.inf
    cut = int(apart.argmax())
    gain = float(apart[cut]) - together
    if gain <= LEAST_GAIN * n_rows:
        return None
    return _Division(-gain, start, stop, start + 1 + cut)
