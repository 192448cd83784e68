"""Plots as inline SVG: a few marks, axes with round ticks, a tooltip on each mark, and no script.

Colours are the classes ``s0`` to ``s9`` and the neutral ones of ``templates/style.css``, so that a plot follows the
page into dark mode. Everything returned is safe to put into a page: labels are escaped here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis: its label, range, and how its ticks are written."""

    label: str
    low: float
    high: float
    text: Callable[[float], str] | None = None

    def ticks(self, most: int = 6) -> list[tuple[float, str]]:
        """Round values within the range and their texts.

        >>> [text for _, text in Axis("share", 0, 1).ticks()]
        ['0', '0.2', '0.4', '0.6', '0.8', '1']
        """
        step = round_step((self.high - self.low) / max(1, most - 1))
        first = math.ceil(self.low / step - 1e-9)
        values = [n * step for n in range(first, math.floor(self.high / step + 1e-9) + 1)]
        decimals = max(0, -math.floor(math.log10(step) + 1e-9))
        write = self.text or (lambda v: number(v, decimals))
        return [(v, write(v)) for v in values]


def around(
    label: str, values: Sequence[float], *, zero: bool = False, text: Callable[[float], str] | None = None
) -> Axis:
    """An axis that holds the values with a little air, and 0 if asked."""
    known = [v for v in values if math.isfinite(v)] or [0.0, 1.0]
    low, high = min(known), max(known)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        low, high = low - (abs(low) or 1.0) * 0.5, high + (abs(high) or 1.0) * 0.5
    air = (high - low) * 0.05
    return Axis(label, low if zero and low == 0 else low - air, high if zero and high == 0 else high + air, text)


