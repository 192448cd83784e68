"""A recipe that has learned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from spox import Tensor, argument

from penstock.bundle.frame import Frame
from penstock.bundle.graph import open_session
from penstock.bundle.packing import Layout, pack
from penstock.features.chunks import PACKED_ROWS, WIDE, as_csr, chunks_of, each, stacked
from penstock.features.costs import Costs
from penstock.features.graph import Writer, model_of, packed_arguments, packed_columns
from penstock.features.offsets import as_taken
from penstock.features.plan import Plan, Source
from penstock.features.selection import Selection
from penstock.features.step import FORMS, Columns, FittedStep, Remembering

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
    selections : of the steps that choose columns, what they kept and dropped, and why; also of one that dropped all.
    costs : of the inputs of one prediction.
    offsets : what columns are packed less: the offset of the layout, and the origin that the decoder subtracts; of those that have one.
    """

    layout: Layout
    names: tuple[str, ...]
    plan: Plan = field(repr=False)
    fitted: Mapping[int, FittedStep] = field(repr=False)
    crossed: Mapping[int, np.ndarray] = field(default_factory=dict, repr=False, compare=False)
    selections: tuple[Selection, ...] = field(default=(), repr=False, compare=False)
    costs: Costs = field(default_factory=lambda: Costs("", {}, {}), compare=False)
    offsets: Mapping[str, float] = field(default_factory=dict, repr=False)
    _open: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

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
        return Writer(inputs, self.layout, self.plan.nodes, self.fitted, offsets=self.offsets).block(self.plan.outputs)

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
        return self._features(frame, {})

    def transform_training(self, frame: Frame) -> np.ndarray | csr_matrix:
        """Features of the rows of the fit, for a learner to learn from.

        As `transform`, but for steps that are cross-fitted: they tell each row what the others say.

        Parameters
        ----------
        frame : the very rows that the recipe was fitted on, in the same order.
        """
        if any(len(values) != len(frame) for values in self.crossed.values()):
            raise ValueError("transform_training takes the rows of the fit, all of them and in their order")
        return self._features(frame, self.crossed)

    def _features(self, frame: Frame, crossed: Mapping[int, np.ndarray]) -> np.ndarray | csr_matrix:
        """Packed and run some rows at a time, so that beside the features themselves little is held.

        What the graph need not work out is given to it: the values of cross-fitted steps, and what others remember.
        """
        sparse = self.width > WIDE
        parts: list[csr_matrix] = []
        features = np.empty((0 if sparse else len(frame), self.width), dtype=np.float32)
        remembering = {n: step for n, step in self._remembering().items() if n not in crossed}
        session = self._session(frozenset({*crossed, *remembering}))
        for first in range(0, len(frame), PACKED_ROWS):
            rows = slice(first, first + PACKED_ROWS)
            packed = frame.take(rows)
            feeds = pack(packed, self.layout)
            recalled = {n: step.recall(self._inputs(n, feeds)) for n, step in remembering.items()}
            feeds |= {_given(n): values[rows] for n, values in crossed.items()}
            feeds |= {_given(n): values for n, values in recalled.items()}

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

    def _remembering(self) -> dict[int, Remembering]:
        """Steps that remember, by node: those that read columns of the packed inputs alone."""
        return {
            n: step
            for n, step in self.fitted.items()
            if isinstance(step, Remembering)
            and step.names
            and all(isinstance(piece, Source) for block in self.plan.nodes[n].inputs for piece in block)
        }

    def _inputs(self, node: int, packed: Mapping[str, np.ndarray]) -> list[Columns]:
        """What a step reads that reads columns of the packed inputs alone."""
        made, inputs = self.plan.nodes[node], []
        for block in made.inputs:
            names, form = tuple(piece.name for piece in block if isinstance(piece, Source)), FORMS[block[0].kind]
            columns = Columns(packed_columns(packed, self.layout, names, form), names, form)
            inputs.append(as_taken(made, block, columns, self.plan.nodes, self.fitted, self.offsets))
        return inputs

    def _session(self, given: frozenset[int]) -> InferenceSession:
        """Of the recipe with the outputs of these nodes as inputs."""
        if given not in self._open:
            self._open[given] = open_session(self._model_given(given) if given else self.model())
        session: InferenceSession = self._open[given]
        return session

    def _model_given(self, nodes: frozenset[int]) -> bytes:
        inputs = packed_arguments(self.layout)
        given = {n: argument(Tensor(np.float32, ("n", len(self.fitted[n].names)))) for n in sorted(nodes)}
        output = Writer(inputs, self.layout, self.plan.nodes, self.fitted, given, self.offsets).block(self.plan.outputs)
        return model_of({**inputs, **{_given(n): var for n, var in given.items()}}, output).SerializeToString()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": {}}  # a session does not travel between processes


def _given(node: int) -> str:
    """The input of the values of a node that the graph need not work out."""
    return f"given_{node}"
