"""Which of many intervals a number lies in, found by halving: a tree of comparisons for each column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from penstock.features.ops import ml

if TYPE_CHECKING:
    from spox import Var

Leaf = tuple[int, float]
"""An output, and what is added to it."""

_LESS_OR_EQUAL = 0


@dataclass(frozen=True)
class Thresholds:
    """The intervals of one column.

    Attributes
    ----------
    edges : float64, increasing, shape (m,). Interval i holds edges[i-1] <= x < edges[i].
    leaves : for each of the m + 1 intervals, what it adds to which output.
    missing : the same for NaN; None adds nothing.
    """

    edges: np.ndarray
    leaves: Sequence[Leaf]
    missing: Leaf | None


def emit_thresholds(x: Var, columns: Sequence[Thresholds], n_outputs: int) -> Var:
    """Sums of what the intervals of x, (n, k), add: float32 (n, n_outputs). Exact for whole numbers below 2**24."""
    trees = _Trees()
    for j, column in enumerate(columns):
        trees.add(j, column)
    return ml.tree_ensemble(
        x,
        n_targets=n_outputs,
        aggregate_function=1,
        post_transform=0,
        tree_roots=trees.roots,
        nodes_featureids=trees.features,
        nodes_splits=np.array(trees.splits, dtype=np.float32),
        nodes_modes=np.full(len(trees.splits), _LESS_OR_EQUAL, dtype=np.uint8),
        nodes_truenodeids=[child for child, _ in trees.true],
        nodes_trueleafs=[int(leaf) for _, leaf in trees.true],
        nodes_falsenodeids=[child for child, _ in trees.false],
        nodes_falseleafs=[int(leaf) for _, leaf in trees.false],
        leaf_targetids=[output for output, _ in trees.leaves],
        leaf_weights=np.array([weight for _, weight in trees.leaves], dtype=np.float32),
    )


Child = tuple[int, bool]
"""A node or leaf by number, and whether it is a leaf."""


@dataclass
class _Trees:
    roots: list[int] = field(default_factory=list)
    features: list[int] = field(default_factory=list)
    splits: list[float] = field(default_factory=list)
    true: list[Child] = field(default_factory=list)
    false: list[Child] = field(default_factory=list)
    leaves: list[Leaf] = field(default_factory=list)

    def add(self, feature: int, column: Thresholds) -> None:
        """The root asks x <= inf, which is false for NaN only."""
        root = self._node(feature, np.inf)
        self.roots.append(root)
        # x < edge for a float32 x is x <= the largest float32 below the edge
        below = _float32_below(column.edges)
        self.true[root] = self._halve(feature, below, column.leaves)
        self.false[root] = self._leaf(column.missing or (column.leaves[0][0], 0.0))

    def _halve(self, feature: int, splits: np.ndarray, leaves: Sequence[Leaf]) -> Child:
        if len(splits) == 0:
            return self._leaf(leaves[0])
        middle = len(splits) // 2
        node = self._node(feature, splits[middle])
        self.true[node] = self._halve(feature, splits[:middle], leaves[: middle + 1])
        self.false[node] = self._halve(feature, splits[middle + 1 :], leaves[middle + 1 :])
        return node, False

    def _node(self, feature: int, split: float) -> int:
        self.features.append(feature)
        self.splits.append(float(split))
        self.true.append((0, True))
        self.false.append((0, True))
        return len(self.splits) - 1

    def _leaf(self, leaf: Leaf) -> Child:
        self.leaves.append(leaf)
        return len(self.leaves) - 1, True


def _float32_below(edges: np.ndarray) -> np.ndarray:
    """The largest float32 that is smaller than each float64 edge."""
    nearest = edges.astype(np.float32)
    return np.where(nearest.astype(np.float64) < edges, nearest, np.nextafter(nearest, np.float32(-np.inf)))
