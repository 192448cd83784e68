"""Columns without correlation between them, each with deviation 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.errors import RecipeError
from penstock.features.bounds import Bound, OneOf
from penstock.features.kinds import NUMBERS
from penstock.features.projection import FittedProjection, column_means, component_names, filled, signs
from penstock.features.step import Columns, Shifted, Target

if TYPE_CHECKING:
    from penstock.features.step import FittedStep

MOST_COLUMNS = 5_000
LEAST_VARIANCE = 1e-10
"""Of the standardised columns in one direction; what is less is the rounding of float32, not something that rows differ in."""


@final
class Whiten:
    """Sums of the standardised columns such that, in the training rows, each has variance 1 and none tells of another.

    For learners that look at distances, or suffer from columns that say the same. A missing value counts as the mean of its
    column. Directions in which the standardised rows do not differ (variance under 1e-10, such as the difference of two equal
    columns) are not stretched but left out. Variances divide by n. At most 5,000 columns.

    Parameters
    ----------
    method : "zca" for one output for each column, which stays as near to it as can be (ZCA-cor); or "pca" for the principal
        components of the standardised columns, strongest first, as scikit-learn's PCA(whiten=True) behind its StandardScaler,
        times sqrt(n / (n - 1)): there variances divide by n - 1.

    Source: Kessy, Lewin and Strimmer (2018), The American Statistician 72(4), 309.
    """

    name: ClassVar[str] = "whiten"
    takes: ClassVar[frozenset[Kind]] = NUMBERS
    gives: ClassVar[Kind | None] = Kind.NUMERIC
    arity: ClassVar[int] = 1
    columnwise: ClassVar[bool] = False
    shifted: ClassVar[Shifted] = "free"
    bounds: ClassVar[Mapping[str, Bound]] = {"method": OneOf(("zca", "pca"))}
    ready: ClassVar[bool] = True

    def __init__(self, method: str = "zca") -> None:
        self.method = method

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedStep:
        (columns,) = inputs
        width = len(columns.names)
        if width > MOST_COLUMNS:
            raise RecipeError(
                f"'whiten' of {width:,} columns",
                why=f"more than {MOST_COLUMNS:,} take hours, and few rows hold enough to learn their correlations from",
                way_out="use truncated_svd(...) or random_projection(...) of them first",
            )
        means = column_means(columns.values)
        deviation = _deviations(columns.values, means)
        correlation = np.zeros((width, width))
        for rows in filled(columns.values, means):
            scaled = rows / deviation
            correlation += scaled.T @ scaled
        variance, directions = np.linalg.eigh(correlation / len(columns))
        order = np.argsort(variance)[::-1]
        variance, directions = variance[order], directions[:, order] * signs(directions[:, order])
        kept = variance > LEAST_VARIANCE
        weights = directions[:, kept] / np.sqrt(variance[kept])
        if self.method == "zca":
            weights, names = weights @ directions[:, kept].T, columns.names
        else:
            names = component_names(columns.names, int(kept.sum()))
        return FittedProjection(names, means, weights / deviation[:, None])


def _deviations(values: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Standard deviations, with missing values as the mean, shape (k,); 1 for a column with one value."""
    squares = sum(((rows**2).sum(axis=0) for rows in filled(values, means)), np.zeros(len(means)))
    deviations: np.ndarray = np.sqrt(squares / len(values))
    return np.where(deviations > 0, deviations, 1.0)