class Chart:
    """Marks on two axes, drawn in the order in which they are added. `below` is the room under the floor, for labels."""

    def __init__(
        self, x: Axis, y: Axis, *, name: str, width: int = 440, height: int = 300, below: float = 42.0
    ) -> None:
        self.x, self.y, self.name, self.width, self.height = x, y, name, width, height
        widest = max((len(text) for _, text in y.ticks()), default=1)
        self.left, self.right, self.top, self.bottom = 30 + 6.6 * widest, 14.0, 10.0, below
        self._marks: list[str] = []

    def px(self, value: float) -> float:
        """Where a value lies across the picture."""
        share = (value - self.x.low) / (self.x.high - self.x.low)
        return self.left + share * (self.width - self.left - self.right)

    def py(self, value: float) -> float:
        """Where a value lies down the picture."""
        share = (value - self.y.low) / (self.y.high - self.y.low)
        return self.height - self.bottom - share * (self.height - self.top - self.bottom)

    def line(self, xs: Sequence[float], ys: Sequence[float], style: str = "s0", *, tip: str = "") -> Chart:
        """A line through points. Styles: a series (``s0`` ...), ``dash`` for a reference line, or both."""
        path = " ".join(f"{self.px(x):.1f},{self.py(y):.1f}" for x, y in zip(xs, ys, strict=True))
        self._marks.append(f'<polyline class="line {style}" points="{path}">{_tip(tip)}</polyline>')
        return self

    def points(
        self,
        xs: Sequence[float],
        ys: Sequence[float],
        style: str = "s0",
        *,
        tips: Sequence[str] = (),
        radius: float = 3,
    ) -> Chart:
        """A dot for each point; the style ``hit`` makes dots that only carry a tooltip."""
        for i, (x, y) in enumerate(zip(xs, ys, strict=True)):
            place = f'cx="{self.px(x):.1f}" cy="{self.py(y):.1f}" r="{radius:g}"'
            self._marks.append(f'<circle class="dot {style}" {place}>{_tip(tips[i] if tips else "")}</circle>')
        return self

    def bars(
        self, edges: Sequence[float], heights: Sequence[float], style: str = "s0", *, tips: Sequence[str] = ()
    ) -> Chart:
        """A bar between each two edges, standing on 0."""
        floor = self.py(max(0.0, self.y.low))
        for i, height in enumerate(heights):
            left, right, top = self.px(edges[i]), self.px(edges[i + 1]), self.py(height)
            if height:
                self._rect(left + 0.5, top, max(0.6, right - left - 1), floor - top, style, tips[i] if tips else "")
        return self

    def columns(
        self, groups: Sequence[Sequence[float]], styles: Sequence[str], *, tips: Sequence[Sequence[str]]
    ) -> Chart:
        """Bars side by side at x = 0, 1, 2 ...: `groups` holds one sequence of heights per style."""
        floor, wide = self.py(0.0), 0.8 / len(groups)
        for g, (heights, style) in enumerate(zip(groups, styles, strict=True)):
            for i, height in enumerate(heights):
                left, right = self.px(i - 0.4 + g * wide), self.px(i - 0.4 + (g + 1) * wide)
                top = self.py(height)
                self._rect(left, top, right - left - 1, floor - top, style, tips[g][i])
        return self

    def band(self, xs: Sequence[float], lows: Sequence[float], highs: Sequence[float], style: str = "s0") -> Chart:
        """The area between two lines."""
        there = [f"{self.px(x):.1f},{self.py(y):.1f}" for x, y in zip(xs, highs, strict=True)]
        back = [f"{self.px(x):.1f},{self.py(y):.1f}" for x, y in zip(xs, lows, strict=True)][::-1]
        self._marks.append(f'<polygon class="area {style}" points="{" ".join(there + back)}"/>')
        return self

    def whiskers(self, xs: Sequence[float], lows: Sequence[float], highs: Sequence[float], style: str = "s0") -> Chart:
        """A vertical stroke from low to high at each x."""
        for x, low, high in zip(xs, lows, highs, strict=True):
            place = f'x1="{self.px(x):.1f}" x2="{self.px(x):.1f}" y1="{self.py(low):.1f}" y2="{self.py(high):.1f}"'
            self._marks.append(f'<line class="line thin {style}" {place}/>')
        return self

    def svg(self, *, x_ticks: Sequence[tuple[float, str]] | None = None, turn: bool = False) -> Markup:
        """The picture. `x_ticks` replaces the round ones (categories); `turn` writes them slanting."""
        floor, end = self.height - self.bottom, self.width - self.right
        parts = []
        for value, text in self.y.ticks():
            y = self.py(value)
            parts.append(f'<line class="grid" x1="{self.left:.1f}" x2="{end:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>')
            parts.append(
                f'<text class="tick" x="{self.left - 6:.1f}" y="{y + 3.5:.1f}" text-anchor="end">{escape(text)}</text>'
            )
        for value, text in self.x.ticks() if x_ticks is None else x_ticks:
            x = self.px(value)
            parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{floor:.1f}" y2="{floor + 4:.1f}"/>')
            slant = f' transform="rotate(-32 {x:.1f} {floor + 14:.1f})"' if turn else ""
            anchor = "end" if turn else "middle"
            parts.append(
                f'<text class="tick" x="{x:.1f}" y="{floor + 17:.1f}" text-anchor="{anchor}"{slant}>{escape(text)}</text>'
            )
        parts.append(f'<line class="floor" x1="{self.left:.1f}" x2="{end:.1f}" y1="{floor:.1f}" y2="{floor:.1f}"/>')
        middle = (self.left + end) / 2
        parts.append(
            f'<text class="label" x="{middle:.1f}" y="{self.height - 6}" text-anchor="middle">{escape(self.x.label)}</text>'
        )
        up = (self.top + floor) / 2
        parts.append(
            f'<text class="label" x="12" y="{up:.1f}" text-anchor="middle" transform="rotate(-90 12 {up:.1f})">'
            f"{escape(self.y.label)}</text>"
        )
        return _svg(self.width, self.height, self.name, parts + self._marks)

    def _rect(self, x: float, y: float, width: float, height: float, style: str, tip: str) -> None:
        place = f'x="{x:.1f}" y="{y:.1f}" width="{max(0.0, width):.1f}" height="{max(0.0, height):.1f}"'
        self._marks.append(f'<rect class="bar {style}" {place}>{_tip(tip)}</rect>')


