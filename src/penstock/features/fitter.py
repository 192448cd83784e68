"""Level by level, each step is fitted on what the graph itself makes of the level before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from penstock.bundle.graph import open_session
from penstock.bundle.packing import Layout
from penstock.features.bounds import check_parameters
from penstock.features.chunks import chunks_of, each
from penstock.features.graph import packed_columns, step_model
from penstock.features.naming import names_of
from penstock.features.offsets import as_taken
from penstock.features.plan import Block, Node, Plan, Source
from penstock.features.selection import FittedSelection
from penstock.features.step import FORMS, Columns, CrossFitted, FittedStep, Form, Remembering, Target

if TYPE_CHECKING:
    from spox import Var


class Fitter:
    """Fits the nodes of a plan in order, keeping what the graph makes of each node that another one reads."""

    def __init__(
        self,
        plan: Plan,
        layout: Layout,
        packed: Mapping[str, np.ndarray],
        target: Target | None,
        seed: int,
        offsets: Mapping[str, float] | None = None,
    ) -> None:
        self.plan, self.layout, self.packed, self.target, self.seed = plan, layout, packed, target, seed
        self.fitted: dict[int, FittedStep] = {}
        self.outputs: dict[int, np.ndarray] = {}
        self._named: dict[int, tuple[str, ...]] = {}
        self._origins: dict[int, tuple[frozenset[str], ...]] = {}
        self.offsets = offsets or {}  # by column, of what it is packed less

    def fit(self) -> dict[int, FittedStep]:
        for number in self.plan.nodes:
            self.fit_node(number)
        return self.fitted

    def fit_node(self, number: int) -> None:
        """Fit one node, after all that it reads."""
        step = self.plan.nodes[number].make()
        check_parameters(step)
        inputs = self._inputs(self.plan.nodes[number])
        if not step.columnwise:  # its sums are over rows
            inputs = [replace(columns, values=np.ascontiguousarray(columns.values)) for columns in inputs]
        self.fitted[number] = (
            step.fit(inputs, self.target, seed=self.seed) if all(columns.names for columns in inputs) else NOTHING
        )

    def of(self, plan: Plan) -> Fitter:
        """One of the same rows for another plan."""
        return Fitter(plan, self.layout, self.packed, self.target, self.seed, self.offsets)

    def names(self, block: Block) -> list[str]:
        """What the columns of a block are called."""
        return [
            name
            for piece in block
            for name in ((piece.name,) if isinstance(piece, Source) else self.names_of(piece.node))
        ]

    def names_of(self, number: int) -> tuple[str, ...]:
        """What the outputs of a node are called; those of its fitted step, in their order, begin the same way or lie inside."""
        if number not in self._named:
            node = self.plan.nodes[number]
            inputs = [self.names(block) for block in node.inputs]
            self._named[number] = names_of(node, self.fitted[number], inputs, said=number not in self.plan.unsaid)
        return self._named[number]

    def origins(self, block: Block) -> tuple[frozenset[str], ...]:
        """The columns of the table that each column of a block may be made of."""
        return tuple(
            origin
            for piece in block
            for origin in ((frozenset(piece.columns),) if isinstance(piece, Source) else self._origins_of(piece.node))
        )

    def _origins_of(self, number: int) -> tuple[frozenset[str], ...]:
        if number not in self._origins:
            node, fitted = self.plan.nodes[number], self.fitted[number]
            of = {
                name: origin
                for inputs in node.inputs
                for name, origin in zip(self.names(inputs), self.origins(inputs), strict=True)
            }
            everything = frozenset().union(*of.values())
            own = isinstance(fitted, FittedSelection) or node.make().columnwise
            found: list[frozenset[str]] = []
            for name in fitted.names:
                behind = [of[name]] if name in of else [origin for n, origin in of.items() if name.startswith(n)]
                found.append(frozenset().union(*behind) if own and behind else everything)
            self._origins[number] = tuple(found)
        return self._origins[number]

    def _inputs(self, node: Node) -> list[Columns]:
        """What the step of a node reads: numbers less their offsets where it takes them so, else the numbers themselves."""
        return [
            as_taken(node, block, self._columns(block), self.plan.nodes, self.fitted, self.offsets)
            for block in node.inputs
        ]

    def _columns(self, block: Block) -> Columns:
        form = FORMS[block[0].kind]
        sources = [piece.name for piece in block if isinstance(piece, Source)]
        if len(sources) == len(block):
            return Columns(self._sources(sources, form), tuple(sources), form, *self._priced(block))
        values = [
            self._sources([piece.name], form) if isinstance(piece, Source) else self._output(piece.node)
            for piece in block
            if isinstance(piece, Source) or self.fitted[piece.node].names
        ]
        joined = np.concatenate(values, axis=1) if values else np.empty((0, 0), dtype=np.float32)
        return Columns(joined, tuple(self.names(block)), form, *self._priced(block))

    def _priced(self, block: Block) -> tuple[()] | tuple[tuple[frozenset[str], ...], Mapping[str, float]]:
        """Where the columns of a block come from and what that costs, where anything costs at all."""
        return (self.origins(block), self.plan.costs) if self.plan.costs else ()

    def _sources(self, names: Sequence[str], form: Form) -> np.ndarray:
        """Columns of a packed input; without a copy where they stand together."""
        return packed_columns(self.packed, self.layout, names, form)

    def _output(self, number: int) -> np.ndarray:
        """What the steps after a node learn from: its training values, which the graph makes unless it is cross-fitted."""
        fitted = self.fitted[number]
        if isinstance(fitted, CrossFitted):
            return fitted.training_values
        if number not in self.outputs:
            self.outputs[number] = self._applied(self.plan.nodes[number], fitted)
        return self.outputs[number]

    def _applied(self, node: Node, fitted: FittedStep) -> np.ndarray:
        inputs = self._inputs(node)
        if isinstance(fitted, Remembering):
            return fitted.recall(inputs)
        session = open_session(step_model(fitted, [i.form for i in inputs], [len(i.names) for i in inputs]))

        def run(start: int, stop: int) -> np.ndarray:
            made: np.ndarray = session.run(
                None, {f"x{i}": np.ascontiguousarray(columns.values[start:stop]) for i, columns in enumerate(inputs)}
            )[0]
            return made

        n_rows, width = len(inputs[0]), len(fitted.names)
        dtype = run(0, 1).dtype
        output = np.empty((n_rows, width), dtype=dtype, order="F")  # the next step reads it column by column

        def fill(chunk: tuple[int, int]) -> None:
            output[slice(*chunk)] = run(*chunk)

        each(fill, chunks_of(n_rows, width))
        return output


@dataclass(frozen=True)
class _Nothing:
    """A step whose inputs have no column left: it has no output either."""

    names: tuple[str, ...] = ()

    def emit(self, inputs: Sequence[Var]) -> Var:
        raise AssertionError("a step without outputs is not written")


NOTHING = _Nothing()
