"""A recipe that has learned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from spox import Tensor, argument

from penstock.bundle.frame import Frame
from penstock.bundle.graph import open_session
from penstock.bundle.packing import Layout, pack
from penstock.features.chunks import PACKED_ROWS, WIDE, as_csr, chunks_of, each, stacked
from penstock.features.costs import Costs
from penstock.features.graph import Writer, model_of, packed_arguments
from penstock.features.plan import Plan
from penstock.features.selection import Choice
from penstock.features.step import FittedStep

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from scipy.sparse import csr_matrix
    from spox import Var


@dataclass(frozen=True)
class FittedRecipe:
    """A recipe that has learned: a graph from packed inputs to one matrix of features.

    Attributes
    ----------
    layout : the packed inputs; columns that the recipe does not use are not in it.
    names : of the features, each once, shape (d,).
    crossed : of the steps that are cross-fitted, the values of the rows of the fit, by node.
    choices : of the steps that choose columns, what they kept and dropped, and why, by node.
    costs : of the inputs of one prediction.
    """

    layout: Layout
    names: tuple[str, ...]
    plan: Plan = field(repr=False)
    fitted: Mapping[int, FittedStep] = field(repr=False)
    crossed: Mapping[int, np.ndarray] = field(default_factory=dict, repr=False, compare=False)
    choices: Mapping[int, tuple[Choice, ...]] = field(default_factory=dict, repr=False, compare=False)
    costs: Costs = field(default_factory=lambda: Costs("", {}, {}), compare=False)
    _open: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def width(self) -> int:
        """Number of features."""
        return len(self.names)

    def emit(self, inputs: Mapping[str, Var]) -> Var:
        """Write the recipe into a graph.

        Parameters
        ----------
        inputs : the packed inputs by name: those of `layout.inputs`.

        Returns
        -------
        Var : float32 (n, d). At least one row: ONNX's tf-idf refuses none.
        """
        return Writer(inputs, self.layout, self.plan.nodes, self.fitted).block(self.plan.outputs)

    def model(self) -> bytes:
        """The recipe alone as an ONNX model: packed inputs to ``features``. The same fit gives the same bytes."""
        if "model" not in self._open:
            inputs = packed_arguments(self.layout)
            self._open["model"] = model_of(inputs, self.emit(inputs)).SerializeToString(deterministic=True)
        model: bytes = self._open["model"]
        return model

    def transform(self, frame: Frame) -> np.ndarray | csr_matrix:
        """Features of these rows, as the graph makes them.

        Returns
        -------
        float32 (n, d) in C order; CSR where there are more than 2,000 features.
        """
        return self._features(self._session("model", self.model), frame, {})

    def transform_training(self, frame: Frame) -> np.ndarray | csr_matrix:
        """Features of the rows of the fit, for a learner to learn from.

        As `transform`, but for steps that are cross-fitted: they tell each row what the others say.

        Parameters
        ----------
        frame : the very rows that the recipe was fitted on, in the same order.
        """
        if not self.crossed:
            return self.transform(frame)
        if any(len(values) != len(frame) for values in self.crossed.values()):
            raise ValueError("transform_training takes the rows of the fit, all of them and in their order")
        crossed = {_crossed(n): values for n, values in self.crossed.items()}
        return self._features(self._session("training", self._training_model), frame, crossed)

    def _training_model(self) -> bytes:
        """The recipe with the outputs of its cross-fitted steps as inputs."""
        inputs = packed_arguments(self.layout)
        given = {n: argument(Tensor(np.float32, ("n", v.shape[1]))) for n, v in self.crossed.items()}
        output = Writer(inputs, self.layout, self.plan.nodes, self.fitted, given).block(self.plan.outputs)
        return model_of({**inputs, **{_crossed(n): var for n, var in given.items()}}, output).SerializeToString()

    def _session(self, name: str, model: Callable[[], bytes]) -> InferenceSession:
        if f"{name} session" not in self._open:
            self._open[f"{name} session"] = open_session(model())
        session: InferenceSession = self._open[f"{name} session"]
        return session

    def _features(
        self, session: InferenceSession, frame: Frame, crossed: Mapping[str, np.ndarray]
    ) -> np.ndarray | csr_matrix:
        """Packed and run some rows at a time, so that beside the features themselves little is held."""
        sparse = self.width > WIDE
        parts: list[csr_matrix] = []
        features = np.empty((0 if sparse else len(frame), self.width), dtype=np.float32)
        for first in range(0, len(frame), PACKED_ROWS):
            rows = slice(first, first + PACKED_ROWS)
            packed = frame.take(rows)
            feeds = {**pack(packed, self.layout), **{name: values[rows] for name, values in crossed.items()}}

            def run(start: int, stop: int, feeds: Mapping[str, np.ndarray] = feeds) -> np.ndarray:
                made: np.ndarray = session.run(None, {name: fed[start:stop] for name, fed in feeds.items()})[0]
                return made

            def fill(chunk: tuple[int, int], first: int = first, run: Any = run) -> None:
                features[first + chunk[0] : first + chunk[1]] = run(*chunk)

            chunks = chunks_of(len(packed), self.width)
            if sparse:
                parts += [as_csr(run(*chunk)) for chunk in chunks]
            else:
                each(fill, chunks)
        return stacked(parts, self.width) if sparse else features

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": {}}  # a session does not travel between processes


def _crossed(node: int) -> str:
    """The input of the values of a cross-fitted node, in the graph for the rows of the fit."""
    return f"crossed_{node}"
