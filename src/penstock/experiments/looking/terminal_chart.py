"""Curves as characters, each eight dots (Braille), in colours where the terminal has them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from penstock.experiments.curves.curve_chart import wants_log
from penstock.experiments.curves.curves import Point
from penstock.experiments.looking.properties import shown

COLOURS = ("cyan", "yellow", "green", "magenta", "red", "blue")
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # row of the cell, then left and right


@dataclass(frozen=True)
class Drawn:
    """One line of a picture, in pieces of one colour each; "" is the terminal's own."""

    pieces: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return "".join(text for text, _ in self.pieces)


def chart(series: Sequence[tuple[str, Sequence[Point]]], *, width: int = 72, height: int = 8) -> list[Drawn]:
    """Some curves on common axes, with their names and last values above; nothing where none has two points.

    A cell in which several curves meet has the colour of the last of them.
    """
    series = [(name, points) for name, points in series if len(points) > 1]
    if not series:
        return []
    values = [p.value for _, points in series for p in points]
    log = wants_log(values)
    level = math.log10 if log else float
    low, high = level(min(values)), level(max(values))
    first = min(points[0].step for _, points in series)
    last = max(points[-1].step for _, points in series)
    labels = [shown(max(values)), shown(min(values))]
    margin = max(len(label) for label in labels) + 1
    columns, rows = max(8, width - margin - 1), max(2, height)
    dots = [[0] * columns for _ in range(rows)]
    owner = [[-1] * columns for _ in range(rows)]
    for number, (_, points) in enumerate(series):
        before: tuple[int, int] | None = None
        for point in points:
            x = round((point.step - first) / (last - first) * (2 * columns - 1)) if last > first else 0
            share = (level(point.value) - low) / (high - low) if high > low else 0.5
            place = (min(max(x, 0), 2 * columns - 1), round((1 - share) * (4 * rows - 1)))
            for at_x, at_y in _between(before, place):
                dots[at_y // 4][at_x // 2] |= _DOTS[at_y % 4][at_x % 2]
                owner[at_y // 4][at_x // 2] = number
            before = place
    lines = [_legend(series, log)]
    for row in range(rows):
        label = labels[0] if row == 0 else labels[1] if row == rows - 1 else ""
        lines.append(Drawn(((f"{label:>{margin - 1}} │", ""), *_cells(dots[row], owner[row]))))
    ends = f"{shown(first)}".ljust(columns - len(f"step {shown(last)}")) + f"step {shown(last)}"
    lines.append(Drawn(((" " * (margin - 1) + " └" + "─" * columns, ""),)))
    lines.append(Drawn(((" " * (margin + 1) + ends, ""),)))
    return lines


def _legend(series: Sequence[tuple[str, Sequence[Point]]], log: bool) -> Drawn:
    pieces: list[tuple[str, str]] = []
    for number, (name, points) in enumerate(series):
        pieces.append((f"{'   ' if number else ''}━ {name} ", COLOURS[number % len(COLOURS)]))
        pieces.append((shown(points[-1].value), ""))
    return Drawn((*pieces, *([("   (logarithmic)", "")] if log else [])))


def _cells(dots: Sequence[int], owner: Sequence[int]) -> list[tuple[str, str]]:
    pieces: list[tuple[str, str]] = []
    for dot, number in zip(dots, owner, strict=True):
        text, colour = (chr(0x2800 + dot), COLOURS[number % len(COLOURS)]) if dot else (" ", "")
        if pieces and pieces[-1][1] == colour:
            pieces[-1] = (pieces[-1][0] + text, colour)
        else:
            pieces.append((text, colour))
    return pieces


def _between(start: tuple[int, int] | None, end: tuple[int, int]) -> list[tuple[int, int]]:
    """The dots of a straight line, its start left out."""
    if start is None:
        return [end]
    n = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
    return [
        (round(start[0] + (end[0] - start[0]) * i / n), round(start[1] + (end[1] - start[1]) * i / n))
        for i in range(1, n + 1)
    ]
