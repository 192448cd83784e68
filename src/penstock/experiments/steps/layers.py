"""Where the boxes of a graph go: layers from top to bottom, few crossings, short lines (Sugiyama, Tagawa and Toda 1981).

The same arrangement is drawn as text, in characters, and as SVG, in pixels.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

SWEEPS = 8
"""Passes down and up; with more the order of small graphs changes no further."""

Spot = tuple[str, int]
"""A box, as ``(name, its layer)``, or a bend in the lines that leave a box, as ``(name, a later layer)``."""


@dataclass(frozen=True)
class Arrangement:
    """An arranged graph.

    Attributes
    ----------
    layers : spots from left to right, layer by layer from the top.
    centre : of each spot, across.
    paths : (from, to) -> the spots that the line of an edge goes through, both ends included.
    """

    layers: list[list[Spot]]
    centre: dict[Spot, int]
    paths: dict[tuple[str, str], list[Spot]]
    depth: dict[str, int] = field(default_factory=dict)

    def is_box(self, spot: Spot) -> bool:
        """Whether a spot is a box rather than a bend."""
        return self.depth[spot[0]] == spot[1]


def arrange(widths: Mapping[str, int], edges: Sequence[tuple[str, str]], *, gap: int, bend: int) -> Arrangement:
    """Arrange boxes.

    Parameters
    ----------
    widths : name -> width of its box; names in an order in which every edge points forward.
    gap : room between two neighbours. bend : room that a line takes where it passes a layer.
    """
    depth = _depths(list(widths), edges)
    layers: list[list[Spot]] = [[] for _ in range(1 + max(depth.values(), default=-1))]
    for name in widths:
        layers[depth[name]].append((name, depth[name]))
    paths: dict[tuple[str, str], list[Spot]] = {}
    for start, end in dict.fromkeys(edges):
        bends = [(start, level) for level in range(depth[start] + 1, depth[end])]
        for spot in bends:
            if spot not in layers[spot[1]]:
                layers[spot[1]].append(spot)
        paths[start, end] = [(start, depth[start]), *bends, (end, depth[end])]
    above: dict[Spot, set[Spot]] = {spot: set() for layer in layers for spot in layer}
    below: dict[Spot, set[Spot]] = {spot: set() for layer in layers for spot in layer}
    for path in paths.values():
        for first, second in itertools.pairwise(path):
            below[first].add(second)
            above[second].add(first)

    def width(spot: Spot) -> int:
        return widths[spot[0]] if depth[spot[0]] == spot[1] else bend

    best, crossings = [list(layer) for layer in layers], _crossings(layers, below)
    for sweep in range(SWEEPS):
        _reorder(layers, above if sweep % 2 == 0 else below, downwards=sweep % 2 == 0)
        if (now := _crossings(layers, below)) < crossings:
            best, crossings = [list(layer) for layer in layers], now
    centre = _centres(best, above, below, width, gap)
    return Arrangement(best, centre, paths, depth)


def _depths(names: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """The longest way from the top to each box."""
    depth = dict.fromkeys(names, 0)
    for name in names:
        depth[name] = max((depth[start] + 1 for start, end in edges if end == name), default=0)
    return depth


def _reorder(layers: list[list[Spot]], beside: Mapping[Spot, set[Spot]], *, downwards: bool) -> None:
    """Sort each layer by the mean place of its neighbours in the layer before."""
    levels = range(1, len(layers)) if downwards else range(len(layers) - 2, -1, -1)
    for level in levels:
        place = {spot: i for i, spot in enumerate(layers[level - 1 if downwards else level + 1])}
        own = {spot: i for i, spot in enumerate(layers[level])}

        def mean(spot: Spot, place: dict[Spot, int] = place, own: dict[Spot, int] = own) -> float:
            near = [place[other] for other in beside[spot]]
            return sum(near) / len(near) if near else own[spot]

        layers[level].sort(key=mean)


def _crossings(layers: list[list[Spot]], below: Mapping[Spot, set[Spot]]) -> int:
    """How many pairs of lines cross."""
    count = 0
    for upper, lower in itertools.pairwise(layers):
        place = {spot: i for i, spot in enumerate(lower)}
        lines = [(i, place[end]) for i, spot in enumerate(upper) for end in below[spot]]
        count += sum(a < c and b > d for a, b in lines for c, d in lines)
    return count


def _centres(
    layers: list[list[Spot]],
    above: Mapping[Spot, set[Spot]],
    below: Mapping[Spot, set[Spot]],
    width: Callable[[Spot], int],
    gap: int,
) -> dict[Spot, int]:
    """Each spot as near to the mean of its neighbours as the order and the room between them allow."""
    room = {
        level: [(width(left) + 1) // 2 + gap + (width(right) + 1) // 2 for left, right in itertools.pairwise(layer)]
        for level, layer in enumerate(layers)
    }
    centre: dict[Spot, float] = {}
    for level, layer in enumerate(layers):
        at = 0
        for index, spot in enumerate(layer):
            at += room[level][index - 1] if index else 0
            centre[spot] = at
    for sweep in range(SWEEPS):
        levels = list(range(len(layers)))
        for level in levels if sweep % 2 == 0 else reversed(levels):
            wished = []
            for spot in layers[level]:
                near = [centre[other] for other in (above if sweep % 2 == 0 else below)[spot]]
                wished.append(sum(near) / len(near) if near else centre[spot])
            centre.update(zip(layers[level], _spaced(wished, room[level]), strict=True))
    left = min((round(centre[spot]) - width(spot) // 2 for spot in centre), default=0)
    return {spot: round(at) - left for spot, at in centre.items()}


def _spaced(wished: Sequence[float], room: Sequence[int]) -> list[int]:
    """The places nearest to the wished ones (least squares) that keep the order and the room between neighbours.

    Isotonic regression by pooling adjacent violators, on places from which the room before them is taken.

    >>> _spaced([10, 10, 30], [8, 8])
    [6, 14, 30]
    """
    offsets = [0]
    for space in room:
        offsets.append(offsets[-1] + space)
    pools: list[tuple[float, int]] = []
    for value, offset in zip(wished, offsets, strict=False):
        mean, size = value - offset, 1
        while pools and pools[-1][0] > mean:
            before, count = pools.pop()
            mean, size = (mean * size + before * count) / (size + count), size + count
        pools.append((mean, size))
    flat = [round(mean) for mean, size in pools for _ in range(size)]
    return [value + offset for value, offset in zip(flat, offsets, strict=False)]
