"""The Gregorian calendar as one table of the days of 400 years, after which it comes round.

The table has 146,097 rows, but is not stored: it is written as a few operators on the 1,461 days of four years, which the
runtime works out once, when it opens the graph. Years of the making begin on 1 March, so that a leap day is their last.
"""

from __future__ import annotations

import datetime
import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from penstock.features.ops import floats, ints, op

if TYPE_CHECKING:
    from spox import Var

ERA_YEARS = 400
ERA_DAYS = 146_097

_FOUR_YEARS = 1_461
_CENTURY = 25 * _FOUR_YEARS  # with the leap day at its end, which only every fourth has
_START = datetime.date(2000, 3, 1)
_SINCE_1970 = (_START - datetime.date(1970, 1, 1)).days


@dataclass(frozen=True)
class Cycle:
    """A part that comes round: its first value, and how many steps make a round."""

    first: int
    length: float

    def waves(self, values: np.ndarray) -> list[np.ndarray]:
        """Sine and cosine of the values' angles."""
        angles = 2 * np.pi * (values - self.first) / self.length
        return [np.sin(angles), np.cos(angles)]


CYCLES = {
    "quarter": Cycle(1, 4),
    "month": Cycle(1, 12),
    "day_of_year": Cycle(1, 365.25),
    "weekday": Cycle(0, 7),
    "hour": Cycle(0, 24),
    "minute": Cycle(0, 60),
    "second": Cycle(0, 60),
}
DAY_PARTS = ("year", "quarter", "month", "day", "day_of_year", "weekday", "weekend")
"""Parts that follow from the number of the day."""

_WEEK = {"weekday": [3, 4, 5, 6, 0, 1, 2], "weekend": [0, 0, 1, 1, 0, 0, 0]}  # 1 January 1970 was a Thursday


def day_table(parts: Sequence[str], cycles: Sequence[str]) -> Var:
    """Parts of each day of the 400 years from 1 January 1970, with sine and cosine behind those in `cycles`.

    Float32 (146097, len(parts) + 2 * len(cycles)), in the order of `DAY_PARTS`. Written once: a graph in which several columns
    of dates are taken apart alike holds one table, and a search that fits the same recipe on many folds makes it once.
    """
    return _day_table(tuple(parts), tuple(cycles))


@functools.lru_cache(maxsize=8)
def _day_table(parts: tuple[str, ...], cycles: tuple[str, ...]) -> Var:
    blocks = []
    dated = [part for part in parts if part not in _WEEK]
    if dated:
        blocks.append(_dated(dated, cycles))
    weekly = {part: np.array(_WEEK[part]) for part in parts if part in _WEEK}
    if weekly:
        blocks.append(op.tile(floats(columns(weekly, cycles)), ints([ERA_DAYS // 7, 1])))
    return op.concat(blocks, axis=1)


def columns(parts: dict[str, np.ndarray], cycles: Iterable[str]) -> np.ndarray:
    """Parts side by side, sine and cosine behind those that are in `cycles`: (n, outputs)."""
    made = []
    for part, values in parts.items():
        made += [values, *(CYCLES[part].waves(values) if part in cycles else ())]
    return np.stack(made, axis=1)


def _dated(parts: Sequence[str], cycles: Sequence[str]) -> Var:
    four_years = _rows(_START, _FOUR_YEARS, parts, cycles)
    is_year = np.array(["year" in parts, *[False] * (four_years.shape[1] - 1)])  # the year is the first column
    cycle = floats(four_years[None])
    blocks = []
    for century in range(4):
        later = (100 * century + 4 * np.arange(25))[:, None, None] * is_year
        days = op.reshape(op.add(cycle, floats(later)), ints([-1, len(is_year)]))
        start, end = 0, _CENTURY
        if century > 0:  # the days of its first year, such as 2100, are not those of a leap year
            first = _START.replace(year=_START.year + 100 * century)
            start = (datetime.date(first.year + 1, 1, 1) - first).days
            blocks.append(floats(_rows(first, start, parts, cycles)))
        if century < 3:
            end -= 1  # nor has it a leap day, with which the century before would end
        else:
            end -= _SINCE_1970  # the rest is the time from 1970 on, 400 years earlier, where the table begins
            rest = op.sub(_slice(days, end, _CENTURY), floats(ERA_YEARS * is_year))
            blocks.insert(0, rest)
        blocks.append(_slice(days, start, end))
    return op.concat(blocks, axis=0)


def _rows(first: datetime.date, n_days: int, parts: Sequence[str], cycles: Sequence[str]) -> np.ndarray:
    days = [first + datetime.timedelta(days=i) for i in range(n_days)]
    values = {
        "year": [day.year for day in days],
        "quarter": [(day.month + 2) // 3 for day in days],
        "month": [day.month for day in days],
        "day": [day.day for day in days],
        "day_of_year": [day.timetuple().tm_yday for day in days],
    }
    return columns({part: np.array(values[part]) for part in parts}, cycles)


def _slice(rows: Var, start: int, stop: int) -> Var:
    return op.slice(rows, ints([start]), ints([stop]), ints([0]))
