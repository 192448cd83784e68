"""Many columns as fewer sums with random weights, which keep distances between rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.features.bounds import Bound, OneOf, Whole
from penstock.features.kinds import NUMBERS
from penstock.features.projection import FittedProjection, column_means, component_names
from penstock.features.step import Columns, Target

if TYPE_CHECKING:
    from penstock.features.step import FittedStep


@final
class RandomProjection:
    """Sums of the columns with random weights, drawn once from the seed of the run.

    Distances between rows are kept, each within a share e with near certainty, by about 8 ln(n_rows) / e^2 outputs, however
    many columns there were: 1,000 outputs for 10,000 rows and e = 0.27. Cheaper to learn than principal components, and blind
    to what the rows hold; scale the columns first. A missing value counts as the mean of its column.

    Parameters
    ----------
    components : outputs.
    weights : "gaussian" for normal weights with variance 1 / components; or "sparse" for 0 in two of three places and else
        plus or minus sqrt(3 / components) (Achlioptas).

    Source: Johnson and Lindenstrauss (1984), Contemporary Mathematics 26, 189; Achlioptas (2003), Journal of Computer and System
    Sciences 66(4), 671.
    """

    name: ClassVar[str] = "random_projection"
    takes: ClassVar[frozenset[Kind]] = NUMBERS
    gives: ClassVar[Kind | None] = Kind.NUMERIC
    arity: ClassVar[int] = 1
    columnwise: ClassVar[bool] = False
    bounds: ClassVar[Mapping[str, Bound]] = {
        "components": Whole(1, 10_000),
        "weights": OneOf(("gaussian", "sparse")),
    }
    ready: ClassVar[bool] = False

    def __init__(self, components: int = 100, weights: str = "gaussian") -> None:
        self.components, self.weights = components, weights

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedStep:
        (columns,) = inputs
        generator, shape = np.random.default_rng(seed), (len(columns.names), self.components)
        if self.weights == "gaussian":
            weights = generator.normal(size=shape)
        else:
            weights = math.sqrt(3) * generator.choice([-1.0, 0.0, 1.0], size=shape, p=[1 / 6, 2 / 3, 1 / 6])
        means, zero = column_means(columns.values), np.zeros(len(columns.names))
        names = component_names(columns.names, self.components, "projection")
        return FittedProjection(names, zero, weights / math.sqrt(self.components), means)
