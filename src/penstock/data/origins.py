"""Numbers that are kept less an origin (`penstock.bundle.specs.ColumnSpec.origin`), as the source has them.

What tells of sizes, zeros, products and ratios looks at the numbers themselves; what tells of differences, order and repetition at what
is kept, which has all digits.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from penstock.bundle.specs import ColumnSpec


def origins_of(specs: Iterable[ColumnSpec]) -> dict[str, int]:
    """The origins of the columns that have one."""
    return {spec.name: spec.origin for spec in specs if spec.origin}


def itself(value: float, origin: int) -> int | float:
    """A number that is kept less an origin; with one it is an int, as a float64 would round it.

    >>> itself(1.0, 2**60), itself(1.5, 0), itself(float("nan"), 2**60)
    (1152921504606846977, 1.5, nan)
    """
    return round(value) + origin if origin and math.isfinite(value) else value


def themselves(values: np.ndarray, origin: int) -> np.ndarray:
    """Numbers that are kept less an origin, rounded to float64: their size is right, and small differences are lost. float64, shape (n,).

    >>> themselves(np.array([1.0, np.nan]), 2**60)
    array([1.15292150e+18,            nan])
    """
    return values + float(origin) if origin else values


def on_one_scale(before: np.ndarray, now: np.ndarray, origins: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, int]:
    """Numbers of two versions, less the same origin, and that origin; where one version has none, both are rounded to float64.

    >>> on_one_scale(np.array([1.0]), np.array([3.0]), (2**60, 2**60 + 2**48))
    (array([1.]), array([2.81474977e+14]), 1152921504606846976)
    """
    first, second = origins
    if not (first and second):
        return themselves(before, first), themselves(now, second), 0
    return before, now + float(second - first), first
