"""Numbers on one scale that a few extreme values do not set: median 0, distance between two quantiles 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.features.bounds import Bound, Number
from penstock.features.kinds import NUMBERS
from penstock.features.scaled import FittedScale, present
from penstock.features.step import Columns, Shifted, Target

if TYPE_CHECKING:
    from penstock.features.step import FittedStep


@final
class RobustScale:
    """(x - median) / (upper quantile - lower quantile), of each column, from the training rows.

    Half of the rows may hold anything without changing what the others become, where a mean and a deviation follow a single
    extreme value. Quantiles are linearly interpolated (as scikit-learn's RobustScaler). NaN stays NaN and does not count.
    Where both quantiles are the same value, nothing is divided. Results beyond float32 stop at its largest number.

    Parameters
    ----------
    lower : share of rows below the lower quantile; smaller than `upper`.
    upper : share of rows below the upper quantile.
    """

    name: ClassVar[str] = "robust_scale"
    takes: ClassVar[frozenset[Kind]] = NUMBERS
    gives: ClassVar[Kind | None] = Kind.NUMERIC
    arity: ClassVar[int] = 1
    columnwise: ClassVar[bool] = True
    shifted: ClassVar[Shifted] = "free"
    bounds: ClassVar[Mapping[str, Bound]] = {"lower": Number(0, 1), "upper": Number(0, 1)}
    ready: ClassVar[bool] = False

    def __init__(self, lower: float = 0.25, upper: float = 0.75) -> None:
        self.lower, self.upper = lower, upper

    def objection(self, kind: Kind) -> str | None:
        """Why these parameters do not suit columns of a kind."""
        if self.lower >= self.upper:
            return f"lower is {self.lower:g} and upper {self.upper:g}: lower must be the smaller one"
        return None

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedStep:
        (columns,) = inputs
        learned = np.array([self._centre_and_scale(present(column)) for column in columns.values.T])  # (k, 2)
        return FittedScale(columns.names, learned[:, 0], learned[:, 1])

    def _centre_and_scale(self, values: np.ndarray) -> tuple[float, float]:
        if len(values) == 0:
            return 0.0, 1.0
        low, middle, high = np.quantile(values, [self.lower, 0.5, self.upper])
        return float(middle), float(high - low) or 1.0
