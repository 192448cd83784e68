"""Weights that give every class the same say."""

from __future__ import annotations

import numpy as np


def balanced(y: np.ndarray, n_classes: int) -> np.ndarray:
    """One weight per row, so that each class that occurs weighs the same and all weigh n rows together.

    >>> balanced(np.array([0, 0, 0, 1]), 2).round(3).tolist()
    [0.667, 0.667, 0.667, 2.0]
    """
    counts = np.bincount(y, minlength=n_classes)
    return (len(y) / ((counts > 0).sum() * np.maximum(counts, 1)))[y]
