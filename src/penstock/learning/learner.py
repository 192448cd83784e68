"""What a learner is: it says what it suits and what may be tuned, fits on training rows, and writes itself into a graph.

A learner sees plain arrays only (the output of a fitted recipe): `X` is float32, C-ordered, or CSR where it is wide; `y`
holds class numbers (int64) or a standardised target (float64). What it returns must answer in ONNX as it answers in NumPy.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias, runtime_checkable

import numpy as np

from penstock.bundle.kinds import Task
from penstock.errors import BadParameter

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix
    from spox import Var

    from penstock.features.tail import Tail

    Features: TypeAlias = np.ndarray | csr_matrix
    """(n, d): float32 array in C order, or CSR of float32."""

Params = Mapping[str, int | float | str]


@dataclass(frozen=True, slots=True)
class Shape:
    """The size of a learning problem, which bounds what may be tried."""

    n_rows: int
    n_features: int
    task: Task
    n_classes: int = 0  # 0 for regression
    sparse: bool = False

    @property
    def n_scores(self) -> int:
        """Scores per row before they become probabilities: 1 for binary and regression."""
        return self.n_classes if self.task is Task.MULTICLASS else 1


@dataclass(frozen=True, slots=True)
class Advice:
    """Whether a learner suits a problem, in words a person can check."""

    suits: bool
    why: str


@dataclass(slots=True)
class Deadline:
    """When a fit must stop: it asks `expired` between its steps, and ends at the first yes.

    The checks are counted, so that a fit which the clock stopped can be done again without the clock: it stops at the same
    check. A fit must therefore look at `expired` and at no clock of its own. One deadline is for one fit.

    Attributes
    ----------
    at : the point on the monotonic clock; None never comes.
    stop_at : the number of the check, from 1, that says yes whatever the clock says; None is no such check.
    stopped_at : the number of the first check that said yes; None so far.

    >>> Deadline.after(None).expired
    False
    >>> again = Deadline(stop_at=2)
    >>> [again.expired, again.expired, again.stopped_at]
    [False, True, 2]
    """

    at: float | None = None
    stop_at: int | None = None
    checks: int = 0
    stopped_at: int | None = None

    @classmethod
    def after(cls, seconds: float | None) -> Deadline:
        return cls(None if seconds is None else time.monotonic() + seconds)

    @property
    def expired(self) -> bool:
        """Whether the fit must stop now; asking counts as a check."""
        self.checks += 1
        over = self.at is not None and time.monotonic() >= self.at
        if self.stopped_at is None and (over or self.checks == self.stop_at):
            self.stopped_at = self.checks
        return self.stopped_at is not None


@dataclass(frozen=True, slots=True)
class Int:
    """Whole numbers from `low` to `high`, both included."""

    low: int
    high: int
    default: int
    log: bool = False

    def holds(self, value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high

    def distribution(self) -> Any:
        from optuna.distributions import IntDistribution

        return IntDistribution(self.low, self.high, log=self.log)

    def grid(self, points: int) -> list[int | float | str]:
        return list(dict.fromkeys(round(float(v)) for v in _spread(self.low, self.high, points, self.log)))

    def __str__(self) -> str:
        return f"a whole number from {self.low} to {self.high}"


@dataclass(frozen=True, slots=True)
class Float:
    """Numbers from `low` to `high`, both included."""

    low: float
    high: float
    default: float
    log: bool = False

    def holds(self, value: object) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high

    def distribution(self) -> Any:
        from optuna.distributions import FloatDistribution

        return FloatDistribution(self.low, self.high, log=self.log)

    def grid(self, points: int) -> list[int | float | str]:
        return [float(v) for v in _spread(self.low, self.high, points, self.log)]

    def __str__(self) -> str:
        return f"a number from {self.low} to {self.high}"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    values: tuple[str, ...]
    default: str

    def holds(self, value: object) -> bool:
        return value in self.values

    def distribution(self) -> Any:
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.values)

    def grid(self, points: int) -> list[int | float | str]:
        return list(self.values)

    def __str__(self) -> str:
        return "one of " + ", ".join(map(repr, self.values))


def _spread(low: float, high: float, points: int, log: bool) -> np.ndarray:
    return np.geomspace(low, high, points) if log else np.linspace(low, high, points)


@dataclass(frozen=True, slots=True)
class Space:
    """Bounds and defaults of a learner's parameters, as data.

    `starts` are further points, given where they differ from the defaults, that are worth a trial before any sampler is
    asked: a small portfolio, as in Feurer et al. (2022), J. Mach. Learn. Res. 23, 261.

    >>> space = Space({"alpha": Float(0.01, 100.0, default=1.0, log=True)})
    >>> space.complete({})
    {'alpha': 1.0}
    """

    dimensions: Mapping[str, Int | Float | Choice] = field(default_factory=dict)
    starts: Sequence[Params] = ()

    @property
    def defaults(self) -> dict[str, int | float | str]:
        return {name: dimension.default for name, dimension in self.dimensions.items()}

    def complete(self, params: Params) -> dict[str, int | float | str]:
        """`params` over the defaults.

        Raises
        ------
        BadParameter : a name is not in the space, or a value is outside its bounds.
        """
        for name, value in params.items():
            if name not in self.dimensions:
                raise BadParameter(
                    f"there is no parameter {name!r}",
                    why=f"this learner knows: {', '.join(self.dimensions) or 'none'}",
                    way_out="remove it, or use one of these names",
                )
            if not self.dimensions[name].holds(value):
                raise BadParameter(
                    f"parameter {name!r} is {value!r}",
                    why=f"it must be {self.dimensions[name]}",
                    way_out=f"the default is {self.dimensions[name].default!r}",
                )
        return {**self.defaults, **params}

    def distributions(self) -> dict[str, Any]:
        """For Optuna's samplers."""
        return {name: dimension.distribution() for name, dimension in self.dimensions.items()}

    def grid(self, points: int = 3) -> list[dict[str, int | float | str]]:
        """Every combination of `points` values per number and of all words, the defaults first."""
        from itertools import product

        axes = [dimension.grid(points) for dimension in self.dimensions.values()]
        combinations = [dict(zip(self.dimensions, values, strict=True)) for values in product(*axes)]
        return [self.defaults, *(c for c in combinations if c != self.defaults)]


