"""Folds of the training rows."""

from __future__ import annotations

import numpy as np

from penstock.bundle.kinds import Task


def assign_folds(y: np.ndarray, task: Task, n_folds: int, seed: int, groups: np.ndarray | None = None) -> np.ndarray:
    """The fold of each row, int64 (n,), from 0 to ``n_folds - 1``.

    Classes are spread evenly (stratified). Rows of one group share a fold; groups are then dealt out at random.

    >>> assign_folds(np.array([0, 0, 1, 1]), Task.BINARY, 2, seed=0).reshape(2, 2).sum(axis=1).tolist()
    [1, 1]
    """
    rng = np.random.default_rng(seed)
    if groups is not None:
        names, number = np.unique(groups, return_inverse=True)
        return (rng.permutation(len(names)) % n_folds)[number]
    order = rng.permutation(len(y))
    if task.is_classification:
        order = order[np.argsort(y[order], kind="stable")]
    fold = np.empty(len(y), np.int64)
    fold[order] = np.arange(len(y)) % n_folds
    return fold
