"""Curves in blocks, how noisy a block is, and how steadily values rise or fall."""

from __future__ import annotations

import math
from collections.abc import Sequence

from penstock.experiments.curves.curves import Point

BLOCKS = 24


def blocks(points: Sequence[Point], most: int = BLOCKS) -> list[Point]:
    """Means of neighbours: at most so many, of equal length but for one point."""
    n = min(most, len(points))
    cut = [points[i * len(points) // n : (i + 1) * len(points) // n] for i in range(n)]
    return [
        Point(
            part[-1].step,
            sum(p.value for p in part) / len(part),
            min(p.low for p in part),
            max(p.high for p in part),
            part[-1].elapsed_s,
        )
        for part in cut
    ]


def noise_of(level: Sequence[float], points: Sequence[Point], sign: int = 1) -> float:
    """Standard deviation of the noise in the mean of one block.

    Second differences of the blocks hold no straight trend; the first quarter, where curves bend most, is left out. Where
    blocks have many points, how the points scatter gives a second figure, and the larger one counts.
    """
    calm = level[len(level) // 4 :] if len(level) >= 8 else level
    between = _scatter(calm, 1) * (1 + 1.5 / max(1, len(calm) - 2))  # few differences tell it badly: rather too much
    if len(level) >= 16:
        between = max(between, 1.1 * _scatter(calm, 2))
    wide = len(points) / len(level)
    if wide < 4:
        return between
    within = _scatter([p.value * sign for p in points[len(points) // 4 :]], 1) / math.sqrt(wide)
    return max(between, within)


def _scatter(values: Sequence[float], apart: int) -> float:
    """Standard deviation of white noise that would make second differences, of values so far apart, as large as these."""
    bends = [abs(a - 2 * b + c) for a, b, c in zip(values, values[apart:], values[2 * apart :], strict=False)]
    return median(bends) / (0.6745 * math.sqrt(6))


def steadiness(values: Sequence[float]) -> float:
    """Mann and Kendall's z: how steadily values rise (positive) or fall.

    >>> round(steadiness([1, 2, 3, 4, 5, 6]), 2)
    2.82
    """
    n = len(values)
    if n < 3:
        return 0.0
    s = sum((b > a) - (b < a) for i, a in enumerate(values) for b in values[i + 1 :])
    return s / math.sqrt(n * (n - 1) * (2 * n + 5) / 18)


def median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    n = len(ordered)
    return 0.5 * (ordered[(n - 1) // 2] + ordered[n // 2]) if n else 0.0
