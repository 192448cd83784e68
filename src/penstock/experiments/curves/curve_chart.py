"""Many curves in one picture, as SVG without a script: an axis of steps, an axis of values (logarithmic where that helps)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from penstock.experiments.curves.curves import Point

WIDTH, HEIGHT = 520, 300
LEFT, RIGHT, TOP, BOTTOM = 62.0, 14.0, 12.0, 40.0
MOST_POINTS = 240


@dataclass(frozen=True)
class Line:
    """One curve: the class that gives its colour, what a pointer over it shows, its points, and marked ones with a text each."""

    style: str
    title: str
    points: Sequence[Point]
    marks: Sequence[tuple[Point, str]] = ()


def draw(lines: Sequence[Line], *, name: str) -> str:
    """The picture; "" where no line has a point."""
    drawn = [(line, thinned(line.points, MOST_POINTS if len(lines) <= 20 else 80)) for line in lines if line.points]
    if not drawn:
        return ""
    steps = [p.step for _, points in drawn for p in points]
    values = [p.value for _, points in drawn for p in points]
    x = _Scale(min(steps), max(steps), LEFT, WIDTH - RIGHT, log=False)
    log = wants_log(values)
    y = _Scale(min(values), max(values), HEIGHT - BOTTOM, TOP, log=log, air=0.04)
    parts = _axes(x, y, "step", name + (" (logarithmic)" if log else ""))
    for line, points in drawn:
        if len(points) == 1:
            place = f'cx="{x.at(points[0].step):.1f}" cy="{y.at(points[0].value):.1f}"'
            parts.append(f'<circle class="dot {line.style}" {place} r="3"><title>{escape(line.title)}</title></circle>')
            continue
        path = " ".join([f"{x.at(p.step):.1f},{y.at(p.value):.1f}" for p in points])
        parts.append(
            f'<polyline class="line {line.style}" points="{path}"><title>{escape(line.title)}</title></polyline>'
        )
    for line, _ in drawn:
        for point, text in line.marks:
            place = f'cx="{x.at(point.step):.1f}" cy="{y.at(point.value):.1f}"'
            parts.append(f'<circle class="mark {line.style}" {place} r="5"><title>{escape(text)}</title></circle>')
    return f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(name)}">{"".join(parts)}</svg>'


def wants_log(values: Sequence[float]) -> bool:
    """Positive values over more than two orders of magnitude.

    >>> wants_log([0.001, 1.0]), wants_log([0.5, 1.0]), wants_log([0.0, 1.0])
    (True, False, False)
    """
    return min(values) > 0 and max(values) > 100 * min(values)


def thinned(points: Sequence[Point], most: int) -> Sequence[Point]:
    """Fewer points of the same shape: of each stretch its least and its greatest value, in their order."""
    if len(points) <= most:
        return points
    stretches = most // 2
    kept: list[Point] = []
    for i in range(stretches):
        part = points[i * len(points) // stretches : (i + 1) * len(points) // stretches]
        ends = {min(range(len(part)), key=lambda j: part[j].value), max(range(len(part)), key=lambda j: part[j].value)}
        kept += [part[j] for j in sorted(ends)]
    return kept


class _Scale:
    """From values to places along an axis."""

    def __init__(self, low: float, high: float, start: float, end: float, *, log: bool, air: float = 0.0) -> None:
        self.log = log
        low, high = (math.log10(low), math.log10(high)) if log else (low, high)
        if high - low <= 1e-12 * max(abs(low), abs(high), 1e-300):
            low, high = low - (abs(low) * 0.5 or 0.5), high + (abs(high) * 0.5 or 0.5)
        room = (high - low) * air
        self.low, self.high, self.start, self.end = low - room, high + room, start, end

    def at(self, value: float) -> float:
        value = math.log10(value) if self.log else value
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self) -> list[tuple[float, str]]:
        """Round values and their texts."""
        if self.log:
            first, last = math.ceil(self.low), math.floor(self.high)
            every = max(1, (last - first) // 5)
            return [(10.0**e, f"1e{e}" if abs(e) > 3 else f"{10.0**e:g}") for e in range(first, last + 1, every)]
        step = round_step((self.high - self.low) / 5)
        numbers = range(math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9) + 1)
        return [(n * step, tick_text(n * step, step)) for n in numbers]


def round_step(step: float) -> float:
    """The next of 1, 2 and 5 times a power of ten.

    >>> [round_step(s) for s in (0.13, 3, 70)]
    [0.2, 5.0, 100.0]
    """
    power = 10.0 ** math.floor(math.log10(step))
    return next((m * power for m in (1, 2, 5) if m * power >= step * (1 - 1e-9)), 10 * power)


def tick_text(value: float, step: float) -> str:
    """A tick's text, with as many digits as its neighbours need.

    >>> tick_text(0.30000000000000004, 0.1), tick_text(20000.0, 5000.0), tick_text(0.0, 1e-7), tick_text(2e-7, 1e-7)
    ('0.3', '20k', '0', '2e-07')
    """
    value = 0.0 if abs(value) < step / 1e6 else value
    if abs(value) >= 1e6:
        return f"{value / 1e6:.4g}M" if abs(value) < 1e9 else f"{value:.3g}"
    if abs(value) >= 1e4:
        return f"{value / 1e3:.6g}k"
    if value and step < 1e-4:
        return f"{value:.3g}"
    return f"{value:.{max(0, -math.floor(math.log10(step) + 1e-9))}f}" if step >= 1e-4 else "0"


def _axes(x: _Scale, y: _Scale, x_label: str, y_label: str) -> list[str]:
    end, floor = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for value, text in y.ticks():
        at = y.at(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{end}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{at + 3.5:.1f}" text-anchor="end">{text}</text>')
    for value, text in x.ticks():
        at = x.at(value)
        parts.append(f'<text class="tick" x="{at:.1f}" y="{floor + 16}" text-anchor="middle">{text}</text>')
    parts.append(f'<line class="floor" x1="{LEFT}" x2="{end}" y1="{floor}" y2="{floor}"/>')
    parts.append(
        f'<text class="label" x="{(LEFT + end) / 2}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x_label)}</text>'
    )
    up = (TOP + floor) / 2
    label = y_label if len(y_label) <= 44 else y_label[:41] + "..."
    return [
        *parts,
        f'<text class="label" x="12" y="{up}" text-anchor="middle" transform="rotate(-90 12 {up})">{escape(label)}</text>',
    ]
