"""Scores of the probabilities themselves."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from penstock.evaluation.scorers import Floats, Ints, Scorer, mean_of, ratio, sums_by

ECE_BINS = 15


def log_loss(y: npt.NDArray[np.generic], p: Floats) -> Scorer:
    """Mean of -log p(true class), probabilities clipped at the resolution of float64."""
    eps = float(np.finfo(np.float64).eps)
    return mean_of(-np.log(np.clip(p[np.arange(len(y)), y], eps, 1 - eps)))


def brier(y: npt.NDArray[np.generic], p: Floats) -> Scorer:
    """Binary: (p - y)^2 of the positive class. More: summed over classes. Brier (1950), Mon. Weather Rev. 78, 1."""
    if p.shape[1] == 2:
        return mean_of((p[:, 1] - (y == 1)) ** 2)
    return mean_of(((p - (y[:, None] == np.arange(p.shape[1]))) ** 2).sum(axis=1))


def confidence_and_hit(y: npt.NDArray[np.generic], p: Floats) -> tuple[Floats, Floats]:
    """What calibration compares: binary, P(positive) and whether it was; more, P(top class) and whether it hit."""
    if p.shape[1] == 2:
        return p[:, 1], (y == 1).astype(np.float64)
    return p.max(axis=1), (np.argmax(p, axis=1) == y).astype(np.float64)


def calibration_bin(confidence: Floats, n_bins: int = ECE_BINS) -> Ints:
    """Number of the equal-width bin of each confidence; 1.0 belongs to the last."""
    return np.clip(np.floor(confidence * n_bins), 0, n_bins - 1).astype(np.int64)


def ece(y: npt.NDArray[np.generic], p: Floats) -> Scorer:
    """Expected calibration error over 15 equal-width bins. Naeini et al. (2015), AAAI; Guo et al. (2017), ICML."""
    confidence, hit = confidence_and_hit(y, p)
    bins, gap = calibration_bin(confidence), confidence - hit
    return lambda w: ratio(np.abs(sums_by(bins, ECE_BINS, w * gap)).sum(axis=1), w.sum(axis=1), np.nan)
