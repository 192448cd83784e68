"""Numbers in bins that hold about as many training rows each."""

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
class QuantileBin:
    """The bin of each number; bins are bounded by quantiles of the training rows, so that each holds about as many.

    Inner edges are the quantiles 1/bins, 2/bins, ... (linear interpolation); equal ones are one edge, so that a column
    with few values has fewer bins. A number on an edge belongs to the bin above it.

    Parameters
    ----------
    bins : number of bins asked for.
    encode : "ordinal" for one output, the number of the bin from 0, with -1 for missing values; or "one_hot" for one
        output for each bin, and one for missing values if there were any in the training rows.
    """

    name: ClassVar[str] = "quantile_bin"
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
    if len(values) == 0:
        return np.empty(0)
    edges = np.unique(np.quantile(values, np.arange(1, bins) / bins))
    return edges[edges > values.min()]  # no row of training would lie below the others
