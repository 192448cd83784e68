"""Columns moved and stretched: what several scalers learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from penstock.features.doubles import double, doubles, narrowed
from penstock.features.ops import op

if TYPE_CHECKING:
    from spox import Var


@dataclass(frozen=True)
class FittedScale:
    """(x - centre) / scale of each column, in float64; NaN stays NaN, and what is beyond float32 stops at its end.

    Attributes
    ----------
    centre, scale : float64, shape (k,), in the columns' own units; scale is never 0.
    """

    names: tuple[str, ...]
    centre: np.ndarray
    scale: np.ndarray

    def emit(self, inputs: Sequence[Var]) -> Var:
        (x,) = inputs
        return narrowed(op.div(op.sub(double(x), doubles(self.centre)), doubles(self.scale)))


def present(column: np.ndarray) -> np.ndarray:
    """The values that are there, as float64."""
    kept: np.ndarray = column[~np.isnan(column)].astype(np.float64)
    return kept
