"""`[history.NAME]`: columns that look back at earlier rows of the same key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from penstock.project.sections.section import Fault, Section

UNITS = {"ms": 1_000, "s": 1_000_000, "min": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000, "w": 604_800_000_000}
"""Microseconds."""
_SPAN = r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|min|h|d|w)"


class HistorySection(Section, frozen=True):
    take: Literal["lag", "mean", "sum", "min", "max", "std", "count", "since"]
    over: str  # the column of the time
    by: str | tuple[str, ...] = ()  # columns that name whose rows they are; default: all rows are one's own
    of: str = ""  # the numbers that are looked at; not for count and since
    rows: int | None = None  # how many rows back; of "lag" 1 by default
    window: str | float | None = None  # how far back: "7d", "12h", "30min"; a number where the time is one

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.by,) if isinstance(self.by, str) else self.by

    def faults(self) -> Iterator[Fault]:
        if self.take in ("count", "since") and self.of:
            yield "of", f"{self.take!r} looks at no values", "remove it"
        if self.take not in ("count", "since") and not self.of:
            yield "of", f"{self.take!r} is of a column of numbers", 'name it: of = "price"'
        if self.take == "lag" and self.window is not None:
            yield "window", "a lag counts rows", "write rows = 1, or take another than lag"
        if self.take == "since" and (self.rows is not None or self.window is not None):
            yield "rows" if self.rows is not None else "window", "'since' looks at the last row", "remove it"
        if self.take not in ("lag", "since") and (self.rows is None) == (self.window is None):
            yield (
                "window",
                f"{self.take!r} looks back by rows or by a window",
                'write one of rows = 10 and window = "7d"',
            )
        if self.rows is not None and self.rows < 1:
            yield "rows", f"{self.rows} is not above 0", "write a positive number"
        if isinstance(self.window, str) and span(self.window) is None:
            yield "window", f"{self.window!r} is no span of time", f"write a number and one of {', '.join(UNITS)}: 7d"
        if isinstance(self.window, int | float) and not 0 < self.window < float("inf"):
            yield "window", f"{self.window} is not above 0", "write a positive number"


def span(text: str) -> int | None:
    """Microseconds of a span such as "7d"; None where it is none.

    >>> span("1.5h")
    5400000000
    """
    found = re.fullmatch(_SPAN, text.strip())
    microseconds = round(float(found[1]) * UNITS[found[2]]) if found else 0
    return microseconds or None
