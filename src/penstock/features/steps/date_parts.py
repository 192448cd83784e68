"""Year, month, day, weekday, hour and other parts of an instant, and their cycles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from penstock.bundle.kinds import MISSING_TIME, Kind
from penstock.features.bounds import Bound, Flag, SomeOf
from penstock.features.civil import CYCLES, DAY_PARTS, ERA_DAYS, ERA_YEARS, columns, day_table
from penstock.features.kinds import TIMES
from penstock.features.ops import floats, ints, op
from penstock.features.step import Columns, Target

if TYPE_CHECKING:
    from spox import Var

SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US
TIMES_OF_DAY = {"hour": (3_600 * SECOND_US, 24), "minute": (60 * SECOND_US, 60), "second": (SECOND_US, 60)}
"""Microseconds of one, and how many make a round."""
PARTS = (*DAY_PARTS, *TIMES_OF_DAY)
USUAL = ("year", "month", "day", "day_of_year", "weekday", "hour")


@final
class DateParts:
    """Parts of an instant in UTC, by the Gregorian calendar, exact for the years -290,000 to 290,000.

    Parameters
    ----------
    parts : some of "year", "quarter" (1-4), "month" (1-12), "day" (1-31), "day_of_year" (1-366), "weekday" (Monday is 0),
        "weekend" (1 on Saturday and Sunday), "hour" (0-23), "minute" and "second" (0-59).
    cycles : also the sine and cosine of those that come round (quarter, month, day of the year, weekday, hour, minute,
        second), so that December is near January.

    A missing instant is NaN in all parts.
    """

    name: ClassVar[str] = "date_parts"
    takes: ClassVar[frozenset[Kind]] = TIMES
    gives: ClassVar[Kind | None] = Kind.NUMERIC
    arity: ClassVar[int] = 1
    columnwise: ClassVar[bool] = True
    bounds: ClassVar[Mapping[str, Bound]] = {"parts": SomeOf(PARTS), "cycles": Flag()}
    ready: ClassVar[bool] = False

    def __init__(self, parts: str = " ".join(USUAL), cycles: bool = False) -> None:
        self.parts, self.cycles = parts, cycles

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedDateParts:
        (columns,) = inputs
        chosen = SomeOf.split(self.parts)
        parts = tuple(part for part in PARTS if part in chosen)
        return FittedDateParts(columns.names, parts, tuple(p for p in parts if self.cycles and p in CYCLES))


@dataclass(frozen=True)
class FittedDateParts:
    """Attributes: parts : of each of the `columns`, in the order of `PARTS`; cycles : those with sine and cosine."""

    columns: tuple[str, ...]
    parts: tuple[str, ...]
    cycles: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        shown = []
        for part in self.parts:
            word = part.replace("_", " ")
            shown += [word, f"sin of {word}", f"cos of {word}"] if part in self.cycles else [word]
        return tuple(f"{column}: {part}" for column in self.columns for part in shown)

    def emit(self, inputs: Sequence[Var]) -> Var:
        times = op.unsqueeze(inputs[0], ints([2]))  # (n, k, 1)
        blocks = []
        days = [part for part in self.parts if part in DAY_PARTS]
        if days:
            blocks.append(self._days(times, days))
        for part, (unit, count) in TIMES_OF_DAY.items():
            if part in self.parts:
                value = op.div(op.mod(times, ints(unit * count)), ints(unit))
                waves = floats(columns({part: np.arange(count)}, self.cycles))
                blocks.append(op.gather_nd(waves, value) if part in self.cycles else op.cast(value, to=np.float32))
        parts = op.concat(blocks, axis=2) if len(blocks) > 1 else blocks[0]
        missing = op.equal(times, ints(MISSING_TIME))
        return op.flatten(op.where(missing, floats(np.nan), parts), axis=1)

    def _days(self, times: Var, parts: Sequence[str]) -> Var:
        """(n, k, day parts and their waves)."""
        cycles = [part for part in self.cycles if part in DAY_PARTS]
        of_era = op.mod(
            times, ints(ERA_DAYS * DAY_US)
        )  # ONNX's Mod has the sign of the divisor, which makes it a floor
        days = op.gather_nd(day_table(parts, cycles), op.div(of_era, ints(DAY_US)))
        if "year" not in parts:
            return days
        eras = op.cast(op.div(op.sub(times, of_era), ints(ERA_DAYS * DAY_US)), to=np.float32)
        years = [ERA_YEARS, *[0] * (len(parts) - 1 + 2 * len(cycles))]  # the year is the first column
        return op.add(days, op.mul(eras, floats(years)))
