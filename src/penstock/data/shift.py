"""How a column differs between two tables: missing share, location, frequent values, and a two-sample statistic with its size.

For numbers the statistic is the largest distance between the two cumulative shares (Kolmogorov-Smirnov, D), for other columns half the sum of the
differences of all shares (total variation). Both lie between 0 (alike) and 1 (nothing in common), and are told with the value that chance alone
exceeds once in a thousand comparisons of so many rows: a change below it says nothing.

Source: for D the asymptotic bound of Smirnov (1948), Ann. Math. Stat. 19, 279; for the total variation the bound of Devroye (1983),
Ann. Stat. 11, 896, for shares of a multinomial, for each of the two samples.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from penstock.data.origins import itself

RARE = 0.001
TOP = 3


@dataclass(frozen=True)
class Side:
    """A column in one of the two tables. `mean` and `std` of numbers, `top` (value, rows) of others."""

    rows: int
    missing: float
    mean: float | None = None
    std: float | None = None
    top: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Shift:
    """One column in both.

    Attributes
    ----------
    statistic : ``ks`` or ``total variation``. size : its value, 0 to 1. chance : what chance exceeds once in a thousand times.
    unit : of means and spreads: ``us`` of instants (microseconds, of means since 1970, UTC), else "".
    """

    column: str
    statistic: str
    size: float
    chance: float
    before: Side
    now: Side
    unit: str = ""

    @property
    def beyond_chance(self) -> bool:
        return self.size > self.chance or abs(self.before.missing - self.now.missing) > self.chance

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "beyond_chance": self.beyond_chance}

    def to_text(self) -> str:
        def side(one: Side) -> str:
            if one.mean is not None and one.std is not None:
                level = f"{one.mean}" if isinstance(one.mean, int) else f"{one.mean:.4g}"
                told = _instants(one.mean, one.std) if self.unit else f"{level} ± {one.std:.4g}"
            else:
                told = ", ".join(f"{value} ({rows})" for value, rows in one.top)[:50]
            return told + (f", {one.missing:.1%} missing" if one.missing else "")

        return f"  {self.column}: {self.statistic} {self.size:.3f}; {side(self.before)} -> {side(self.now)}"


def _instants(mean: float, std: float) -> str:
    """
    >>> _instants(1.72e15, 9.075e12)
    '2024-07-03 ± 105 days'
    """
    if math.isnan(mean):
        return "no instant"
    days = std / 86_400e6
    spread = f"{days:.3g} days" if days >= 1 else f"{days * 24:.3g} hours"
    return f"{np.datetime64(round(mean), 'us').astype('datetime64[D]' if days >= 1 else 'datetime64[m]')} ± {spread}"


def shift_of_numbers(column: str, before: np.ndarray, now: np.ndarray, *, unit: str = "", origin: int = 0) -> Shift:
    """Numbers, NaN where missing; float64, shapes (n,) and (m,). `unit`: as of `Shift`. `origin`: what both are less; means are told with it.

    >>> shift = shift_of_numbers("a", np.arange(1000.0), np.arange(1000.0) + 500)
    >>> round(shift.size, 2), shift.beyond_chance
    (0.5, True)
    """
    a, b = np.sort(before[~np.isnan(before)]), np.sort(now[~np.isnan(now)])
    size = 0.0
    if len(a) and len(b):
        every = np.concatenate([a, b])
        shares = (np.searchsorted(x, every, side="right") / len(x) for x in (a, b))
        size = float(np.abs(np.subtract(*shares)).max())
    chance = math.sqrt(-math.log(RARE / 2) / 2 * (1 / max(len(a), 1) + 1 / max(len(b), 1)))

    def side(values: np.ndarray, present: np.ndarray) -> Side:
        missing = 1 - len(present) / len(values) if len(values) else 0.0
        finite = present[np.isfinite(present)]
        return Side(
            len(values),
            missing,
            itself(float(finite.mean()), origin) if len(finite) else math.nan,
            float(finite.std()) if len(finite) else math.nan,
        )

    return Shift(column, "ks", size, min(1.0, chance), side(before, a), side(now, b), unit)


def shift_of_values(column: str, before: Mapping[str | None, int], now: Mapping[str | None, int]) -> Shift:
    """Rows of each value; None is missing.

    >>> shift_of_values("a", {"x": 900, "y": 100}, {"x": 500, "y": 500}).size
    0.4
    """
    a, b = (
        Counter({k: n for k, n in before.items() if k is not None}),
        Counter({k: n for k, n in now.items() if k is not None}),
    )
    rows_a, rows_b = a.total(), b.total()
    size = 0.0
    if rows_a and rows_b:
        size = round(sum(abs(a[k] / rows_a - b[k] / rows_b) for k in a.keys() | b.keys()) / 2, 12)
    kinds = len(a.keys() | b.keys())
    chance = sum(
        min(1.0, (math.sqrt(kinds / n) + math.sqrt(2 * math.log(2 / RARE) / n)) / 2)
        for n in (max(rows_a, 1), max(rows_b, 1))
    )

    def side(counts: Counter[str], everything: Mapping[str | None, int]) -> Side:
        rows = sum(everything.values())
        top = tuple(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:TOP])
        return Side(rows, everything.get(None, 0) / rows if rows else 0.0, top=top)

    return Shift(column, "total variation", size, min(1.0, chance), side(a, before), side(b, now))