def heat_map(matrix: Sequence[Sequence[int]], labels: Sequence[str], *, name: str, width: int = 440) -> Markup:
    """A confusion matrix: rows are the truth, shaded by their share of the row."""
    k = len(labels)
    shown = [label if len(label) <= 14 else label[:13] + "…" for label in labels]
    left = 30 + 6.4 * max(len(label) for label in shown)
    cell = (width - left - 10) / k
    tall = min(cell, 84.0)
    turned = any(6.4 * len(label) > cell - 4 for label in shown)
    below = 26 + (6.4 * 0.75 * max(len(label) for label in shown) if turned else 12)
    height = 8 + tall * k + below + 6
    parts = []
    for r, row in enumerate(matrix):
        total = sum(row)
        y = 8 + r * tall
        parts.append(
            f'<text class="tick" x="{left - 7:.1f}" y="{y + tall / 2 + 4:.1f}" text-anchor="end">{escape(shown[r])}</text>'
        )
        for c, count in enumerate(row):
            share = count / total if total else 0.0
            x = left + c * cell
            tip = f"{labels[r]} taken for {labels[c]}: {count:,} ({share:.1%} of {labels[r]})"
            style = "hitcell" if r == c else "misscell"
            parts.append(
                f'<rect class="{style}" x="{x + 1:.1f}" y="{y + 1:.1f}" width="{cell - 2:.1f}" height="{tall - 2:.1f}" '
                f'rx="3" fill-opacity="{0.06 + 0.86 * share:.3f}">{_tip(tip)}</rect>'
            )
            if cell >= 34:
                ink = "on" if share > 0.5 else "off"
                middle, two = x + cell / 2, tall >= 40
                parts.append(
                    f'<text class="count {ink}" x="{middle:.1f}" y="{y + tall / 2 + (0 if two else 4):.1f}" '
                    f'text-anchor="middle">{count:,}</text>'
                )
                if two:
                    parts.append(
                        f'<text class="share {ink}" x="{middle:.1f}" y="{y + tall / 2 + 15:.1f}" '
                        f'text-anchor="middle">{share:.0%}</text>'
                    )
    floor = 8 + tall * k
    for c, label in enumerate(shown):
        x = left + (c + 0.5) * cell
        slant = (
            f' text-anchor="end" transform="rotate(-38 {x:.1f} {floor + 12:.1f})"'
            if turned
            else ' text-anchor="middle"'
        )
        parts.append(f'<text class="tick" x="{x:.1f}" y="{floor + 15:.1f}"{slant}>{escape(label)}</text>')
    middle = left + (width - left - 10) / 2
    parts.append(f'<text class="label" x="{middle:.1f}" y="{height - 4:.1f}" text-anchor="middle">predicted</text>')
    up = 8 + tall * k / 2
    parts.append(
        f'<text class="label" x="12" y="{up:.1f}" text-anchor="middle" transform="rotate(-90 12 {up:.1f})">true</text>'
    )
    return _svg(width, height, name, parts)


def interval_bar(
    axis: Axis, value: float, low: float, high: float, *, mark: float | None = None, style: str = "s0", width: int = 170
) -> Markup:
    """A dot with its interval on a thin line, for a row of a table; `mark` draws what it is compared with."""

    def px(v: float) -> float:
        return 5 + (min(max(v, axis.low), axis.high) - axis.low) / (axis.high - axis.low) * (width - 10)

    parts = [f'<line class="grid" x1="5" x2="{width - 5}" y1="9" y2="9"/>']
    if mark is not None and math.isfinite(mark):
        parts.append(
            f'<line class="mark" x1="{px(mark):.1f}" x2="{px(mark):.1f}" y1="1" y2="17">{_tip(f"{mark:.4g}")}</line>'
        )
    if math.isfinite(low) and math.isfinite(high):
        parts.append(f'<line class="line wide {style}" x1="{px(low):.1f}" x2="{px(high):.1f}" y1="9" y2="9"/>')
    if math.isfinite(value):
        tip = f"{value:.4g} (95 %: {low:.4g} to {high:.4g})"
        parts.append(f'<circle class="dot {style}" cx="{px(value):.1f}" cy="9" r="4">{_tip(tip)}</circle>')
    return _svg(width, 18, f"{value:.4g}", parts, inline=True)


def legend(entries: Sequence[tuple[str, str]]) -> Markup:
    """Styles and their names, as a line of text with colour chips."""
    items = "".join(f'<span><i class="chip {style}"></i>{escape(text)}</span>' for style, text in entries)
    return Markup(f'<p class="legend">{items}</p>')


def round_step(step: float) -> float:
    """The next of 1, 2 and 5 times a power of ten.

    >>> [round_step(s) for s in (0.13, 3, 70)]
    [0.2, 5.0, 100.0]
    """
    power = 10.0 ** math.floor(math.log10(step)) if step > 0 and math.isfinite(step) else 1.0
    return next((m * power for m in (1, 2, 5) if m * power >= step * (1 - 1e-9)), 10 * power)


def number(value: float, decimals: int) -> str:
    """A tick's text: no exponent for everyday sizes, k and M for large ones.

    >>> [number(v, 0) for v in (0.0, 250.0, 12000.0, 2500000.0)]
    ['0', '250', '12k', '2.5M']
    """
    if abs(value) >= 1e6:
        return f"{value / 1e6:.4g}M" if abs(value) < 1e9 else f"{value:.2g}"
    if abs(value) >= 1e4:
        return f"{value / 1e3:.4g}k"
    if 0 < abs(value) < 1e-4:
        return f"{value:.1g}"
    text = f"{value:.{min(decimals, 6)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _svg(width: float, height: float, name: str, parts: Sequence[str], *, inline: bool = False) -> Markup:
    kind = "spark" if inline else "plot"
    size = f' width="{width:g}" height="{height:g}"' if inline else ""
    head = f'<svg class="{kind}" viewBox="0 0 {width:g} {height:.0f}"{size} role="img" aria-label="{escape(name)}">'
    return Markup(head + "".join(parts) + "</svg>")


def _tip(text: str) -> str:
    return f"<title>{escape(text)}</title>" if text else ""
