"""Fitting a recipe: level by level, each step on what the graph itself makes of the level before."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from spox import Tensor, argument

from penstock.bundle.frame import Frame
from penstock.bundle.graph import open_session
from penstock.bundle.kinds import Task
from penstock.bundle.packing import Layout, pack
from penstock.bundle.specs import ColumnSpec
from penstock.errors import RecipeError, SchemaMismatch
from penstock.features.bounds import check_parameters
from penstock.features.graph import INPUT_OF, Writer, model_of, packed_arguments, step_model
from penstock.features.narrow import narrow
from penstock.features.plan import Block, Node, Plan, Source
from penstock.features.recipe import Recipe
from penstock.features.resolve import resolve
from penstock.features.selection import Choice, FittedSelection
from penstock.features.step import FORMS, Columns, CrossFitted, FittedStep, Form, Target
from penstock.features.tail import Tail

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from scipy.sparse import csr_matrix
    from spox import Var

WIDE = 2_000
"""Features from which a matrix is kept sparse."""
CHUNK_BYTES = 32 * 2**20
"""Dense output of one run of the graph, at most."""
CHUNK_ROWS = 4_096
"""Rows of one run of the graph, at most: texts are split into a dense table of tokens inside it."""
PACKED_ROWS = 16 * CHUNK_ROWS
"""Rows that are packed at a time where they are only applied."""


def fit_recipe(
    recipe: Recipe,
    tail: Tail | None,
    frame: Frame,
    specs: Sequence[ColumnSpec],
    y: np.ndarray | None,
    task: Task,
    seed: int,
) -> FittedRecipe:
    """Learn all steps of a recipe, and of a learner's tail, from training rows.

    Parameters
    ----------
    recipe : what to do with which columns.
    tail : what the learner wants of the outputs; None for nothing (then all outputs must be numbers already).
    frame : training rows, with at least the columns that the recipe uses.
    specs : the columns that the recipe may use (not the target).
    y : the target, shape (n_rows,): class numbers or float64; None where no step looks at it.
    seed : for steps that draw random numbers.

    Raises
    ------
    RecipeError : a name, step, parameter or kind is wrong, no feature is left, or there is no row.
    """
    whole = resolve(recipe, specs, tail if tail is not None else Tail(strings=(), texts=(), times=()))
    if len(frame) == 0:
        raise RecipeError(
            "the recipe cannot be fitted on no rows", why="its steps learn from rows", way_out="check the split"
        )
    layout = _layout(whole, specs)
    absent = [name for name in (*layout.numbers, *layout.strings, *layout.times) if name not in frame]
    if absent:
        raise SchemaMismatch(
            f"the table has no column {absent[0]!r}",
            why="the recipe uses it",
            way_out="give all columns of the decoder",
        )
    target = None if y is None else Target(y, task)
    fitter = Fitter(whole, layout, pack(frame, layout, order="F"), target, seed)
    choices = {n: step.choices for n, step in fitter.fit().items() if isinstance(step, FittedSelection)}
    names = _unique(fitter.names(whole.outputs))
    plan, fitted = narrow(whole, fitter)
    if plan is not whole:
        layout = _layout(plan, specs)
    crossed = {n: step.training_values for n, step in fitted.items() if isinstance(step, CrossFitted)}
    if not names:
        raise RecipeError(
            "the recipe leaves no feature",
            why="all of its steps found nothing to learn in the training rows",
            way_out="use more columns, or keep rarer values",
        )
    costs = Costs.of(recipe.cost_unit, whole, layout)
    return FittedRecipe(layout, tuple(names), plan, fitted, crossed, choices, costs)


def _layout(plan: Plan, specs: Sequence[ColumnSpec]) -> Layout:
    """The packed inputs of a plan."""
    used = {name for source in plan.sources for name in source.columns}
    # One form stands together, so that a block of one form is a slice of its packed input.
    in_use = sorted((spec for spec in specs if spec.name in used), key=lambda spec: list(Form).index(FORMS[spec.kind]))
    return Layout.of(in_use, [(s.name, s.prepared) for s in plan.sources if s.prepared is not None])


@dataclass(frozen=True)
class Costs:
    """What it costs to ask for the inputs of one prediction.

    Attributes
    ----------
    unit : of all costs: money, milliseconds; "" where the recipe does not say.
    columns : cost of each column that the model needs and that costs anything.
    saved : cost of each that the recipe names and the model does not need, because selection dropped it.
    """

    unit: str
    columns: Mapping[str, float]
    saved: Mapping[str, float]

    @classmethod
    def of(cls, unit: str, plan: Plan, layout: Layout) -> Costs:
        needed = {*layout.numbers, *layout.strings, *layout.times}
        named = {name for source in plan.sources for name in source.columns}
        return cls(
            unit,
            {name: cost for name, cost in plan.costs.items() if name in needed},
            {name: cost for name, cost in plan.costs.items() if name in named - needed},
        )

    @property
    def total(self) -> float:
        """Of one prediction."""
        return float(sum(self.columns.values()))

    def to_json(self) -> dict[str, Any]:
        return {"unit": self.unit, "total": self.total, "columns": dict(self.columns), "saved": dict(self.saved)}


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

            chunks = _chunks(len(packed), self.width)
            if sparse:
                parts += [_as_csr(run(*chunk)) for chunk in chunks]
            else:
                _each(fill, chunks)
        return _sparse(parts, self.width) if sparse else features

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": {}}  # a session does not travel between processes


class Fitter:
    """Fits the nodes of a plan in order, keeping what the graph makes of each node that another one reads."""

    def __init__(
        self, plan: Plan, layout: Layout, packed: Mapping[str, np.ndarray], target: Target | None, seed: int
    ) -> None:
        self.plan, self.layout, self.packed, self.target, self.seed = plan, layout, packed, target, seed
        self.fitted: dict[int, FittedStep] = {}
        self.outputs: dict[int, np.ndarray] = {}

    def fit(self) -> dict[int, FittedStep]:
        for number in self.plan.nodes:
            self.fit_node(number)
        return self.fitted

    def fit_node(self, number: int) -> None:
        """Fit one node, after all that it reads."""
        step = self.plan.nodes[number].make()
        check_parameters(step)
        inputs = [self._columns(block) for block in self.plan.nodes[number].inputs]
        if not step.columnwise:  # its sums are over rows
            inputs = [replace(columns, values=np.ascontiguousarray(columns.values)) for columns in inputs]
        self.fitted[number] = (
            step.fit(inputs, self.target, seed=self.seed) if all(columns.names for columns in inputs) else NOTHING
        )

    def of(self, plan: Plan) -> Fitter:
        """One of the same rows for another plan."""
        return Fitter(plan, self.layout, self.packed, self.target, self.seed)

    def names(self, block: Block) -> list[str]:
        return [
            name
            for piece in block
            for name in ((piece.name,) if isinstance(piece, Source) else self.fitted[piece.node].names)
        ]

    def origins(self, block: Block) -> tuple[frozenset[str], ...]:
        """The columns of the table that each column of a block may be made of."""
        found: list[frozenset[str]] = []
        for piece in block:
            if isinstance(piece, Source):
                found.append(frozenset(piece.columns))
                continue
            node, fitted = self.plan.nodes[piece.node], self.fitted[piece.node]
            of = {
                name: origin
                for inputs in node.inputs
                for name, origin in zip(self.names(inputs), self.origins(inputs), strict=True)
            }
            everything = frozenset().union(*of.values())
            own = isinstance(fitted, FittedSelection) or node.make().columnwise
            for name in fitted.names:
                behind = [of[name]] if name in of else [origin for n, origin in of.items() if name.startswith(n)]
                found.append(frozenset().union(*behind) if own and behind else everything)
        return tuple(found)

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
        packed, order = self.packed[INPUT_OF[form]], self.layout.slots(INPUT_OF[form])
        first = order.index(names[0])
        if tuple(names) == order[first : first + len(names)]:
            return packed[:, first : first + len(names)]
        return packed[:, [order.index(name) for name in names]]

    def _output(self, number: int) -> np.ndarray:
        """What the steps after a node learn from: its training values, which the graph makes unless it is cross-fitted."""
        fitted = self.fitted[number]
        if isinstance(fitted, CrossFitted):
            return fitted.training_values
        if number not in self.outputs:
            self.outputs[number] = self._applied(self.plan.nodes[number], fitted)
        return self.outputs[number]

    def _applied(self, node: Node, fitted: FittedStep) -> np.ndarray:
        inputs = [self._columns(block) for block in node.inputs]
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

        _each(fill, _chunks(n_rows, width))
        return output


@dataclass(frozen=True)
class _Nothing:
    """A step whose inputs have no column left: it has no output either."""

    names: tuple[str, ...] = ()

    def emit(self, inputs: Sequence[Var]) -> Var:
        raise AssertionError("a step without outputs is not written")


NOTHING = _Nothing()


def _chunks(n_rows: int, width: int) -> list[tuple[int, int]]:
    size = max(1, min(CHUNK_ROWS, CHUNK_BYTES // (4 * max(width, 1))))
    return [(start, min(start + size, n_rows)) for start in range(0, n_rows, size)]


def _each(work: Callable[[tuple[int, int]], None], chunks: Sequence[tuple[int, int]]) -> None:
    """Work on all chunks, on the cores of this process: each row's answer is its own, whichever thread gives it."""
    threads = min(
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, len(chunks) // 2
    )
    if threads < 2:
        for chunk in chunks:
            work(chunk)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(work, chunks):
            pass


