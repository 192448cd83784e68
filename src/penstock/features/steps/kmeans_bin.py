"""Numbers in bins around the places where they crowd."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

import numpy as np

from penstock.features.bins import ENCODE, Bins
from penstock.features.bounds import Bound, Whole
from penstock.features.scaled import present
from penstock.features.step import Target

MOST_ROUNDS = 300


@final
class KmeansBin(Bins):
    """The bin of each number; bins are the clusters that k-means finds in the training values of each column.

    The centres begin in the middle of bins of equal width and move to the mean of the values that are nearest to them, until no
    value changes its centre (at most 300 times). Edges lie midway between two centres (as scikit-learn's KBinsDiscretizer with
    strategy="kmeans"). A centre that loses all values is given up, so that there may be fewer bins. A number on an edge belongs
    to the bin above it.

    Parameters
    ----------
    bins : number of bins, at most.

    Source: Lloyd (1982), IEEE Transactions on Information Theory 28(2), 129.
    """

    name: ClassVar[str] = "kmeans_bin"
    bounds: ClassVar[Mapping[str, Bound]] = {"bins": Whole(2, 1_000), "encode": ENCODE}

    def __init__(self, bins: int = 5, encode: str = "ordinal") -> None:
        self.bins, self.encode = bins, encode

    def edges(self, column: np.ndarray, target: Target | None) -> np.ndarray:
        values = present(column)
        distinct, counts = np.unique(values, return_counts=True)
        if len(distinct) < 2:
            return np.empty(0)
        widths = np.linspace(distinct[0], distinct[-1], self.bins + 1)
        centres = (widths[1:] + widths[:-1]) / 2
        totals = distinct * counts
        before: np.ndarray | None = None
        for _ in range(MOST_ROUNDS):
            ends = np.searchsorted(distinct, _midway(centres), side="right")  # a value midway goes to the lower centre
            starts = np.unique(np.concatenate([[0], ends[ends < len(distinct)]]))  # of the centres that have values
            if before is not None and np.array_equal(starts, before):
                break
            centres, before = np.add.reduceat(totals, starts) / np.add.reduceat(counts, starts), starts
        return np.unique(_midway(centres))


def _midway(centres: np.ndarray) -> np.ndarray:
    middle: np.ndarray = (centres[1:] + centres[:-1]) / 2
    return middle
