"""Skewed numbers made as near to a bell as a power makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.features.bounds import Bound, Flag
from penstock.features.doubles import double, doubles, logarithm_of_one_plus, narrowed
from penstock.features.kinds import NUMBERS
from penstock.features.ops import op
from penstock.features.scaled import present
from penstock.features.step import Columns, Target

if TYPE_CHECKING:
    from spox import Var

STRONGEST = 4.0
"""The power lies within 1 - 4 and 1 + 4: the side of 1 that it has for positive numbers is the other for negative ones."""
LEAST_POWER = 1e-6
"""Powers nearer to 0 are 0, the logarithm: of a smaller one, rounding would leave nothing."""
TINY = 1e-8
"""Numbers this near to 0 stay what they are: the transform begins with slope 1."""
MOST_ROWS = 100_000
"""Rows from which a power is learned; more do not change its third digit."""


@final
class Power:
    """The Yeo-Johnson transform of each column, with the power that makes the training rows most like a normal sample.

    For x from 0: ((1 + x)^p - 1) / p, or ln(1 + x) where p is 0. For x below 0: -((1 - x)^(2 - p) - 1) / (2 - p), or
    -ln(1 - x) where p is 2. p is that of the largest likelihood between -3 and 5, from at most 100,000 rows drawn at random.
    NaN stays NaN and does not count. A column with fewer than two values keeps p = 1, which changes nothing.

    Parameters
    ----------
    standardise : whether the result is brought to mean 0 and standard deviation 1 (as scikit-learn's PowerTransformer).

    Source: Yeo and Johnson (2000), Biometrika 87(4), 954.
    """

    name: ClassVar[str] = "power"
    takes: ClassVar[frozenset[Kind]] = NUMBERS
    gives: ClassVar[Kind | None] = Kind.NUMERIC
    arity: ClassVar[int] = 1
    columnwise: ClassVar[bool] = True
    bounds: ClassVar[Mapping[str, Bound]] = {"standardise": Flag()}
    ready: ClassVar[bool] = False

    def __init__(self, standardise: bool = True) -> None:
        self.standardise = standardise

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedPower:
        (columns,) = inputs
        chosen = np.arange(len(columns))
        if len(columns) > MOST_ROWS:
            chosen = np.sort(np.random.default_rng(seed).choice(len(columns), MOST_ROWS, replace=False))
        learned = np.array([self._learn(present(column), present(column[chosen])) for column in columns.values.T])
        return FittedPower(columns.names, learned[:, 0], learned[:, 1], learned[:, 2])

    def _learn(self, values: np.ndarray, drawn: np.ndarray) -> tuple[float, float, float]:
        """Power, mean and standard deviation."""
        power = likeliest_power(drawn)
        if not self.standardise or len(values) == 0:
            return power, 0.0, 1.0
        changed = yeo_johnson(values, power)
        if values.min() == values.max():
            return power, float(changed[0]), 1.0
        unit = _largest(changed)
        return power, float((changed / unit).mean() * unit), float((changed / unit).std() * unit) or 1.0


@dataclass(frozen=True)
class FittedPower:
    """Attributes: power, mean, scale : float64, shape (k,); mean and scale are those of the transformed numbers."""

    names: tuple[str, ...]
    power: np.ndarray
    mean: np.ndarray
    scale: np.ndarray

    def emit(self, inputs: Sequence[Var]) -> Var:
        x = double(inputs[0])
        size = op.abs(x)
        negative = op.less(x, doubles(0.0))
        power = op.where(negative, doubles(2 - self.power), doubles(self.power))  # (n, k)
        logarithmic = op.equal(power, doubles(0.0))
        divisor = op.where(logarithmic, doubles(1.0), power)
        changed = op.div(op.sub(op.pow(op.add(size, doubles(1.0)), power), doubles(1.0)), divisor)
        if np.any((self.power == 0) | (self.power == 2)):
            changed = op.where(logarithmic, logarithm_of_one_plus(size), changed)
        changed = op.where(op.less(size, doubles(TINY)), size, changed)
        changed = op.where(negative, op.neg(changed), changed)
        return narrowed(op.div(op.sub(changed, doubles(self.mean)), doubles(self.scale)))


def yeo_johnson(values: np.ndarray, power: float) -> np.ndarray:
    """The transform of numbers, float64, shape (n,)."""
    changed = np.empty(len(values))
    for side, exponent in ((values >= 0, power), (values < 0, 2 - power)):
        size = np.log1p(np.abs(values[side]))
        changed[side] = size if exponent == 0 else np.expm1(exponent * size) / exponent
    return np.copysign(changed, values)


def likeliest_power(values: np.ndarray) -> float:
    """The power of the largest likelihood of a normal sample; 1 for fewer than two values."""
    from scipy.optimize import minimize_scalar

    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) < 2:
        return 1.0
    shares = counts / len(values)
    slope = float(shares @ (np.sign(distinct) * np.log1p(np.abs(distinct))))

    def loss(power: float) -> float:
        changed = yeo_johnson(distinct, power)
        unit = _largest(changed)
        changed /= unit
        variance = float(shares @ (changed - shares @ changed) ** 2)
        if variance == 0:
            return np.inf
        return np.log(unit) + np.log(variance) / 2 - (power - 1) * slope

    found = minimize_scalar(loss, bounds=(1 - STRONGEST, 1 + STRONGEST), method="bounded", options={"xatol": 1e-7})
    power = float(found.x)
    for special in (0.0, 2.0):
        if abs(power - special) < LEAST_POWER:
            power = special
    return power


def _largest(values: np.ndarray) -> float:
    """The largest size, as a unit: 1e38 to the fifth has a finite square only in it."""
    return float(np.abs(values).max()) or 1.0
