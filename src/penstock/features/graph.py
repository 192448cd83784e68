"""Blocks of a recipe as values of an ONNX graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from spox import Tensor, argument, build

from penstock.bundle.packing import Layout
from penstock.features.offsets import written_as_taken
from penstock.features.ops import concat, take
from penstock.features.plan import Block, Node, Source
from penstock.features.step import FORMS, FittedStep, Form

if TYPE_CHECKING:
    from onnx import ModelProto
    from spox import Var

INPUT_OF = {Form.NUMBERS: "numbers", Form.STRINGS: "strings", Form.TEXTS: "strings", Form.TIMES: "times"}
ELEMENT: dict[str, type] = {"numbers": np.float32, "strings": np.str_, "times": np.int64}

OUTPUT = "features"
"""Name of the output of a feature graph."""


class Writer:
    """Writes fitted nodes into a graph, each once, reading columns from the packed inputs; but for those that are `given`."""

    def __init__(
        self,
        inputs: Mapping[str, Var],
        layout: Layout,
        nodes: Mapping[int, Node],
        fitted: Mapping[int, FittedStep],
        given: Mapping[int, Var] | None = None,
        offsets: Mapping[str, float] | None = None,
    ) -> None:
        self.inputs, self.layout, self.nodes, self.fitted = inputs, layout, nodes, fitted
        self.written: dict[int, Var] = dict(given or {})
        self.offsets = offsets or {}  # by column, of what it is packed less

    def block(self, block: Block) -> Var:
        """The columns of a block side by side, (n, k)."""
        blocks: list[Var] = []
        run: list[Source] = []
        for piece in block:
            if isinstance(piece, Source) and (not run or _same_input(run[-1], piece)):
                run.append(piece)
                continue
            if run:
                blocks.append(self._columns(run))
            run = []
            if isinstance(piece, Source):
                run = [piece]
            elif self.fitted[piece.node].names:
                blocks.append(self.node(piece.node))
        if run:
            blocks.append(self._columns(run))
        return concat(blocks)

    def node(self, node: int) -> Var:
        if node not in self.written:
            step = self.nodes[node]
            inputs = [
                written_as_taken(step, block, self.block(block), self.nodes, self.fitted, self.offsets)
                for block in step.inputs
            ]
            self.written[node] = self.fitted[node].emit(inputs)
        return self.written[node]

    def _columns(self, sources: Sequence[Source]) -> Var:
        name = INPUT_OF[FORMS[sources[0].kind]]
        order = self.layout.slots(name)
        return take(self.inputs[name], [order.index(source.name) for source in sources], len(order))


def packed_arguments(layout: Layout) -> dict[str, Var]:
    """The packed inputs of a graph, by name."""
    return {name: argument(Tensor(ELEMENT[name], ("n", len(layout.slots(name))))) for name in layout.inputs}


def packed_columns(packed: Mapping[str, np.ndarray], layout: Layout, names: Sequence[str], form: Form) -> np.ndarray:
    """Columns of the packed inputs, (n, k); without a copy where they stand together."""
    block, order = packed[INPUT_OF[form]], layout.slots(INPUT_OF[form])
    first = order.index(names[0])
    if tuple(names) == order[first : first + len(names)]:
        return block[:, first : first + len(names)]
    return block[:, [order.index(name) for name in names]]


def model_of(inputs: Mapping[str, Var], output: Var) -> ModelProto:
    """A whole model; the same operators give the same bytes."""
    model = build(dict(inputs), {OUTPUT: output})
    model.producer_name, model.producer_version = "penstock", ""
    return model


def step_model(fitted: FittedStep, forms: Sequence[Form], widths: Sequence[int]) -> bytes:
    """One fitted step as a model of its own, with inputs ``x0``, ``x1``, ..."""
    inputs = {
        f"x{i}": argument(Tensor(ELEMENT[INPUT_OF[form]], ("n", width)))
        for i, (form, width) in enumerate(zip(forms, widths, strict=True))
    }
    return model_of(inputs, fitted.emit(list(inputs.values()))).SerializeToString(deterministic=True)


def _same_input(a: Source, b: Source) -> bool:
    return INPUT_OF[FORMS[a.kind]] == INPUT_OF[FORMS[b.kind]]
