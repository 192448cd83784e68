"""Which of many intervals a number lies in, found by halving: a tree of comparisons for each column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from spox import Var

Leaf = tuple[int, float]
"""An output, and what is added to it."""


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
    """Sums of what the intervals of x, (n, k), add: float32 (n, n_outputs). Exact for whole numbers below 2**24.

    The operator is that of the learners: the later `TreeEnsemble` may not stand in one graph with `TreeEnsembleRegressor`.
    """
    import spox.opset.ai.onnx.ml.v3 as ml

    trees = _Trees()
    for j, column in enumerate(columns):
        trees.add(j, column)
    return ml.tree_ensemble_regressor(
        x,
        n_targets=n_outputs,
        nodes_treeids=trees.tree,
        nodes_nodeids=trees.number,
        nodes_featureids=trees.feature,
        nodes_modes=trees.mode,
        nodes_values=trees.split,
        nodes_truenodeids=trees.true,
        nodes_falsenodeids=trees.false,
        nodes_missing_value_tracks_true=[0] * len(trees.tree),
        target_treeids=[tree for tree, _, _ in trees.leaves],
        target_nodeids=[node for _, node, _ in trees.leaves],
        target_ids=[output for _, _, (output, _) in trees.leaves],
        target_weights=[weight for _, _, (_, weight) in trees.leaves],
    )


@dataclass
class _Trees:
    """Nodes of all trees as the operator takes them: a tree for each column, whose nodes are numbered from 0."""

    tree: list[int] = field(default_factory=list)
    number: list[int] = field(default_factory=list)
    feature: list[int] = field(default_factory=list)
    mode: list[str] = field(default_factory=list)
    split: list[float] = field(default_factory=list)
    true: list[int] = field(default_factory=list)
    false: list[int] = field(default_factory=list)
    leaves: list[tuple[int, int, Leaf]] = field(default_factory=list)  # tree, node, what it adds

    def add(self, feature: int, column: Thresholds) -> None:
        """The root asks x <= inf, which is false for NaN only."""
        first = len(self.tree)
        self._node(first, feature, np.inf)
        # x < edge for a float32 x is x <= the largest float32 below the edge
        self.true[first] = self._halve(first, feature, _float32_below(column.edges), column.leaves)
        self.false[first] = self._leaf(first, feature, column.missing or (column.leaves[0][0], 0.0))

    def _halve(self, first: int, feature: int, splits: np.ndarray, leaves: Sequence[Leaf]) -> int:
        if len(splits) == 0:
            return self._leaf(first, feature, leaves[0])
        middle = len(splits) // 2
        node = self._node(first, feature, splits[middle])
        self.true[first + node] = self._halve(first, feature, splits[:middle], leaves[: middle + 1])
        self.false[first + node] = self._halve(first, feature, splits[middle + 1 :], leaves[middle + 1 :])
        return node

    def _leaf(self, first: int, feature: int, leaf: Leaf) -> int:
        node = self._node(first, feature, 0.0, "LEAF")
        self.leaves.append((feature, node, leaf))
        return node

    def _node(self, first: int, feature: int, split: float, mode: str = "BRANCH_LEQ") -> int:
        """The number within its tree, which is named after the column."""
        self.tree.append(feature)
        self.number.append(len(self.number) - first)
        self.feature.append(feature)
        self.mode.append(mode)
        self.split.append(float(split))
        self.true.append(0)
        self.false.append(0)
        return self.number[-1]


def _float32_below(edges: np.ndarray) -> np.ndarray:
    """The largest float32 that is smaller than each float64 edge."""
    nearest = edges.astype(np.float32)
    return np.where(nearest.astype(np.float64) < edges, nearest, np.nextafter(nearest, np.float32(-np.inf)))