def _crossed(node: int) -> str:
    """The input of the values of a cross-fitted node, in the graph for the rows of the fit."""
    return f"crossed_{node}"


def _sparse(chunks: Sequence[csr_matrix], width: int) -> csr_matrix:
    from scipy import sparse

    if not chunks:
        return sparse.csr_matrix((0, width), dtype=np.float32)
    return sparse.vstack(chunks, format="csr", dtype=np.float32)


def _as_csr(dense: np.ndarray) -> csr_matrix:
    """As scipy makes it, in a third of the time."""
    from scipy import sparse

    n_rows, width = dense.shape
    filled = dense != 0
    places = np.flatnonzero(filled)
    starts = np.concatenate([[0], np.cumsum(np.count_nonzero(filled, axis=1))])
    return sparse.csr_matrix((dense.ravel()[places], places % width, starts), shape=(n_rows, width))


def _unique(names: Sequence[str]) -> list[str]:
    """Names, those that occur again with a number behind them.

    >>> _unique(["age", "job", "age"])
    ['age', 'job', 'age (2)']
    """
    unique: dict[str, None] = {}
    for name in names:
        number, wanted = 1, name
        while wanted in unique:
            number += 1
            wanted = f"{name} ({number})"
        unique[wanted] = None
    return list(unique)
