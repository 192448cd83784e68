"""A graph as a picture: characters for the terminal, SVG for a page.

Both show the same: boxes in layers from top to bottom, each with a name and a second line, and lines between them.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

from penstock.experiments.steps.layers import Arrangement, Spot, arrange

Mood = Literal["good", "warn", "bad", "plain"]


@dataclass(frozen=True)
class Box:
    """One box: its title, a second line, a mood that colours it in SVG, and a text that a pointer over it shows."""

    title: str
    note: str = ""
    mood: Mood = "plain"
    tip: str = ""


Edges = Mapping[tuple[str, str], str]
"""(from, to) -> what goes over the line, for people."""

# Which sides of a cell its lines leave by: north 1, east 2, south 4, west 8.
_GLYPHS = " ╵╶╰╷│╭├╴╯─┴╮┤┬┼"


def draw_text(boxes: Mapping[str, Box], edges: Edges, *, width: int | None = None) -> str:
    """A graph for the terminal. Lines that cross without meeting are drawn as one passing under the other.

    Parameters
    ----------
    boxes : by name, in an order in which every edge points forward.
    width : of the terminal; a picture that is wider becomes a list.

    >>> print(draw_text({"a": Box("prepare"), "b": Box("train", "stale")}, {("a", "b"): "clean.csv"}))
    ┌─────────┐
    │ prepare │
    └────┬────┘
         ▼
     ┌───────┐
     │ train │
     │ stale │
     └───────┘
    """
    sizes = {name: max(_cells(box.title), _cells(box.note)) + 4 for name, box in boxes.items()}
    arrangement = arrange({name: size | 1 for name, size in sizes.items()}, list(edges), gap=2, bend=1)
    canvas = _Canvas()
    top = 0
    for level, layer in enumerate(arrangement.layers):
        real = [spot for spot in layer if arrangement.is_box(spot)]
        height = 2 + max((1 + bool(boxes[name].note) for name, _ in real), default=1)
        ways = _ways(arrangement, level)
        for spot in layer:
            if arrangement.is_box(spot):
                leaves = any(start == spot for start, _ in ways)
                _box(canvas, boxes[spot[0]], arrangement.centre[spot], top, sizes[spot[0]] | 1, height, leaves)
            else:
                for row in range(top, top + height):
                    canvas.put(row, arrangement.centre[spot], "│")
        top += height
        if ways:
            top += _lines(canvas, arrangement, ways, top)
    text = canvas.text()
    if width is not None and max((_cells(line) for line in text.splitlines()), default=0) > width:
        return draw_list(boxes, edges)
    return text


def draw_list(boxes: Mapping[str, Box], edges: Edges) -> str:
    """A graph as lines: each box, and what it follows. For graphs that are too wide for the terminal."""
    lines = []
    for name, box in boxes.items():
        after = [boxes[start].title for start, end in edges if end == name]
        lines.append(box.title + (f" [{box.note}]" if box.note else "") + (f" <- {', '.join(after)}" if after else ""))
    return "\n".join(lines)


class _Canvas:
    """Characters by row and column."""

    def __init__(self) -> None:
        self._rows: dict[int, dict[int, str]] = {}

    def put(self, row: int, column: int, text: str) -> None:
        cells = self._rows.setdefault(row, {})
        for character in text:
            cells[column] = character
            column += _cells(character)

    def text(self) -> str:
        lines = []
        for row in range(1 + max(self._rows, default=-1)):
            line, at = "", 0
            for column, character in sorted(self._rows.get(row, {}).items()):
                line += " " * (column - at) + character
                at = column + _cells(character)
            lines.append(line.rstrip())
        return "\n".join(lines)


def _cells(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _box(canvas: _Canvas, box: Box, centre: int, top: int, size: int, height: int, leaves: bool) -> None:
    left, inner = centre - size // 2, size - 2
    canvas.put(top, left, "┌" + "─" * inner + "┐")
    rows = [box.title, *([box.note] if box.note else []), *[""] * height][: height - 2]
    for row, text in enumerate(rows, start=top + 1):
        room = inner - _cells(text)
        canvas.put(row, left, "│" + " " * (room // 2) + text + " " * (room - room // 2) + "│")
    floor = "─" * (inner // 2) + ("┬" if leaves else "─") + "─" * (inner // 2)
    canvas.put(top + height - 1, left, f"└{floor}┘")


def _ways(arrangement: Arrangement, level: int) -> dict[tuple[Spot, Spot], None]:
    """The pieces of lines between a layer and the next."""
    return {
        (first, second): None
        for path in arrangement.paths.values()
        for first, second in itertools.pairwise(path)
        if first[1] == level
    }


def _lines(canvas: _Canvas, arrangement: Arrangement, ways: Mapping[tuple[Spot, Spot], None], top: int) -> int:
    """Draw the lines between two layers and give the number of rows that they take.

    Spots above that lead to the same spots below share a line; each line that runs across has a row of its own.
    """
    at = arrangement.centre
    ends: dict[int, set[int]] = {}
    for first, second in ways:
        ends.setdefault(at[first], set()).add(at[second])
    shared: dict[frozenset[int], set[int]] = {}
    for column, below in ends.items():
        shared.setdefault(frozenset(below), set()).add(column)
    lines = [_Line(starts, set(below)) for below, starts in shared.items()]
    across = _in_rows([line for line in lines if line.starts != line.ends or len(line.ends) > 1])
    last = top + len(across)
    turn = {id(line): top + row for row, line in enumerate(across)}
    for line in lines:
        down = turn.get(id(line), last)
        for column in line.starts:
            for row in range(top, down):
                canvas.put(row, column, "│")
        for column in line.ends:
            for row in range(down + (id(line) in turn), last):
                canvas.put(row, column, "│")
    for row, line in enumerate(across, start=top):
        low, high = min(line.starts | line.ends), max(line.starts | line.ends)
        others = [other for other in lines if other is not line]
        for column in range(low, high + 1):
            falls = any(column in other.ends and turn.get(id(other), top) < row for other in others)
            comes = any(column in other.starts and turn.get(id(other), last) > row for other in others)
            if (falls or comes) and column not in line.starts | line.ends:
                canvas.put(row, column, "│")  # the other passes over this one
                continue
            north = column in line.starts or falls or comes
            mask = north * 1 + (column < high) * 2 + (column in line.ends) * 4 + (column > low) * 8
            canvas.put(row, column, _GLYPHS[mask])
    for _, second in ways:
        canvas.put(last, at[second], "▼" if arrangement.is_box(second) else "│")
    return len(across) + 1


@dataclass(frozen=True)
class _Line:
    """One line between two layers: the columns it comes down in, and those that it leaves by."""

    starts: set[int]
    ends: set[int]


def _in_rows(lines: list[_Line]) -> list[_Line]:
    """Lines in an order in which none falls onto one that is still coming down, as far as there is such an order."""
    left, order = list(lines), []
    while left:
        free = [a for a in left if not any((a.ends - b.ends) & b.starts for b in left if b is not a)]
        order.append(free[0] if free else left[0])
        left.remove(order[-1])
    return order


# --- SVG ---------------------------------------------------------------------------------------------------------------

_STYLE = """svg { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
rect { fill: #fff; stroke: #8d9aa2; stroke-width: 1.2; } text { fill: #18242c; } .note { fill: #5b6b75; font-size: 11px; }
path { fill: none; stroke: #8d9aa2; stroke-width: 1.5; } .head { fill: #8d9aa2; stroke: none; }
.good rect { stroke: #22794a; } .good .note { fill: #22794a; } .bad rect { stroke: #b23a32; fill: #fbe9e7; } .bad .note { fill: #b23a32; }
.warn rect { stroke: #9a6200; stroke-dasharray: 5 3; fill: #fdf1da; } .warn .note { fill: #9a6200; }
@media (prefers-color-scheme: dark) { rect { fill: #1a2227; } text { fill: #e6ecef; } .note { fill: #a3b1b9; }
.good rect { stroke: #6ecb94; } .good .note { fill: #6ecb94; } .bad rect { stroke: #f08a80; fill: #3a211f; } .bad .note { fill: #f08a80; }
.warn rect { stroke: #e5b252; fill: #382c14; } .warn .note { fill: #e5b252; } }"""
_BOX_PX, _GAP_PX, _EDGE_PX = 46, 44, 12


def draw_svg(boxes: Mapping[str, Box], edges: Edges, *, name: str = "graph") -> str:
    """A graph as one SVG file: no script, nothing from elsewhere, light and dark. Colours follow the boxes' moods."""
    sizes = {key: round(max(8.2 * _cells(b.title), 6.6 * _cells(b.note))) + 28 for key, b in boxes.items()}
    arrangement = arrange(sizes, list(edges), gap=26, bend=10)
    at = arrangement.centre

    def top(level: int) -> int:
        return _EDGE_PX + level * (_BOX_PX + _GAP_PX)

    right = max((at[s] + (sizes[s[0]] if arrangement.is_box(s) else 10) / 2 for s in at), default=0)
    wide, tall = round(right + 2 * _EDGE_PX), top(len(arrangement.layers)) - _GAP_PX + _EDGE_PX
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {max(tall, 24)}" width="{wide}" '
        f'height="{max(tall, 24)}" role="img" aria-label="{escape(name)}"><style>{_STYLE}</style>'
    ]
    for (start, end), what in edges.items():
        parts.append(_curve([(at[s] + _EDGE_PX, s[1]) for s in arrangement.paths[start, end]], top, what))
    for key, box in boxes.items():
        spot = (key, arrangement.depth[key])
        x, y, size = at[spot] + _EDGE_PX, top(spot[1]), sizes[key]
        shown = [f'<text x="{x}" y="{y + (20 if box.note else 28)}" text-anchor="middle">{escape(box.title)}</text>']
        if box.note:
            shown.append(f'<text class="note" x="{x}" y="{y + 36}" text-anchor="middle">{escape(box.note)}</text>')
        tip = f"<title>{escape(box.tip)}</title>" if box.tip else ""
        parts.append(
            f'<g class="{box.mood}">{tip}<rect x="{x - size / 2:g}" y="{y}" width="{size}" height="{_BOX_PX}" rx="7"/>'
            f"{''.join(shown)}</g>"
        )
    return "".join(parts) + "</svg>\n"


def _curve(spots: Sequence[tuple[int, int]], top: Callable[[int], int], what: str) -> str:
    """A line through spots, from the floor of the first box to an arrow on the last."""
    x, level = spots[0]
    y = top(level) + _BOX_PX
    path = [f"M{x} {y}"]
    for index, (to, level) in enumerate(spots[1:], start=1):
        final = index == len(spots) - 1
        down = top(level) - (6 if final else 0)
        half = (y + down) / 2
        path.append(f"C{x} {half:g} {to} {half:g} {to} {down}")
        x, y = to, down
        if not final:
            y = top(level) + _BOX_PX
            path.append(f"L{x} {y}")
    head = f'<path class="head" d="M{x - 4} {y - 1} L{x + 4} {y - 1} L{x} {y + 6} Z"/>'
    return f'<g><title>{escape(what)}</title><path d="{" ".join(path)}"/>{head}</g>'
