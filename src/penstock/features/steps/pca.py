"""Many columns as few: their principal components."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.features.bounds import Bound, Number, Whole
from penstock.features.kinds import NUMBERS
from penstock.features.projection import FittedProjection, column_means, component_names, filled, strongest
from penstock.features.step import Columns, Shifted, Target

if TYPE_CHECKING:
    from penstock.features.step import FittedStep


@final
class Pca:
    """Sums of the columns, weighted so that few of them hold most of the variance; the strongest come first.

    Columns are centred, not scaled: write ``pca(standardise(x))`` where their units differ, or the column with the largest
    numbers is the first component. A missing value counts as the mean of its column; nothing is missing afterwards. The sign of
    a component is such that its largest weight is positive (as scikit-learn's PCA). Components in which the rows do not differ
    (less than 1e-12 of the variance of the strongest) are left out; of constant columns, nothing is left. Of more than 2,000
    columns, the components are found by subspace iteration.

    Parameters
    ----------
    components : components kept, at most.
    share : of the variance of the training rows, the share that the components must hold together: no more are kept than that
        takes; 1 keeps as many as `components` says.

    Source: Pearson (1901), Philosophical Magazine 2(11), 559.
    """

    name: ClassVar[str] = "pca"
    takes: ClassVar[frozenset[Kind]] = NUMBERS
    gives: ClassVar[Kind | None] = Kind.NUMERIC
    arity: ClassVar[int] = 1
    columnwise: ClassVar[bool] = False
    shifted: ClassVar[Shifted] = "free"
    bounds: ClassVar[Mapping[str, Bound]] = {
        "components": Whole(1, 10_000),
        "share": Number(0, 1, low_included=False),
    }
    ready: ClassVar[bool] = False

    def __init__(self, components: int = 10, share: float = 1.0) -> None:
        self.components, self.share = components, share

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedStep:
        (columns,) = inputs
        means = column_means(columns.values)
        squares, directions = strongest(columns.values, means, 0.0, self.components)
        if self.share < 1:
            total = sum(float((rows**2).sum()) for rows in filled(columns.values, means))
            needed = int(np.searchsorted(np.cumsum(squares), self.share * total * (1 - 1e-12))) + 1
            squares, directions = squares[:needed], directions[:, :needed]
        return FittedProjection(component_names(columns.names, len(squares)), means, directions)
