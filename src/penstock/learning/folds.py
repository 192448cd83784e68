"""Folds of the training rows."""

from __future__ import annotations

import numpy as np

from penstock.bundle.kinds import Task


def assign_folds(
    y: np.ndarray,
    task: Task,
    n_folds: int,
    seed: int,
    groups: np.ndarray | None = None,
    times: np.ndarray | None = None,
) -> np.ndarray:
    """The fold of each row, int64 (n,), from 0 to ``n_folds - 1``.

    Classes are spread evenly (stratified). Rows of one group share a fold; groups are then dealt out at random. With times,
    folds are blocks of rows that follow each other, and rows of one time share a fold.

    >>> assign_folds(np.array([0, 0, 1, 1]), Task.BINARY, 2, seed=0).reshape(2, 2).sum(axis=1).tolist()
    [1, 1]
    """
    if times is not None:
        _, number, counts = np.unique(times, return_inverse=True, return_counts=True)
        middle = np.cumsum(counts) - (counts + 1) / 2  # of the rows of one time, among all rows
        block = (middle * n_folds / len(y)).astype(np.int64)
        rank = np.arange(len(counts))
        block[0] = 0
        block = rank + np.minimum.accumulate(block - rank)  # no fold is skipped,
        block = np.maximum(block, n_folds - len(counts) + rank)  # and the last one is reached
        return np.asarray(block[number], dtype=np.int64)
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
