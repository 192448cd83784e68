"""Whether a probability of 0.8 comes true in 8 of 10 cases."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from penstock.data.shares import wilson
from penstock.evaluation.probabilities import calibration_bin, confidence_and_hit

BINS = 10


def reliability(y: npt.ArrayLike, probabilities: npt.ArrayLike, n_bins: int = BINS) -> list[dict[str, Any]]:
    """The points of a reliability diagram, empty bins left out.

    Two classes: the probability of the positive one against how often it happened. More: the probability of the most
    probable class against how often that class was right.

    Parameters
    ----------
    y : int64 class codes, shape (n_samples,)
    probabilities : shape (n_samples, n_classes)

    Returns
    -------
    list of ``{"stated", "observed", "low", "high", "rows"}``: mean probability, share observed with its Wilson
    interval, and the number of rows of each equal-width bin.
    """
    confidence, hit = confidence_and_hit(np.asarray(y), np.asarray(probabilities, dtype=np.float64))
    bins = calibration_bin(confidence, n_bins)
    rows = np.bincount(bins, minlength=n_bins)
    stated = np.bincount(bins, weights=confidence, minlength=n_bins)
    observed = np.bincount(bins, weights=hit, minlength=n_bins)
    points = []
    for b in np.flatnonzero(rows):
        low, high = wilson(float(observed[b]), float(rows[b]))
        point = {"stated": float(stated[b] / rows[b]), "observed": float(observed[b] / rows[b])}
        points.append({**point, "low": low, "high": high, "rows": int(rows[b])})
    return points
