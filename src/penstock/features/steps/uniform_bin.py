"""Numbers in bins of equal width."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

import numpy as np

from penstock.features.bins import ENCODE, Bins
from penstock.features.bounds import Bound, Whole
from penstock.features.scaled import present
from penstock.features.step import Target


@final
class UniformBin(Bins):
    """The bin of each number; bins divide the way from the smallest to the largest training value into equal parts.

    A few extreme values leave most bins empty: `clamp` the column first, or use `quantile_bin`. A number on an edge belongs to
    the bin above it; numbers outside the range of the training rows belong to the outer bins. A column with one value is one
    bin.

    Parameters
    ----------
    bins : number of bins.
    """

    name: ClassVar[str] = "uniform_bin"
    bounds: ClassVar[Mapping[str, Bound]] = {"bins": Whole(2, 10_000), "encode": ENCODE}

    def __init__(self, bins: int = 10, encode: str = "ordinal") -> None:
        self.bins, self.encode = bins, encode

    def edges(self, column: np.ndarray, target: Target | None) -> np.ndarray:
        values = present(column)
        if len(values) == 0 or values.min() == values.max():
            return np.empty(0)
        return np.unique(np.linspace(values.min(), values.max(), self.bins + 1)[1:-1])
