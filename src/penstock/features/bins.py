"""Numbers told apart by edges: what all steps that make bins give."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.features.bounds import OneOf
from penstock.features.kinds import NUMBERS
from penstock.features.step import Columns, Shifted, Target
from penstock.features.thresholds import Thresholds, emit_thresholds

if TYPE_CHECKING:
    from spox import Var

MISSING_CODE = -1.0
ENCODE = OneOf(("ordinal", "one_hot"))


@dataclass(frozen=True)
class FittedBins:
    """The bin of each number, as its number from 0 or as 0 and 1.

    Attributes
    ----------
    columns : for each column its edges (float64) and what each bin adds to which output.
    """

    names: tuple[str, ...]
    columns: tuple[Thresholds, ...]

    def emit(self, inputs: Sequence[Var]) -> Var:
        (x,) = inputs
        return emit_thresholds(x, self.columns, len(self.names))


class Bins(ABC):
    """A step that gives the bin of each number; what differs is where the edges lie.

    Parameters
    ----------
    encode : "ordinal" for one output, the number of the bin from 0, with -1 for missing values; or "one_hot" for one
        output for each bin, and one for missing values if there were any in the training rows.
    """

    takes: ClassVar[frozenset[Kind]] = NUMBERS
    gives: ClassVar[Kind | None] = Kind.NUMERIC
    arity: ClassVar[int] = 1
    columnwise: ClassVar[bool] = True
    shifted: ClassVar[Shifted] = "free"
    encode: str

    @property
    def ready(self) -> bool:
        """Bins as 0 and 1 are for the learner as they are; numbers of bins may still want a scale."""
        return self.encode == "one_hot"

    @abstractmethod
    def edges(self, column: np.ndarray, target: Target | None) -> np.ndarray:
        """Inner edges of a column (float32, NaN where missing): float64, each once, increasing."""

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedBins:
        (columns,) = inputs
        return bins_between(columns, [self.edges(column, target) for column in columns.values.T], self.encode)


def bins_between(columns: Columns, edges: Sequence[np.ndarray], encode: str) -> FittedBins:
    """Bins of each column, with outputs and their names.

    Parameters
    ----------
    edges : for each column its inner edges, float64, increasing; a number on an edge belongs to the bin above it.
    encode : as `Bins` says.
    """
    names: list[str] = []
    trees = []
    for j, (column, name, inner) in enumerate(zip(columns.values.T, columns.names, edges, strict=True)):
        if encode == "ordinal":
            codes = [(len(names), float(i)) for i in range(len(inner) + 1)]
            trees.append(Thresholds(inner, codes, (len(names), MISSING_CODE)))
            names.append(name)
            continue
        places = [(len(names) + i, 1.0) for i in range(len(inner) + 1)]
        names += _intervals(name, inner, columns.offset(j))
        missing = None
        if np.isnan(column).any():
            missing = (len(names), 1.0)
            names.append(f"{name} is missing")
        trees.append(Thresholds(inner, places, missing))
    return FittedBins(tuple(names), tuple(trees))


def _intervals(name: str, edges: np.ndarray, offset: float) -> list[str]:
    """Names with the edges as the numbers of the column are, whatever was subtracted of them."""
    if len(edges) == 0:
        return [f"{name} is present"]
    marks = [f"{edge + offset:.15g}" if offset else f"{edge:.9g}" for edge in edges]
    inner = [f"{name} in [{a}, {b})" for a, b in pairwise(marks)]
    return [f"{name} < {marks[0]}", *inner, f"{name} >= {marks[-1]}"]
