"""Scores as functions of row weights with a leading batch axis, and what they are put together from."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Scorer = Callable[[Floats], Floats]
"""Weights (n_batches, n_samples) -> scores (n_batches,)."""


def ratio(numerator: Floats, denominator: Floats, otherwise: float) -> Floats:
    """numerator / denominator, and `otherwise` where the denominator is 0."""
    out = np.full(np.broadcast(numerator, denominator).shape, otherwise)
    np.divide(numerator, denominator, out=out, where=denominator != 0)
    return out


def mean_of(losses: Floats) -> Scorer:
    """The weighted mean of one loss per row."""
    return lambda w: ratio(w @ losses, w.sum(axis=1), np.nan)


def sums_by(groups: Ints, n_groups: int, w: Floats) -> Floats:
    """Sum of weights per group, shape (n_batches, n_groups)."""
    return np.stack([np.bincount(groups, weights=row, minlength=n_groups) for row in w])
