"""Numbers stretched to a range, such as 0 to 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.features.bounds import Bound, Flag, Number
from penstock.features.doubles import double, doubles, narrowed
from penstock.features.kinds import NUMBERS
from penstock.features.ops import op
from penstock.features.scaled import present
from penstock.features.step import Columns, Shifted, Target

if TYPE_CHECKING:
    from spox import Var

FARTHEST = 1e9


@final
class MinMax:
    """The smallest value of the training rows becomes `low`, the largest `high`, and all others lie in proportion.

    NaN stays NaN and does not count. A column with one value becomes `low`, and another value later lies as far from it as
    it is larger (as scikit-learn's MinMaxScaler). Results beyond float32 stop at its largest number.

    Parameters
    ----------
    low : what the smallest value becomes; smaller than `high`.
    high : what the largest value becomes.
    clip : whether values outside the range of the training rows become `low` and `high`; otherwise they lie outside.
    """

    name: ClassVar[str] = "min_max"
    takes: ClassVar[frozenset[Kind]] = NUMBERS
    gives: ClassVar[Kind | None] = Kind.NUMERIC
    arity: ClassVar[int] = 1
    columnwise: ClassVar[bool] = True
    shifted: ClassVar[Shifted] = "free"
    bounds: ClassVar[Mapping[str, Bound]] = {
        "low": Number(-FARTHEST, FARTHEST),
        "high": Number(-FARTHEST, FARTHEST),
        "clip": Flag(),
    }
    ready: ClassVar[bool] = False

    def __init__(self, low: float = 0.0, high: float = 1.0, clip: bool = False) -> None:
        self.low, self.high, self.clip = low, high, clip

    def objection(self, kind: Kind) -> str | None:
        """Why these parameters do not suit columns of a kind."""
        if self.low >= self.high:
            return f"low is {self.low:g} and high {self.high:g}: low must be the smaller one"
        return None

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedMinMax:
        (columns,) = inputs
        learned = np.array([_smallest_and_range(present(column)) for column in columns.values.T])  # (k, 2)
        return FittedMinMax(columns.names, learned[:, 0], learned[:, 1], self.low, self.high, self.clip)


@dataclass(frozen=True)
class FittedMinMax:
    """Attributes: smallest, range : float64, shape (k,), in the columns' own units; range is never 0."""

    names: tuple[str, ...]
    smallest: np.ndarray
    range: np.ndarray
    low: float
    high: float
    clip: bool

    def emit(self, inputs: Sequence[Var]) -> Var:
        (x,) = inputs
        share = op.div(op.sub(double(x), doubles(self.smallest)), doubles(self.range))
        if self.clip:
            share = op.clip(share, doubles(0.0), doubles(1.0))
        if (self.low, self.high) != (0.0, 1.0):
            share = op.add(op.mul(share, doubles(self.high - self.low)), doubles(self.low))
        return narrowed(share)


def _smallest_and_range(values: np.ndarray) -> tuple[float, float]:
    if len(values) == 0:
        return 0.0, 1.0
    return float(values.min()), float(values.max() - values.min()) or 1.0
