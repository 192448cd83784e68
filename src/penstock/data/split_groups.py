"""Dealing whole groups so that the shares of rows and of classes come out as near as whole groups allow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

FEW = 5_000
"""Groups up to which each is placed where it is missed most; more are dealt within layers, which is as good and faster."""
LAYERS = 10


def deal_groups(codes: np.ndarray, strata: np.ndarray, order: np.ndarray, shares: Sequence[float]) -> np.ndarray:
    """The part of each group, a number from 0: int8, shape (m,).

    Parameters
    ----------
    codes : the group of each row, int, shape (n,). strata : its class, int, shape (n,).
    order : where each group stands, uint64, shape (m,): decides among groups that are alike, and is all that the seed changes.
    shares : of the rows that each part is to have; they add up to 1.

    The largest groups are placed first, each in the part that then misses its classes most: the sum over parts and classes
    (and all rows) of the squared share that is missing becomes least. (As in scikit-learn's StratifiedGroupKFold, for unequal shares.)

    >>> parts = deal_groups(np.repeat(np.arange(10), 5), np.repeat([0, 1], 25), np.arange(10, dtype=np.uint64), (0.6, 0.2, 0.2))
    >>> np.bincount(parts).tolist()
    [6, 2, 2]
    """
    classes, of_row = np.unique(strata, return_inverse=True)
    n_groups = len(order)
    held = np.zeros((n_groups, len(classes)))
    np.add.at(held, (codes, of_row), 1.0)
    wanted = np.asarray(shares, dtype=np.float64)
    if n_groups > FEW:
        return _within_layers(held, order, wanted)
    sizes = np.bincount(codes, minlength=n_groups)
    held = np.column_stack([held / held.sum(axis=0), sizes / len(codes)])  # shares of the classes, and of all rows
    parts = np.empty(n_groups, dtype=np.int8)
    missing = np.repeat(wanted[:, None], held.shape[1], axis=1)
    allowed = np.flatnonzero(wanted > 0)
    for group in np.lexsort((order, -sizes)).tolist():
        # |missing - held|^2 - |missing|^2 for each part: the least is the best
        change = held[group] @ (held[group][:, None] - 2.0 * missing[allowed].T)
        best = int(allowed[np.argmin(change)])
        parts[group] = best
        missing[best] -= held[group]
    return parts


def _within_layers(held: np.ndarray, order: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Groups with alike shares of their classes are a layer; each is cut at the shares, by the groups' own order."""
    usual = held.sum(axis=0) / held.sum()
    share = held / held.sum(axis=1, keepdims=True)
    over = np.argmax(share / usual, axis=1)  # the class that it has most too much of
    much = share[np.arange(len(over)), over]
    layer = over * LAYERS + np.minimum((much * LAYERS).astype(np.int64), LAYERS - 1)
    ranked = np.lexsort((order, layer))
    sizes, sorted_layer = held.sum(axis=1)[ranked], layer[ranked]
    starts = np.flatnonzero(np.r_[True, np.diff(sorted_layer) != 0])
    lengths = np.diff(np.r_[starts, len(ranked)])
    ends = np.cumsum(sizes)
    before = np.repeat(np.r_[0.0, ends][starts], lengths)
    total = np.repeat(np.add.reduceat(sizes, starts), lengths)
    middle = (ends - sizes / 2 - before) / total
    parts = np.empty(len(order), dtype=np.int8)
    parts[ranked] = np.searchsorted(np.cumsum(wanted)[:-1], middle, side="right").astype(np.int8)
    return parts
