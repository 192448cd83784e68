"""The baseline that every model must beat: class shares, or the mean. It looks at no feature."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from penstock.bundle.kinds import Task
from penstock.features.constants import const
from penstock.features.tail import TREES, Tail
from penstock.learning.learner import Advice, Deadline, Params, Progress, Shape, Space

if TYPE_CHECKING:
    from spox import Var

    from penstock.learning.learner import Features


class Dummy:
    """Answers every row with the shares of the classes among the training rows, or with their mean target."""

    name: ClassVar[str] = "dummy"
    tasks: ClassVar[frozenset[Task]] = frozenset(Task)
    takes_missing: ClassVar[bool] = True
    slow_imports: ClassVar[tuple[str, ...]] = ()

    def advise(self, shape: Shape) -> Advice:
        return Advice(True, "the baseline is always there")

    def tail(self, task: Task) -> Tail:
        return TREES

    def space(self, shape: Shape) -> Space:
        return Space()

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
    ) -> FittedConstant:
        self.space(shape).complete(params)
        return constant_of(y, shape, n_features=X.shape[1], weights=weights)


def constant_of(y: np.ndarray, shape: Shape, *, n_features: int, weights: np.ndarray | None = None) -> FittedConstant:
    """The constant with the least log loss, or the least squared error."""
    if shape.task.is_classification:
        counts = np.bincount(y, weights=weights, minlength=shape.n_classes).astype(np.float64)
        return FittedConstant(counts / counts.sum(), n_features)
    return FittedConstant(np.array([np.average(y, weights=weights)]), n_features)


@dataclass(frozen=True)
class FittedConstant:
    """The same answer for every row."""

    answer: np.ndarray  # float64 (K,), or (1,) for regression
    n_features: int
    params: Params = field(default_factory=dict)

    def predict(self, X: Features) -> np.ndarray:
        return np.tile(self.answer, (X.shape[0], 1))

    def emit(self, x: Var) -> Var:
        import spox.opset.ai.onnx.v21 as op

        n_rows = op.shape(x, start=0, end=1)
        shape = op.concat([n_rows, const(np.array([len(self.answer)], np.int64))], axis=0)
        return op.expand(const(self.answer.astype(np.float32)[None, :]), shape)

    def importance(self) -> np.ndarray:
        return np.zeros(self.n_features)
