"""A model: fitted recipe, learner and calibration, in NumPy and in one graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from penstock.bundle.frame import Frame
from penstock.bundle.kinds import Task
from penstock.bundle.packing import Layout
from penstock.learning.calibrate import Calibrator
from penstock.learning.learner import FittedLearner

if TYPE_CHECKING:
    from spox import Var

    from penstock.features.costs import Costs
    from penstock.learning.learner import Features


class Preparation(Protocol):
    """What turns packed inputs into features: a `FittedRecipe`, or `NoFeatures`."""

    @property
    def layout(self) -> Layout: ...

    @property
    def names(self) -> Sequence[str]: ...

    @property
    def costs(self) -> Costs | None:
        """Of the inputs of one prediction; None where nothing is known of it."""
        ...

    def emit(self, inputs: Mapping[str, Var]) -> Var: ...

    def transform(self, frame: Frame) -> Features: ...


@dataclass(frozen=True)
class NoFeatures:
    """What the baseline sees: that there are rows."""

    layout: Layout
    names: tuple[str, ...] = ()
    costs: Costs | None = None

    def emit(self, inputs: Mapping[str, Var]) -> Var:
        return next(iter(inputs.values()))

    def transform(self, frame: Frame) -> np.ndarray:
        return np.zeros((len(frame), 0), np.float32)


@dataclass(frozen=True)
class Model:
    """From packed inputs to calibrated probabilities, or to the standardised target."""

    task: Task
    preparation: Preparation
    learner: FittedLearner
    calibrator: Calibrator

    @property
    def layout(self) -> Layout:
        return self.preparation.layout

    @property
    def output(self) -> str:
        """Name of the graph's output."""
        return "probabilities" if self.task.is_classification else "value"

    def emit(self, inputs: Mapping[str, Var]) -> Var:
        """Float32 (n, K) or (n, 1), from the packed inputs by name."""
        answer = self.learner.emit(self.preparation.emit(inputs))
        return self.calibrator.emit(answer) if self.task.is_classification else answer

    def onnx(self) -> bytes:
        """The whole model: packed inputs -> ``probabilities`` or ``value``. The same fit gives the same bytes."""
        import spox

        from penstock.features.graph import packed_arguments

        inputs = packed_arguments(self.layout)
        proto = spox.build(inputs, {self.output: self.emit(inputs)})
        proto.producer_name, proto.producer_version = "penstock", ""
        data: bytes = proto.SerializeToString(deterministic=True)
        return data

    def answer(self, frame: Frame) -> np.ndarray:
        """The learner's own answer, float64, without its graph (the features are the graph's): for the parity gate."""
        own = self.learner.predict(self.preparation.transform(frame))
        return self.calibrator.apply(own) if self.task.is_classification else own

    def importance(self) -> dict[str, float]:
        """Share of each input column in the model's decisions, the greatest first; empty for the baseline.

        Features are counted for the column whose name they begin with; those of no single column under their own name.
        """
        columns = sorted((*self.layout.numbers, *self.layout.strings, *self.layout.times), key=len, reverse=True)
        shares: dict[str, float] = {}
        for name, weight in zip(self.preparation.names, self.learner.importance(), strict=True):
            column = next((c for c in columns if name.startswith(c)), name)
            shares[column] = shares.get(column, 0.0) + float(weight)
        return dict(sorted(shares.items(), key=lambda item: -item[1]))


@dataclass(frozen=True, slots=True)
class Scale:
    """Mean and standard deviation of a regression target; learners see ``(y - mean) / std``."""

    mean: float = 0.0
    std: float = 1.0

    @classmethod
    def of(cls, y: np.ndarray) -> Scale:
        std = float(y.std())
        return cls(float(y.mean()), std if std > 0 else 1.0)

    def standardise(self, y: np.ndarray) -> np.ndarray:
        return (y - self.mean) / self.std

    def restore(self, value: np.ndarray) -> np.ndarray:
        return value * self.std + self.mean

    def to_json(self) -> dict[str, Any]:
        return {"mean": self.mean, "std": self.std}
