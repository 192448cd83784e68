"""What a step of a recipe is: it learns from training columns, then writes itself into the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np

from penstock.bundle.kinds import Kind, Task
from penstock.features.bounds import Bound

if TYPE_CHECKING:
    from spox import Var

GROUP = "penstock.steps"
"""The entry-point group of steps, see `penstock.parts`."""


class Form(StrEnum):
    """The array type of a block; a step is fitted on blocks of one form each."""

    NUMBERS = "numbers"  # float32, NaN where missing
    STRINGS = "strings"  # str, "" where missing
    TEXTS = "texts"  # str of normalised tokens with one space between them, "" where missing
    TIMES = "times"  # int64 microseconds since 1970 (UTC), MISSING_TIME where missing


FORMS = {
    Kind.NUMERIC: Form.NUMBERS,
    Kind.BINARY: Form.STRINGS,
    Kind.CATEGORICAL: Form.STRINGS,
    Kind.TEXT: Form.TEXTS,
    Kind.DATETIME: Form.TIMES,
}


@dataclass(frozen=True)
class Columns:
    """Typed training columns of one form, side by side.

    Attributes
    ----------
    values : shape (n_rows, n_columns); see `Form` for the types.
    names : one for each column; outputs are named after them.
    form : the form of all of them.
    origins : of each, the columns of the table that it is made of; () where each is its own.
    costs : of columns of the table, by name: what it costs to ask for one value, see `penstock.features.recipe.Recipe`.
    offsets : of each, what was subtracted of its numbers before they became float32; () where nothing was of any. Steps that do not
        declare `Shifted` never see them.
    """

    values: np.ndarray
    names: tuple[str, ...]
    form: Form
    origins: tuple[frozenset[str], ...] = ()
    costs: Mapping[str, float] = field(default_factory=dict)
    offsets: tuple[float, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    def origin(self, j: int) -> frozenset[str]:
        """The columns of the table that column j is made of."""
        return self.origins[j] if self.origins else frozenset({self.names[j]})

    def offset(self, j: int) -> float:
        """What was subtracted of column j."""
        return self.offsets[j] if self.offsets else 0.0


def present_of(column: np.ndarray) -> np.ndarray:
    """The numbers of a column that are there, float64."""
    missing = np.isnan(column)
    return (column[~missing] if missing.any() else column).astype(np.float64)


@dataclass(frozen=True)
class Target:
    """What is predicted: class numbers (int64) or a number (float64), shape (n_rows,).

    A step that holds some rows back from others keeps to the rule of the split: see `penstock.data.folds`.

    Attributes
    ----------
    groups : of the rows, shape (n_rows,), where the rows of a group are on one side of every split.
    times : of the rows, float64 (n_rows,), where what is learned from is older than what is predicted. gap : in their unit, what
        lies between the two.
    """

    values: np.ndarray
    task: Task
    groups: np.ndarray | None = None
    times: np.ndarray | None = None
    gap: float = 0.0


@runtime_checkable
class FittedStep(Protocol):
    """What a fit learned, as the operators that apply it.

    Picklable and unchanging. `emit` uses standard ONNX operators only, and each output row depends on its input row
    alone, to the last bit, however many rows there are.
    """

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the output columns; each begins with the name of the column that it comes from. None at all means that nothing is left: `emit` is not called then."""
        ...

    def emit(self, inputs: Sequence[Var]) -> Var:
        """Write the step into a graph.

        Parameters
        ----------
        inputs : one block (n, k) for each column argument, with the columns of the fit.

        Returns
        -------
        Var : the block (n, len(names)); float32, strings or int64, as the step's `gives` says.
        """
        ...


@runtime_checkable
class CrossFitted(FittedStep, Protocol):
    """A fitted step whose training values differ from its serving values, on purpose: a row's own target is not in them.

    Its step declares so with ``cross_fitted = True``.
    """

    @property
    def training_values(self) -> np.ndarray:
        """Outputs for the rows of the fit, float32 (n_rows, len(names))."""
        ...


@runtime_checkable
class Remembering(FittedStep, Protocol):
    """A fitted step that costs so much a row that it keeps what it said: learners are given the same rows many times."""

    def recall(self, inputs: Sequence[Columns]) -> np.ndarray:
        """What the graph of `emit` makes of these rows, bit for bit: float32 (n_rows, len(names))."""
        ...


Shifted = Literal["free", "kept"]
"""What a step makes of numbers that come less an offset (`Columns.offsets`). "free": its outputs say the same whatever was subtracted.
"kept": its outputs are columns of its first argument, less the same offsets, one for each in their order; or, where it selects, those that
it selects."""


class Step(Protocol):
    """One transformation of a recipe; one file each. The constructor stores parameters, named as in `bounds`, and no more.

    A step may also have a method ``objection(kind: Kind) -> str | None``: why these parameters do not suit a kind that the
    step takes, or None. What its fit returns may be `CrossFitted`, or `Remembering`. With ``variadic = True`` it takes any number of column arguments from `arity` on, and its parameters
    are given by name. With ``shifted`` (see `Shifted`) it takes numbers less an offset, which keeps the digits of numbers that differ little for
    their size; without, it is given the numbers themselves. Steps that the decoder works out, and texts in another form: see `penstock.features.prepare`.
    """

    name: ClassVar[str]
    takes: ClassVar[frozenset[Kind]]
    gives: ClassVar[Kind | None]
    """Kind of the outputs; None: the kind of the inputs."""
    arity: ClassVar[int]
    """Number of column arguments, which come before the parameters."""
    columnwise: ClassVar[bool]
    """Whether a fit on columns side by side is the same as a fit on each of them."""
    bounds: ClassVar[Mapping[str, Bound]]
    """What each parameter may be, in the order in which a call gives them."""

    @property
    def ready(self) -> bool | None:
        """Whether the outputs are for the learner as they are, such as 0 and 1: a learner's tail leaves them alone.

        None: they are if all inputs are.
        """
        ...

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedStep:
        """Learn from training columns: one `Columns` for each column argument, all with the same rows (at least one)."""
        ...
