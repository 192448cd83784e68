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
    rows = _rows_of(codes, strata, len(order))
    wanted = np.asarray(shares, dtype=np.float64)
    if len(order) > FEW:
        return _within_layers(rows, order, wanted)
    held, sizes = _shares_of(rows), rows.sum(axis=1)
    parts = np.empty(len(order), dtype=np.int8)
    missing = np.repeat(wanted[:, None], held.shape[1], axis=1)
    allowed = np.flatnonzero(wanted > 0)
    for group in np.lexsort((order, -sizes)).tolist():
        # |missing - held|^2 - |missing|^2 for each part: the least is the best
        change = held[group] @ (held[group][:, None] - 2.0 * missing[allowed].T)
        best = int(allowed[np.argmin(change)])
        parts[group] = best
        missing[best] -= held[group]
    return parts


def deal_unseen_groups(
    codes: np.ndarray, strata: np.ndarray, order: np.ndarray, barred: np.ndarray, shares: Sequence[float]
) -> np.ndarray:
    """As `deal_groups` for (train, valid, test), but that barred groups never test: int8, shape (m,).

    The others fill the test share as far as they go, each class as near to its share of all rows as they allow; what is left
    trains and validates in its shares.

    Parameters
    ----------
    barred : of each group, bool, shape (m,).

    >>> codes, strata = np.repeat(np.arange(10), 5), np.repeat([0, 1], 25)
    >>> barred = np.isin(np.arange(10), [0, 1, 2, 3, 5, 6, 7, 8])
    >>> deal_unseen_groups(codes, strata, np.arange(10, dtype=np.uint64), barred, (0.6, 0.2, 0.2)).tolist()
    [0, 0, 0, 1, 2, 0, 0, 1, 0, 2]
    """
    train, valid, test = shares
    free = np.flatnonzero(~barred)
    parts = np.zeros(len(order), dtype=np.int8)
    parts[free[_filling(_shares_of(_rows_of(codes, strata, len(order)))[free], order[free], test)]] = 2
    rest, rows = np.flatnonzero(parts != 2), np.flatnonzero(parts[codes] != 2)
    if len(rest):
        number = np.zeros(len(order), dtype=np.int64)
        number[rest] = np.arange(len(rest))
        both = train + valid
        parts[rest] = deal_groups(number[codes[rows]], strata[rows], order[rest], (train / both, valid / both))
    return parts


def _filling(held: np.ndarray, order: np.ndarray, share: float) -> np.ndarray:
    """Groups that together hold about a share of each class and of all rows, the largest looked at first: bool, shape (m,)."""
    chosen = np.zeros(len(order), dtype=bool)
    missing = np.full(held.shape[1], share)
    for group in np.lexsort((order, -held[:, -1])).tolist():
        if held[group] @ (held[group] - 2.0 * missing) < 0:  # |missing - held|^2 < |missing|^2
            chosen[group] = True
            missing -= held[group]
    return chosen


def _rows_of(codes: np.ndarray, strata: np.ndarray, n_groups: int) -> np.ndarray:
    """Rows of each group, by class: shape (m, number of classes)."""
    classes, of_row = np.unique(strata, return_inverse=True)
    rows = np.zeros((n_groups, len(classes)))
    np.add.at(rows, (codes, of_row), 1.0)
    return rows


def _shares_of(rows: np.ndarray) -> np.ndarray:
    """What each group holds of each class, and of all rows, as shares: shape (m, number of classes + 1)."""
    return np.column_stack([rows / rows.sum(axis=0), rows.sum(axis=1) / rows.sum()])


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
