"""Numbers held between two limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.bundle.packing import FLOAT32_MAX
from penstock.features.bounds import Bound, Number, OneOf
from penstock.features.kinds import NUMBERS
from penstock.features.ops import floats, op
from penstock.features.scaled import present
from penstock.features.step import Columns, Shifted, Target

if TYPE_CHECKING:
    from spox import Var


@final
class Clamp:
    """Values below the lower limit become the lower limit, values above the upper limit the upper one.

    Keeps a few extreme values from ruling sums, distances and scales. NaN stays NaN and does not count.

    Parameters
    ----------
    low : the lower limit, as `by` says; not larger than `high`.
    high : the upper limit.
    by : "share" for quantiles of the training rows, learned for each column (0.01 and 0.99: the outer hundredths are pulled
        in; linearly interpolated); or "value" for the limits themselves, in the columns' own unit.
    """

    name: ClassVar[str] = "clamp"
    takes: ClassVar[frozenset[Kind]] = NUMBERS
    gives: ClassVar[Kind | None] = Kind.NUMERIC
    arity: ClassVar[int] = 1
    columnwise: ClassVar[bool] = True
    shifted: ClassVar[Shifted] = "kept"
    bounds: ClassVar[Mapping[str, Bound]] = {
        "low": Number(-FLOAT32_MAX, FLOAT32_MAX),
        "high": Number(-FLOAT32_MAX, FLOAT32_MAX),
        "by": OneOf(("share", "value")),
    }
    ready: ClassVar[bool] = False

    def __init__(self, low: float = 0.01, high: float = 0.99, by: str = "share") -> None:
        self.low, self.high, self.by = low, high, by

    def objection(self, kind: Kind) -> str | None:
        """Why these parameters do not suit columns of a kind."""
        if self.low > self.high:
            return f"low is {self.low:g} and high {self.high:g}: low must not be the larger one"
        if self.by == "share" and not 0 <= self.low <= self.high <= 1:
            return f"low is {self.low:g} and high {self.high:g}, and shares lie between 0 and 1; limits themselves need by=value"
        return None

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedClamp:
        (columns,) = inputs
        numbers = enumerate(columns.values.T)
        limits = np.array([self._limits(present(column), columns.offset(j)) for j, column in numbers])  # (k, 2)
        limits = np.clip(limits, -FLOAT32_MAX, FLOAT32_MAX)
        return FittedClamp(columns.names, limits[:, 0].astype(np.float32), limits[:, 1].astype(np.float32))

    def _limits(self, values: np.ndarray, offset: float) -> tuple[float, float]:
        if self.by == "value":
            return self.low - offset, self.high - offset
        if len(values) == 0:
            return -FLOAT32_MAX, FLOAT32_MAX
        low, high = np.quantile(values, [self.low, self.high])
        return float(low), float(high)


@dataclass(frozen=True)
class FittedClamp:
    """Attributes: low, high : float32, shape (k,), in the columns' own units."""

    names: tuple[str, ...]
    low: np.ndarray
    high: np.ndarray

    def emit(self, inputs: Sequence[Var]) -> Var:
        (x,) = inputs
        x = op.where(op.less(x, floats(self.low)), floats(self.low), x)  # a comparison with NaN is false: it stays
        return op.where(op.greater(x, floats(self.high)), floats(self.high), x)
