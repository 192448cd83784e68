"""The one way in which every ensemble of trees enters the graph: ai.onnx.ml TreeEnsembleRegressor.

A split reads ``x[feature] <= threshold``. Trees are grown with thresholds in double precision while the graph compares
float32. Rounding a threshold *down* to float32 keeps every answer: for a float32 x, x <= t holds exactly where
x <= max{f in float32: f <= t} holds. Rounding to nearest, as public converters do, moves x across the split where x is
the float32 just above t.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from spox import Var

_CATEGORICAL, _DEFAULT_LEFT = 1, 2  # bits of LightGBM's decision_type; the two above them tell the kind of missing
_MISSING_NONE, _MISSING_ZERO, _MISSING_NAN = 0, 1, 2


def round_down(threshold: np.ndarray) -> np.ndarray:
    """The largest float32 that is not above each threshold.

    >>> bool(round_down(np.array([0.1]))[0] <= 0.1)
    True
    """
    with np.errstate(over="ignore"):
        nearest = threshold.astype(np.float32)
        below = np.nextafter(nearest, np.float32(-np.inf))
    return np.where(nearest.astype(np.float64) > threshold, below, nearest)


@dataclass(frozen=True, slots=True)
class Tree:
    """One tree. Inner nodes are numbered from 0 (the root); a child c < 0 is the leaf ``-c - 1`` (``~c``)."""

    feature: np.ndarray  # int64 (n_splits,)
    threshold: np.ndarray  # float64 (n_splits,): left where x <= threshold
    left: np.ndarray  # int64 (n_splits,)
    right: np.ndarray  # int64 (n_splits,)
    missing_left: np.ndarray  # bool (n_splits,): where NaN goes
    leaves: np.ndarray  # float64 (n_leaves, n_outputs)


@dataclass(frozen=True, slots=True)
class TreeEnsemble:
    """The sum of trees.

    There is no base score: onnxruntime (1.31) leaves it out of outputs that no leaf reached.
    """

    trees: Sequence[Tree]
    n_outputs: int

    @property
    def n_nodes(self) -> int:
        return sum(len(tree.feature) + len(tree.leaves) for tree in self.trees)

    def emit(self, x: Var) -> Var:
        """Float32 (n, n_outputs) from float32 (n, d)."""
        import spox.opset.ai.onnx.ml.v3 as ml

        parts = [_nodes(number, tree) for number, tree in enumerate(self.trees)]
        attributes: dict[str, Any] = {name: [v for part in parts for v in part[name]] for name in parts[0]}
        return ml.tree_ensemble_regressor(
            x,
            n_targets=self.n_outputs,
            **attributes,
        )


def _nodes(number: int, tree: Tree) -> dict[str, list[Any]]:
    """The attributes of one tree: inner nodes keep their numbers, leaf i becomes node ``n_splits + i``."""
    n_splits, n_leaves = len(tree.feature), len(tree.leaves)
    n_nodes = n_splits + n_leaves
    no_leaf = np.zeros(n_leaves, np.int64)
    weights = tree.leaves.astype(np.float32)
    told = weights != 0  # a class that a leaf says nothing of costs nothing
    told[~told.any(axis=1), 0] = True  # but each leaf must say something
    leaf, output = np.nonzero(told)

    def numbered(child: np.ndarray) -> np.ndarray:
        return np.where(child < 0, n_splits + ~child, child)

    return {
        "nodes_treeids": [number] * n_nodes,
        "nodes_nodeids": list(range(n_nodes)),
        "nodes_featureids": np.concatenate([tree.feature, no_leaf]).tolist(),
        "nodes_modes": ["BRANCH_LEQ"] * n_splits + ["LEAF"] * n_leaves,
        "nodes_values": np.concatenate([round_down(tree.threshold), no_leaf.astype(np.float32)]).tolist(),
        "nodes_truenodeids": np.concatenate([numbered(tree.left), no_leaf]).tolist(),
        "nodes_falsenodeids": np.concatenate([numbered(tree.right), no_leaf]).tolist(),
        "nodes_missing_value_tracks_true": np.concatenate([tree.missing_left.astype(np.int64), no_leaf]).tolist(),
        "target_treeids": [number] * len(leaf),
        "target_nodeids": (n_splits + leaf).tolist(),
        "target_ids": output.tolist(),
        "target_weights": weights[told].tolist(),
    }


def from_lightgbm(model_text: str, n_outputs: int) -> TreeEnsemble:
    """The raw scores of a LightGBM booster, from its own text format (``Booster.model_to_string()``).

    Tree i adds to output ``i % n_outputs``. The starting score is inside the leaves of the first trees.

    NaN follows LightGBM's ``Tree::NumericalDecision``: where the split has no missing type, NaN is taken as 0.0; else it
    goes to the default side. Source: LightGBM, include/LightGBM/tree.h.

    Raises
    ------
    ValueError : the trees use categorical splits, linear leaves, or zero as missing, which Penstock never asks for.
    """
    trees = []
    for number, block in enumerate(_lightgbm_blocks(model_text)):
        values = np.array(block["leaf_value"].split(), np.float64)
        leaves = np.zeros((len(values), n_outputs))
        leaves[:, number % n_outputs] = values
        if len(values) == 1:
            trees.append(_leaf(leaves))
            continue
        decision = np.array(block["decision_type"].split(), np.int64)
        missing_type = (decision >> 2) & 3
        if (decision & _CATEGORICAL).any() or (missing_type == _MISSING_ZERO).any() or block.get("is_linear") == "1":
            raise ValueError("categorical splits, zero as missing and linear leaves have no exact counterpart here")
        threshold = np.array(block["threshold"].split(), np.float64)
        default_left = (decision & _DEFAULT_LEFT) > 0
        trees.append(
            Tree(
                feature=np.array(block["split_feature"].split(), np.int64),
                threshold=threshold,
                left=np.array(block["left_child"].split(), np.int64),
                right=np.array(block["right_child"].split(), np.int64),
                missing_left=np.where(missing_type == _MISSING_NAN, default_left, threshold >= 0.0),
                leaves=leaves,
            )
        )
    return TreeEnsemble(trees or [_leaf(np.zeros((1, n_outputs)))], n_outputs)


def _lightgbm_blocks(model_text: str) -> Iterator[dict[str, str]]:
    """The ``key=value`` lines of each tree."""
    trees, _, _ = model_text.partition("\nend of trees")
    for block in trees.split("\nTree=")[1:]:
        yield dict(line.split("=", 1) for line in block.splitlines()[1:] if "=" in line)


def _leaf(leaves: np.ndarray) -> Tree:
    empty = np.zeros(0, np.int64)
    return Tree(empty, np.zeros(0), empty, empty, np.zeros(0, bool), leaves)


def from_sklearn(estimators: Sequence[Any], leaf_values: Sequence[np.ndarray]) -> TreeEnsemble:
    """The mean over scikit-learn trees.

    Parameters
    ----------
    estimators : fitted DecisionTree*/ExtraTree*.
    leaf_values : for each tree, float64 (n_nodes, n_outputs): what each of its nodes answers as a leaf.
    """
    n_trees = len(estimators)
    trees = [_sklearn_tree(e.tree_, values / n_trees) for e, values in zip(estimators, leaf_values, strict=True)]
    return TreeEnsemble(trees, leaf_values[0].shape[1])


def _sklearn_tree(tree: Any, values: np.ndarray) -> Tree:
    """scikit-learn numbers splits and leaves together, the root first; a leaf has no left child (-1)."""
    left, right = np.asarray(tree.children_left, np.int64), np.asarray(tree.children_right, np.int64)
    split = left >= 0
    number = np.where(split, np.cumsum(split) - 1, ~(np.cumsum(~split) - 1))  # new number of each node
    return Tree(
        feature=np.asarray(tree.feature, np.int64)[split],
        threshold=np.asarray(tree.threshold, np.float64)[split],
        left=number[left[split]],
        right=number[right[split]],
        missing_left=np.asarray(tree.missing_go_to_left, bool)[split],
        leaves=values[~split],
    )
