"""Numbers in bins of equal width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, final

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.features.bins import ENCODE, FittedBins, bins_between
from penstock.features.bounds import Bound, Whole
from penstock.features.kinds import NUMBERS
from penstock.features.scaled import present
from penstock.features.step import Columns, Target


@final
class UniformBin:
    """The bin of each number; bins divide the way from the smallest to the largest training value into equal parts.

    A few extreme values leave most bins empty: `clamp` the column first, or use `quantile_bin`. A number on an edge belongs to
    the bin above it; numbers outside the range of the training rows belong to the outer bins. A column with one value is one
    bin.

    Parameters
    ----------
    bins : number of bins.
    encode : "ordinal" for one output, the number of the bin from 0, with -1 for missing values; or "one_hot" for one
        output for each bin, and one for missing values if there were any in the training rows.
    """

    name: ClassVar[str] = "uniform_bin"
    takes: ClassVar[frozenset[Kind]] = NUMBERS
    gives: ClassVar[Kind | None] = Kind.NUMERIC
    arity: ClassVar[int] = 1
    columnwise: ClassVar[bool] = True
    bounds: ClassVar[Mapping[str, Bound]] = {"bins": Whole(2, 10_000), "encode": ENCODE}

    def __init__(self, bins: int = 10, encode: str = "ordinal") -> None:
        self.bins, self.encode = bins, encode

    @property
    def ready(self) -> bool:
        """Bins as 0 and 1 are for the learner as they are; numbers of bins may still want a scale."""
        return self.encode == "one_hot"

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedBins:
        (columns,) = inputs
        return bins_between(columns, [_edges(present(column), self.bins) for column in columns.values.T], self.encode)


def _edges(values: np.ndarray, bins: int) -> np.ndarray:
    """Inner edges, each once, increasing."""
    if len(values) == 0 or values.min() == values.max():
        return np.empty(0)
    return np.unique(np.linspace(values.min(), values.max(), bins + 1)[1:-1])
