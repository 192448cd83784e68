"""Scores of predicted numbers: how far they are from the true ones."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from penstock.evaluation.scorers import Floats, Scorer, mean_of, ratio


def r2(y: npt.NDArray[np.generic], value: Floats) -> Scorer:
    """Share of the variance explained."""
    truth = y.astype(np.float64)
    if len(truth) == 0 or (truth == truth[0]).all():  # exact: a mean's rounding would leave a spread of 1e-32
        return lambda w: np.full(len(w), np.nan)
    centred = truth - truth.mean()
    squares, losses = centred**2, (truth - value) ** 2

    def score(w: Floats) -> Floats:
        total, mean_part = w @ squares, ratio((w @ centred) ** 2, w.sum(axis=1), 0.0)
        spread = total - mean_part
        spread = np.where(spread <= 1e-14 * total, 0.0, spread)  # a replicate of one value: nothing but rounding
        return 1.0 - ratio(w @ losses, spread, np.nan)

    return score


def median_ae(y: npt.NDArray[np.generic], value: Floats) -> Scorer:
    """Median absolute error; the mean of the two middle ones where they differ."""
    errors = np.abs(y.astype(np.float64) - value)
    order = np.argsort(errors, kind="stable")
    ranked = errors[order]

    def score(w: Floats) -> Floats:
        reached = np.cumsum(w[:, order], axis=1)
        half = reached[:, -1:] / 2
        lower = np.argmax(reached >= half, axis=1)
        upper = np.argmax(reached > half, axis=1)
        return np.where(half[:, 0] > 0, (ranked[lower] + ranked[upper]) / 2, np.nan)

    return score


def rmse(y: npt.NDArray[np.generic], value: Floats) -> Scorer:
    mean_square = mean_of((y.astype(np.float64) - value) ** 2)
    return lambda w: np.sqrt(mean_square(w))


def mae(y: npt.NDArray[np.generic], value: Floats) -> Scorer:
    return mean_of(np.abs(y.astype(np.float64) - value))


def mape(y: npt.NDArray[np.generic], value: Floats) -> Scorer:
    truth = y.astype(np.float64)
    return mean_of(np.abs(truth - value) / np.maximum(np.abs(truth), float(np.finfo(np.float64).eps)))
