"""What a run has logged, as curves: of any length in little memory, to be drawn, compared and diagnosed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from typing import TYPE_CHECKING, Any, NamedTuple, Self, final

if TYPE_CHECKING:
    from penstock.ledger.ledger import Ledger
    from penstock.ledger.record import RunRecord

STEP_NAMES = ("step", "global_step", "iteration", "epoch")
"""Under which a line of a log tells its step; the first that is there counts. A line without counts as the next one."""
NOT_SERIES = frozenset({"elapsed_s", *STEP_NAMES})
KEPT = 512


class Point(NamedTuple):
    """Neighbouring values of a series as one: their mean, least and greatest; where the last of them was."""

    step: float
    value: float
    low: float
    high: float
    elapsed_s: float


@final
class Curve:
    """One series. Neighbours are joined as it grows, so that a curve never holds more than 1,024 points.

    Attributes
    ----------
    name : of the metric. count : values that were logged. not_finite : how many of them were NaN or infinite.
    first_bad_step : step of the first of those. last : the last value, whatever it was.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.count = 0
        self.not_finite = 0
        self.first_bad_step: float | None = None
        self.ends_bad = False
        self.last = math.nan
        self._width = 1
        self._rows: list[list[float]] = []  # step, sum, count, low, high, elapsed
        self._points: list[Point] | None = None

    def add(self, step: float, value: float, elapsed_s: float) -> None:
        """The next value."""
        self._points = None
        self.count += 1
        self.last = value
        self.ends_bad = not math.isfinite(value)
        if self.ends_bad:
            self.not_finite += 1
            if self.first_bad_step is None:
                self.first_bad_step = step
            return
        if self._rows and self._rows[-1][2] < self._width:
            row = self._rows[-1]
            row[0], row[5] = step, elapsed_s
            row[1] += value
            row[2] += 1
            row[3], row[4] = min(row[3], value), max(row[4], value)
            return
        if len(self._rows) >= 2 * KEPT:
            self._rows = [_joined(a, b) for a, b in zip(self._rows[::2], self._rows[1::2], strict=True)]
            self._width *= 2
        self._rows.append([step, value, 1, value, value, elapsed_s])

    @property
    def points(self) -> list[Point]:
        """The finite values, in the order in which they came."""
        if self._points is None:
            self._points = [Point(step, total / n, low, high, s) for step, total, n, low, high, s in self._rows]
        return self._points

    def copy(self) -> Self:
        """The curve as it is now; what is added to one of the two is not in the other."""
        other = copy(self)
        other._rows = [row.copy() for row in self._rows]
        return other

    def to_json(self) -> dict[str, Any]:
        points = self.points
        return {
            "count": self.count,
            "not_finite": self.not_finite,
            "steps": [p.step for p in points],
            "values": [p.value for p in points],
            "elapsed_s": [p.elapsed_s for p in points],
        }


def curves_of(lines: Iterable[Mapping[str, Any]]) -> dict[str, Curve]:
    """The curves of a log, in the order in which their names first came.

    >>> curves_of([{"elapsed_s": 0.1, "step": 1, "loss": 0.5}, {"elapsed_s": 0.2, "step": 2, "loss": 0.4}])["loss"].last
    0.4
    """
    curves: dict[str, Curve] = {}
    add_lines(curves, lines)
    return curves


def add_lines(curves: dict[str, Curve], lines: Iterable[Mapping[str, Any]]) -> None:
    """Extend curves by further lines of the log that they were made of."""
    for line in lines:
        given = None
        for name in STEP_NAMES:
            if name in line and isinstance(line[name], int | float):
                given = line[name]
                break
        elapsed_s = float(line.get("elapsed_s") or 0.0)
        for name, value in line.items():
            if name in NOT_SERIES or (type(value) is not float and type(value) is not int):
                continue
            curve = curves.get(name)
            if curve is None:
                curve = curves[name] = Curve(name)
            curve.add(float(curve.count if given is None else given), float(value), elapsed_s)


def lines_of(ledger: Ledger, record: RunRecord) -> Iterator[dict[str, Any]]:
    """The lines of a run's log. One that ends at this moment moves its log into the store: then it is read from there."""
    try:
        yield from ledger.log_of(record)
    except FileNotFoundError:  # it was there when it was looked for, and gone when it was opened
        yield from ledger.log_of(ledger.get(record.id))


def _joined(a: list[float], b: list[float]) -> list[float]:
    return [b[0], a[1] + b[1], a[2] + b[2], min(a[3], b[3]), max(a[4], b[4]), b[5]]
