"""Numbers in bins that hold about as many training rows each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

import numpy as np

from penstock.features.bins import ENCODE, Bins
from penstock.features.bounds import Bound, Whole
from penstock.features.scaled import present
from penstock.features.step import Target


@final
class QuantileBin(Bins):
    """The bin of each number; bins are bounded by quantiles of the training rows, so that each holds about as many.

    Inner edges are the quantiles 1/bins, 2/bins, ... (linear interpolation); equal ones are one edge, so that a column
    with few values has fewer bins. A number on an edge belongs to the bin above it.

    Parameters
    ----------
    bins : number of bins asked for.
    """

    name: ClassVar[str] = "quantile_bin"
    bounds: ClassVar[Mapping[str, Bound]] = {"bins": Whole(2, 10_000), "encode": ENCODE}

    def __init__(self, bins: int = 10, encode: str = "ordinal") -> None:
        self.bins, self.encode = bins, encode

    def edges(self, column: np.ndarray, target: Target | None) -> np.ndarray:
        values = present(column)
        if len(values) == 0:
            return np.empty(0)
        edges = np.unique(np.quantile(values, np.arange(1, self.bins) / self.bins))
        return edges[edges > values.min()]  # no row of training would lie below the others
