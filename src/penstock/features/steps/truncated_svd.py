"""Many columns as few, without moving zero: the strongest singular vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.features.bounds import Bound, Whole
from penstock.features.kinds import NUMBERS
from penstock.features.projection import FittedProjection, column_means, component_names, strongest
from penstock.features.step import Columns, Target

if TYPE_CHECKING:
    from penstock.features.step import FittedStep


@final
class TruncatedSvd:
    """Sums of the columns along the strongest right singular vectors of the training rows; columns are not centred.

    For counts and tf-idf weights, most of which are 0: ``truncated_svd(tfidf(text))`` is latent semantic analysis. A missing
    value counts as the mean of its column. The sign is such that the largest weight of each is positive (as scikit-learn's
    TruncatedSVD). Directions that hold less than 1e-12 of the sum of squares of the strongest are left out. Of more than
    2,000 columns, they are found by subspace iteration.

    Parameters
    ----------
    components : outputs, at most.

    Source: Deerwester, Dumais, Furnas, Landauer and Harshman (1990), Journal of the American Society for Information Science
    41(6), 391.
    """

    name: ClassVar[str] = "truncated_svd"
    takes: ClassVar[frozenset[Kind]] = NUMBERS
    gives: ClassVar[Kind | None] = Kind.NUMERIC
    arity: ClassVar[int] = 1
    columnwise: ClassVar[bool] = False
    bounds: ClassVar[Mapping[str, Bound]] = {"components": Whole(1, 10_000)}
    ready: ClassVar[bool] = False

    def __init__(self, components: int = 10) -> None:
        self.components = components

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedStep:
        (columns,) = inputs
        means, zero = column_means(columns.values), np.zeros(len(columns.names))
        squares, directions = strongest(columns.values, zero, means, self.components)
        return FittedProjection(component_names(columns.names, len(squares)), zero, directions, means)
