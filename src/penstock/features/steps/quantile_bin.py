"""Numbers in bins that hold about as many training rows each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.features.bounds import Bound, OneOf, Whole
from penstock.features.kinds import NUMBERS
from penstock.features.step import Columns, Target
from penstock.features.thresholds import Thresholds, emit_thresholds

if TYPE_CHECKING:
    from spox import Var

MISSING_CODE = -1.0


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
    bounds: ClassVar[Mapping[str, Bound]] = {"bins": Whole(2, 10_000), "encode": OneOf(("ordinal", "one_hot"))}

    def __init__(self, bins: int = 10, encode: str = "ordinal") -> None:
        self.bins, self.encode = bins, encode

    @property
    def ready(self) -> bool:
        """Bins as 0 and 1 are for the learner as they are; numbers of bins may still want a scale."""
        return self.encode == "one_hot"

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedQuantileBin:
        (columns,) = inputs
        names: list[str] = []
        trees = []
        for column, name in zip(columns.values.T.astype(np.float64), columns.names, strict=True):
            edges = _edges(column, self.bins)
            if self.encode == "ordinal":
                trees.append(
                    Thresholds(
                        edges, [(len(names), float(i)) for i in range(len(edges) + 1)], (len(names), MISSING_CODE)
                    )
                )
                names.append(name)
                continue
            places = [(len(names) + i, 1.0) for i in range(len(edges) + 1)]
            names += _intervals(name, edges)
            missing = None
            if np.isnan(column).any():
                missing = (len(names), 1.0)
                names.append(f"{name} is missing")
            trees.append(Thresholds(edges, places, missing))
        return FittedQuantileBin(tuple(names), tuple(trees))


@dataclass(frozen=True)
class FittedQuantileBin:
    """Attributes: columns : for each column its edges (float64) and what each bin adds to which output."""

    names: tuple[str, ...]
    columns: tuple[Thresholds, ...]

    def emit(self, inputs: Sequence[Var]) -> Var:
        (x,) = inputs
        return emit_thresholds(x, self.columns, len(self.names))


def _edges(column: np.ndarray, bins: int) -> np.ndarray:
    """Inner edges, each once, increasing."""
    present = column[~np.isnan(column)]
    if len(present) == 0:
        return np.empty(0)
    edges = np.unique(np.quantile(present, np.arange(1, bins) / bins))
    return edges[edges > present.min()]  # no row of training would lie below the others


def _intervals(name: str, edges: np.ndarray) -> list[str]:
    if len(edges) == 0:
        return [f"{name} is present"]
    marks = [f"{edge:.9g}" for edge in edges]
    inner = [f"{name} in [{a}, {b})" for a, b in pairwise(marks)]
    return [f"{name} < {marks[0]}", *inner, f"{name} >= {marks[-1]}"]
