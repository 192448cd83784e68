"""Numbers on one scale: mean 0, standard deviation 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.bundle.packing import FLOAT32_MAX
from penstock.features.bounds import Bound
from penstock.features.kinds import NUMBERS
from penstock.features.ops import floats, op
from penstock.features.step import Columns, Shifted, Target, present_of

if TYPE_CHECKING:
    from spox import Var


@final
class Standardise:
    """(x - mean) / standard deviation, of each column, from the training rows.

    The deviation divides by n (as scikit-learn's StandardScaler). NaN stays NaN and does not count. A column with one
    value becomes 0. The mean is subtracted in two float32 parts, so that a spread that is small beside the size of the numbers
    is not lost here. Results beyond float32 stop at its largest number.
    """

    name: ClassVar[str] = "standardise"
    takes: ClassVar[frozenset[Kind]] = NUMBERS
    gives: ClassVar[Kind | None] = Kind.NUMERIC
    arity: ClassVar[int] = 1
    columnwise: ClassVar[bool] = True
    shifted: ClassVar[Shifted] = "free"
    bounds: ClassVar[Mapping[str, Bound]] = {}
    ready: ClassVar[bool] = False

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedStandardise:
        (columns,) = inputs
        learned = np.array([_mean_and_scale(column) for column in columns.values.T])  # (k, 2)
        return FittedStandardise(columns.names, learned[:, 0], learned[:, 1])


@dataclass(frozen=True)
class FittedStandardise:
    """Attributes: mean, scale : float64, shape (k,), in the columns' own units; scale is never 0."""

    names: tuple[str, ...]
    mean: np.ndarray
    scale: np.ndarray

    def emit(self, inputs: Sequence[Var]) -> Var:
        (x,) = inputs
        high = self.mean.astype(np.float32)
        low = (self.mean - high).astype(np.float32)
        centred = op.sub(x, floats(high))
        if np.any(np.abs(low) > 1e-7 * self.scale):
            centred = op.sub(centred, floats(low))
        scale = np.maximum(self.scale.astype(np.float32), np.finfo(np.float32).tiny)
        return op.clip(op.div(centred, floats(scale)), floats(-FLOAT32_MAX), floats(FLOAT32_MAX))


def _mean_and_scale(column: np.ndarray) -> tuple[float, float]:
    present = present_of(column)
    if len(present) == 0:
        return 0.0, 1.0
    if present.min() == present.max():
        return float(present[0]), 1.0
    return float(present.mean()), float(present.std())