Progress = Callable[[int, float], None]
"""Called inside a fit now and then with (iteration, score on the inner validation rows)."""


@runtime_checkable
class FittedLearner(Protocol):
    """What a fit returns: the learner's own answer, and the same answer as standard ONNX operators."""

    @property
    def params(self) -> Params:
        """The parameters for the same on all rows: a fit without a deadline and without rows held out for early stopping."""
        ...

    def predict(self, X: Features) -> np.ndarray:
        """Float64: class probabilities (n, K), each row summing to 1, or the standardised target (n, 1)."""
        ...

    def emit(self, x: Var) -> Var:
        """Float32 of the same shape and meaning as `predict`, from `x`: float32 (n, d). Never more than 1e-5 away."""
        ...

    def importance(self) -> np.ndarray:
        """Weight of each feature in the model, float64 (d,), not negative; sums to 1 unless all are 0."""
        ...


@runtime_checkable
class Learner(Protocol):
    """A way to learn. Instances hold no state; one instance may be used for many fits.

    Every learner: the same X, y, params, seed and threads give a model whose ONNX bytes are the same, also where a deadline
    stops the fit at the same check; a class that does not occur in `y` is answered with a probability near 0, not refused;
    X and y are not changed.

    A learner that holds rows out to stop by has a class variable ``stops_early = True`` and takes two more arguments: `use`,
    int8 (n,), 0 for rows to fit and 1 for those to stop by, others being neither (None: it chooses them itself); and
    `resample`, a function of (X, y) that gives the rows to fit in place of those that were to be. See
    `penstock.learning.imbalance`.
    """

    name: ClassVar[str]
    tasks: ClassVar[frozenset[Task]]
    takes_missing: ClassVar[bool]
    """Whether NaN may stand in X. Where it may not, the tail must have imputed."""
    slow_imports: ClassVar[tuple[str, ...]]
    """Modules that a fit needs; a worker imports them before a trial's clock starts."""

    def advise(self, shape: Shape) -> Advice:
        """Whether the learner suits a problem of this shape. One that does not is left out of the search."""
        ...

    def tail(self, task: Task) -> Tail:
        """What the learner wants done to a recipe's outputs: codes for strings, no missing values, one scale ..."""
        ...

    def space(self, shape: Shape) -> Space:
        """What may be tuned."""
        ...

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
    ) -> FittedLearner:
        """Fit on training rows.

        Parameters
        ----------
        X : float32 (n, d) or CSR; y : int64 (n,) class numbers below `shape.n_classes`, or float64 (n,).
        params : values for `space(shape)`; missing ones take their defaults. A learner may also take what it returned
            itself in `FittedLearner.params` (such as the number of trees that early stopping found).
        weights : float64 (n,), of rows, default all 1.
        budget : when it has expired the learner stops early, if it can, with what it has.

        Raises
        ------
        BadParameter : a parameter is unknown or outside its bounds.
        """
        ...
