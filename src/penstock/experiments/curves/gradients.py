"""What the norms of gradients say: vanishing and exploding, along the run and between layers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from penstock.experiments.curves.curves import Curve, Point
from penstock.experiments.curves.findings import Finding, Kind
from penstock.experiments.curves.noise import median

FEWEST = 5
DEAD = 1e-7
"""A norm of which hardly anything is left in float32."""


def gradients(curves: Sequence[Curve]) -> Iterable[Finding]:
    """Vanishing and exploding norms: along the run, and between layers."""
    ends: dict[str, float] = {}
    for curve in curves:
        points = curve.points
        if len(points) < FEWEST:
            continue
        quarter = max(1, len(points) // 4)
        first = median([p.value for p in points[:quarter]])
        last = ends[curve.name] = median([p.value for p in points[-quarter:]])
        middle = median([p.value for p in points])
        peak = max(points, key=lambda p: p.high)
        if last <= DEAD or (first > 0 and last < 1e-4 * first):
            yield _gradient(
                "vanishing-gradients",
                curve,
                f"{curve.name} fell from {first:.3g} to {last:.3g}",
                _since(points, last, first),
            )
        elif first > 0 and last > 100 * first:
            yield _gradient(
                "exploding-gradients",
                curve,
                f"{curve.name} grew from {first:.3g} to {last:.3g}",
                _since(points, last, first),
            )
        elif middle > 0 and peak.high > 100 * middle:
            why = f"{curve.name} leapt to {peak.high:.3g} at step {peak.step:g}; its median is {middle:.3g}"
            yield _gradient("exploding-gradients", curve, why, peak)
    if len(ends) > 1:
        small, large = min(ends, key=ends.__getitem__), max(ends, key=ends.__getitem__)
        if 0 < ends[small] < 1e-4 * ends[large] and ends[small] > DEAD:
            curve = next(c for c in curves if c.name == small)
            why = f"{small} is {ends[small]:.3g}, {large} {ends[large]:.3g}: hardly anything reaches the first of them"
            yield _gradient("vanishing-gradients", curve, why, None)


def _gradient(kind: Kind, curve: Curve, why: str, point: Point | None) -> Finding:
    where = (None, None) if point is None else (point.step, point.elapsed_s)
    return Finding(kind, curve.name, why, *where)


def _since(points: Sequence[Point], last: float, first: float) -> Point:
    """Where the way from the first level to the last one was half done, in orders of magnitude."""
    half = math.sqrt(max(first, 1e-300) * max(last, 1e-300))
    falling = last < first
    return next((p for p in points if (p.value < half) == falling), points[-1])
