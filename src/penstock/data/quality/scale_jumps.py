"""`scale-jumps`"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.data.quality.check import Finding, failures_or_nearest, finding, unjudged
from penstock.data.quality.orders import orders_of
from penstock.data.quality.view import View

BLOCKS, LEAST_PER_BLOCK = 24, 25
WIDE = 3  # blocks on each side of a cut that are compared
SURE = 5.0  # standard errors
ALIKE = 0.1  # of the distance by which the quartiles moved: so far they may differ
BESIDE = 2.0
"""Times the drift within each side, by which the blocks beside a cut are apart."""
ACROSS = 5.0
"""The same of the blocks on both sides of a block in which the change may lie."""
SEASONS = 2  # times that it went back, from which on a number goes up and down, and is in no other unit
APART = 0.8  # Kolmogorov-Smirnov distance from which on two sides have little in common


class ScaleJumps:
    """A number that is suddenly in another unit or of another size.

    What it does
        Puts the training rows in the order of time (the column by which rows are dealt, and the first three of instants) and in
        that of the source, cuts them into up to 24 blocks, and compares each number on both sides of each cut, three
        blocks wide. A jump is a place where the two sides hardly overlap (Kolmogorov-Smirnov distance of 0.8), and its size is the ratio
        of the medians of the absolute values; or where the quartiles of the absolute values beside zero are all multiplied by
        about the same, surely (five standard errors) and by that much at least. The change has to be abrupt, of more than the drift from block
        to block on either side, and it must not go back twice: seasons do both. It fails above the limit (2 times).
    Why it matters
        A model takes 170 for 170 whether it is centimetres or inches. One changed unit spoils all rows behind it.
    Example that fails
        `weight` is in kilograms up to March, and in pounds from then on: 2.2 times.
    What to do
        Bring the column to one unit at the source. Where the world did jump, say so in a decision, and train on what came after.
    Reference
        Truong, Oudre & Vayatis (2020), Selective review of offline change point detection, Signal Processing 167.
    """

    id = "scale-jumps"

    def judge(self, view: View, limit: float) -> Sequence[Finding]:
        orders = [(order, by) for order, by in orders_of(view) if len(order) >= 2 * LEAST_PER_BLOCK]
        if not orders:
            return [unjudged(self, limit, f"{view.train.n_rows} training rows are too few to cut into blocks")]
        found = []
        for name in view.of_kind(Kind.NUMERIC):
            values = view.themselves(view.train, name)
            jumps = [
                (_largest(values[order], min(BLOCKS, len(order) // LEAST_PER_BLOCK)), order, by) for order, by in orders
            ]
            (size, place, before, after), order, by = max(jumps, key=lambda jump: jump[0][0])
            told = f"median {before:.4g} before and {after:.4g} after row {place} of {len(order)} by {by}"
            if size > 1:
                found.append(finding(self, name, size, limit, told, rows=order[place : place + 1]))
            else:
                found.append(finding(self, name, 1.0, limit, f"no jump by {by}"))
        return failures_or_nearest(self, found, limit, "there are no numeric columns")


def _largest(values: np.ndarray, blocks: int) -> tuple[float, int, float, float]:
    """The largest jump: its size (1 where there is none), its place, and the medians before and after."""
    edges = np.linspace(0, len(values), blocks + 1).astype(int)
    blocked = [values[start:end] for start, end in pairwise(edges.tolist())]
    sizes = [np.abs(block[np.isfinite(block) & (block != 0)]) for block in blocked]
    logs = [np.log(block) for block in sizes]
    best, level = (1.0, 0, np.nan, np.nan), 0.0
    for cut in range(1, blocks):
        beside = slice(max(0, cut - WIDE), cut), slice(cut, cut + WIDE)
        a, b = (np.concatenate(blocked[side]) for side in beside)
        a, b = a[np.isfinite(a)], b[np.isfinite(b)]
        if min(len(a), len(b)) < LEAST_PER_BLOCK:
            continue
        size = _multiplied(*(np.concatenate(logs[side]) for side in beside))
        if (ratio := _ratio(a, b)) > max(size, best[0]) and _are_apart(a, b):
            size = ratio
        if size <= best[0] or not _is_abrupt(logs, cut):
            continue
        best = (size, int(edges[cut]), float(np.median(a)), float(np.median(b)))
        level = float(np.exp(np.mean([np.log(np.median(np.abs(side[side != 0]))) for side in (a, b) if side.any()])))
    return (1.0, 0, np.nan, np.nan) if _turns(sizes, level) >= SEASONS else best


def _is_abrupt(logs: list[np.ndarray], cut: int) -> bool:
    """Whether the blocks beside a cut are further apart than each is from its own neighbour: a season drifts, a unit changes at once.

    The change may lie within a block: the one behind the cut is left out then, and more is asked. `logs` : of each block the
    logarithms of the absolute values.
    """
    for skipped, times in ((0, BESIDE), (1, ACROSS)):
        before, after = cut - 1, cut + skipped
        if after >= len(logs) or not (len(logs[before]) and len(logs[after])):
            continue
        step = abs(float(np.median(logs[after]) - np.median(logs[before])))
        if step > times * max(_drift(logs, before, before - 1), _drift(logs, after, after + 1)):
            return True
    return False


def _drift(logs: list[np.ndarray], at: int, beside: int) -> float:
    """How far a block is surely from its neighbour on the same side; 0 where there is none."""
    if not 0 <= beside < len(logs) or min(len(logs[at]), len(logs[beside])) < 2:
        return 0.0
    spread = [float(np.subtract(*np.percentile(logs[i], [75, 25]))) / 1.349 for i in (at, beside)]
    error = 1.253 * float(np.hypot(*(s / np.sqrt(len(logs[i])) for s, i in zip(spread, (at, beside), strict=True))))
    return max(0.0, abs(float(np.median(logs[at]) - np.median(logs[beside]))) - 2 * error)


def _turns(sizes: list[np.ndarray], level: float) -> int:
    """How often the medians of blocks go back to the side of a level (between the sizes before and after a jump) from which they came.

    `sizes` : of each block the absolute values.
    """
    above = [bool(np.median(size) > level) for size in sizes if len(size)]
    return sum(one is not other for one, other in pairwise(above)) - 1


def _multiplied(*logs: np.ndarray) -> float:
    """How many times the one is the other: by how much all quartiles of the absolute values but zeros surely moved; 1 where they did not.

    In logarithms a changed unit moves all of a distribution by one distance. The standard error of a quartile is that of normal numbers with
    the same distance between the quartiles. `logs` : of each side the logarithms of the absolute values beside zero.
    """
    if min(map(len, logs)) < LEAST_PER_BLOCK:
        return 1.0
    quartiles = np.array([np.percentile(side, [25, 50, 75]) for side in logs])
    moved = quartiles[1] - quartiles[0]
    spread = (quartiles[:, 2] - quartiles[:, 0]) / 1.349
    error = 1.36 * float(np.sqrt((spread**2 / [len(side) for side in logs]).sum()))
    middle = float(np.median(moved))
    if abs(middle) <= SURE * error or np.abs(moved - middle).max() > ALIKE * abs(middle) + 2 * error:
        return 1.0
    return float(np.exp(max(0.0, min(moved * np.sign(middle)) + error)))


def _are_apart(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether their Kolmogorov-Smirnov distance is `APART` at least.

    Where it is, some value has `APART` of the rows of one side up to it, and of the other side at most the rest (1 - `APART`): that is asked
    first, as nothing has to be sorted for it.
    """
    least = APART - 0.01  # what is near is left to the distance itself
    may = (
        np.mean(other <= np.partition(side, place := int(least * len(side)))[place]) <= 1 - least
        for side, other in ((a, b), (b, a))
    )
    return any(may) and _distance(a, b) >= APART


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    """Kolmogorov-Smirnov distance."""
    both = np.sort(np.concatenate([a, b]))  # sorted needles are found much faster
    at = [np.searchsorted(np.sort(side), both, side="right") / len(side) for side in (a, b)]
    return float(np.abs(at[0] - at[1]).max())


def _ratio(a: np.ndarray, b: np.ndarray) -> float:
    """How many times the one median of the absolute values is the other; 1 where one is 0."""
    with np.errstate(over="ignore", invalid="ignore"):  # the middle of two numbers near the largest is infinite
        low, high = sorted(float(np.median(np.abs(side))) for side in (a, b))
        return float(np.float64(high) / low) if low > 0 else 1.0
