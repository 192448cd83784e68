"""Random forests (Breiman 2001) and extremely randomised trees (Geurts et al. 2006) by scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from penstock.bundle.kinds import Task
from penstock.features.constants import const
from penstock.features.tail import TREES, Tail
from penstock.learning.learner import Advice, Choice, Deadline, Float, Int, Params, Progress, Shape, Space
from penstock.learning.learners.weighting import balanced

if TYPE_CHECKING:
    from spox import Var

    from penstock.learning.learner import Features

MAX_LEAVES = 100_000
"""Leaves of a whole forest: about 8 MB in the graph, and 0.1 s to load."""
TREES_AT_ONCE = 10
LARGEST = float(np.finfo(np.float32).max)


class Forest:
    """Averages of deep trees, each grown on its own draw of rows and features.

    A forest says 0 or 1 where all its trees agree, which no count of trees can prove. Its probabilities are therefore
    drawn towards equal shares by one tree's worth: ``p (1 - 1/T) + 1/(T K)`` for T trees and K classes.
    """

    name: ClassVar[str] = "forest"
    tasks: ClassVar[frozenset[Task]] = frozenset(Task)
    takes_missing: ClassVar[bool] = True
    slow_imports: ClassVar[tuple[str, ...]] = ("sklearn.ensemble",)

    def advise(self, shape: Shape) -> Advice:
        if shape.sparse or shape.n_features > 2_000:
            return Advice(False, f"{shape.n_features} features: each split would look at few of the useful ones")
        if shape.n_rows * shape.n_scores > 1_000_000:
            return Advice(
                False, f"{shape.n_rows} rows: within the size a graph may have, its trees would be too coarse"
            )
        return Advice(True, "hard to overfit, and differs from boosting in its mistakes")

    def tail(self, task: Task) -> Tail:
        return TREES

    def space(self, shape: Shape) -> Space:
        usual = 1.0 / 3.0 if shape.task is Task.REGRESSION else max(0.1, shape.n_features**-0.5)
        dimensions: dict[str, Int | Float | Choice] = {
            "kind": Choice(("random", "extra"), default="random"),
            "n_estimators": Int(30, 300, default=100, log=True),
            "max_features": Float(0.1, 1.0, default=round(min(1.0, usual), 3)),
            "min_samples_leaf": Int(1, 50, default=2, log=True),
        }
        if shape.task.is_classification:
            dimensions["balance"] = Choice(("none", "balanced"), default="none")
        return Space(
            dimensions, starts=[{"kind": "extra", "max_features": 0.5, "min_samples_leaf": 1, "n_estimators": 40}]
        )

    def fit(
        self,
        X: Features,
        y: np.ndarray,
        *,
        shape: Shape,
        params: Params,
        weights: np.ndarray | None = None,
        budget: Deadline | None = None,
        seed: int = 0,
        threads: int = 1,
        progress: Progress | None = None,
    ) -> FittedForest:
        """As `Learner.fit`; `params` may hold ``max_leaf_nodes``, else it follows from the size a forest may have."""
        known = {k: v for k, v in params.items() if k not in ("max_leaf_nodes", "n_estimators")}
        full = self.space(shape).complete(known)
        n_trees = int(params.get("n_estimators", full["n_estimators"]))
        max_leaf_nodes = int(params.get("max_leaf_nodes", max(2, MAX_LEAVES // n_trees)))
        if full.get("balance") == "balanced":
            weights = balanced(y, shape.n_classes) * (1.0 if weights is None else weights)
        model = _estimator(shape.task, full["kind"])(
            max_features=float(full["max_features"]),
            min_samples_leaf=int(full["min_samples_leaf"]),
            max_leaf_nodes=max_leaf_nodes,
            random_state=seed,
            n_jobs=threads,
            warm_start=True,
        )
        dense = _finite(X)
        for grown in range(TREES_AT_ONCE, n_trees + TREES_AT_ONCE, TREES_AT_ONCE):
            model.set_params(n_estimators=min(grown, n_trees))
            model.fit(dense, y, sample_weight=weights)
            if progress is not None:
                progress(len(model.estimators_), float("nan"))
            if budget is not None and budget.expired:
                break
        model.set_params(n_jobs=1)
        kept = {**full, "n_estimators": len(model.estimators_), "max_leaf_nodes": max_leaf_nodes}
        return FittedForest(model, shape, kept)


def _estimator(task: Task, kind: object) -> Any:
    from sklearn import ensemble

    name = ("ExtraTrees" if kind == "extra" else "RandomForest") + (
        "Classifier" if task.is_classification else "Regressor"
    )
    return getattr(ensemble, name)


def _finite(X: Any) -> np.ndarray:
    """Dense, and infinite values held at the largest float32 (scikit-learn refuses them); NaN stays."""
    dense = X.toarray() if hasattr(X, "toarray") else X
    return dense if np.isfinite(dense).all() else np.clip(dense, -LARGEST, LARGEST)


@dataclass(frozen=True)
class FittedForest:
    """Fitted trees of scikit-learn."""

    model: Any
    shape: Shape
    params: Params

    @property
    def _doubt(self) -> float:
        return 1.0 / len(self.model.estimators_)

    def predict(self, X: Features) -> np.ndarray:
        dense = _finite(X)
        with np.errstate(over="ignore", invalid="ignore"):  # scikit-learn adds up all of X to see whether it is finite
            if self.shape.task is Task.REGRESSION:
                return self.model.predict(dense)[:, None]
            told = self.model.predict_proba(dense)
        p = np.zeros((len(dense), self.shape.n_classes))
        p[:, self.model.classes_] = told
        return p * (1.0 - self._doubt) + self._doubt / self.shape.n_classes

    def emit(self, x: Var) -> Var:
        import spox.opset.ai.onnx.v21 as op

        from penstock.learning.trees import from_sklearn

        trees = self.model.estimators_
        answer = from_sklearn(trees, [self._leaf_values(tree.tree_.value[:, 0, :]) for tree in trees]).emit(x)
        if self.shape.task is Task.REGRESSION:
            return answer
        certain, equal = np.float32(1.0 - self._doubt), np.float32(self._doubt / self.shape.n_classes)
        return op.add(op.mul(answer, const(certain)), const(equal))

    def _leaf_values(self, value: np.ndarray) -> np.ndarray:
        """What each node of a tree answers: (n_nodes, n_classes seen) shares or counts, or (n_nodes, 1) means."""
        if self.shape.task is Task.REGRESSION:
            return value
        p = np.zeros((len(value), self.shape.n_classes))
        p[:, self.model.classes_] = value / value.sum(axis=1, keepdims=True)
        return p

    def importance(self) -> np.ndarray:
        return np.asarray(self.model.feature_importances_, np.float64)
