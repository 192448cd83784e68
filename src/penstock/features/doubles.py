"""Arithmetic in float64 inside the graph: numbers as large as float32 allows are multiplied and summed without overflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.bundle.packing import FLOAT32_MAX
from penstock.features.ops import const, op

if TYPE_CHECKING:
    from spox import Var

SERIES_BELOW = 1e-3
"""Below this, ln(1 + x) is its series of four terms: exact to 2e-16."""
_SMALL_POWER = 1e-6
"""(x^p - x^-p) / 2p is ln x but for p^2 ln(x)^3 / 6, at most 1.2e-7 for any float32, and for 1.1e-10 of rounding."""


def doubles(values: Any) -> Var:
    """A float64 constant."""
    return const(np.asarray(values, dtype=np.float64))


def double(x: Var) -> Var:
    """float32 as float64: the same numbers."""
    return op.cast(x, to=np.float64)


def narrowed(x: Var) -> Var:
    """float64 as float32, stopped at its largest finite number; NaN stays NaN."""
    return op.cast(op.clip(x, doubles(-FLOAT32_MAX), doubles(FLOAT32_MAX)), to=np.float32)


def logarithm(x: Var) -> Var:
    """ln x of float64 above 0, within 2e-7 of the truth (1.2e-10 where x lies between 1e-5 and 1e5); NaN stays NaN.

    Made of powers, because ONNX's Log gives a row other bits than the same row in a batch: the runtime takes another
    routine for the numbers that are left over behind the last whole vector.
    """
    power = op.pow(x, doubles(_SMALL_POWER))
    return op.div(op.sub(power, op.div(doubles(1.0), power)), doubles(2 * _SMALL_POWER))


def logarithm_of_one_plus(x: Var) -> Var:
    """ln(1 + x) of float64 from 0, also where x is too small to change 1."""
    series = op.sub(
        op.add(doubles(1.0), op.mul(op.mul(x, x), op.sub(doubles(1 / 3), op.div(x, doubles(4.0))))),
        op.div(x, doubles(2.0)),
    )
    return op.where(op.less(x, doubles(SERIES_BELOW)), op.mul(x, series), logarithm(op.add(x, doubles(1.0))))
