"""Year, month, day, weekday, hour and day of the year of an instant, and their cycles."""

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

PARTS = (*DAY_PARTS, "hour")
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US


@final
class DateParts:
    """Parts of an instant in UTC, by the Gregorian calendar, exact for the years -290,000 to 290,000.

    Parameters
    ----------
    parts : some of "year", "month" (1-12), "day" (1-31), "weekday" (Monday is 0), "hour" (0-23) and "day_of_year" (1-366).
    cycles : also the sine and cosine of those that come round (month, weekday, hour, day of the year), so that December
        is near January.

    A missing instant is NaN in all parts.
    """

    name: ClassVar[str] = "date_parts"
    takes: ClassVar[frozenset[Kind]] = TIMES
    gives: ClassVar[Kind | None] = Kind.NUMERIC
    arity: ClassVar[int] = 1
    columnwise: ClassVar[bool] = True
    bounds: ClassVar[Mapping[str, Bound]] = {"parts": SomeOf(PARTS), "cycles": Flag()}
    ready: ClassVar[bool] = False

    def __init__(self, parts: str = " ".join(PARTS), cycles: bool = False) -> None:
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
        days = [part for part in self.parts if part != "hour"]
        if days:
            blocks.append(self._days(times, days))
        if "hour" in self.parts:
            hour = op.div(op.mod(times, ints(DAY_US)), ints(HOUR_US))
            hours = floats(columns({"hour": np.arange(24)}, self.cycles))
            blocks.append(op.gather_nd(hours, hour) if "hour" in self.cycles else op.cast(hour, to=np.float32))
        parts = op.concat(blocks, axis=2) if len(blocks) > 1 else blocks[0]
        missing = op.equal(times, ints(MISSING_TIME))
        return op.flatten(op.where(missing, floats(np.nan), parts), axis=1)

    def _days(self, times: Var, parts: Sequence[str]) -> Var:
        """(n, k, day parts and their waves)."""
        cycles = [part for part in self.cycles if part != "hour"]
        of_era = op.mod(
            times, ints(ERA_DAYS * DAY_US)
        )  # ONNX's Mod has the sign of the divisor, which makes it a floor
        days = op.gather_nd(day_table(parts, cycles), op.div(of_era, ints(DAY_US)))
        if "year" not in parts:
            return days
        eras = op.cast(op.div(op.sub(times, of_era), ints(ERA_DAYS * DAY_US)), to=np.float32)
        years = [ERA_YEARS, *[0] * (len(parts) - 1 + 2 * len(cycles))]  # the year is the first column
        return op.add(days, op.mul(eras, floats(years)))
