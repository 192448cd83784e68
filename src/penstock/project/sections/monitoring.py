"""`[monitoring]` and `[quality]`: checks of the traffic, and of the data themselves."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.project.quality import LIMITS
from penstock.project.sections.section import Fault, Section, not_positive


class MonitoringSection(Section, frozen=True):
    false_alarms: float = 0.01  # chance that a window without any shift raises an alarm, all checks together
    minimum_rows: int = 30

    def faults(self) -> Iterator[Fault]:
        if not 0 < self.false_alarms < 0.5:
            yield "false_alarms", f"{self.false_alarms} is not in (0, 0.5)", "write 0.01"
        yield from not_positive(self, "minimum_rows")


class QualitySection(Section, frozen=True):
    """Checks of the data itself: `penstock data quality`."""

    off: tuple[str, ...] = ()  # ids of checks that are not made
    limits: dict[str, float] = {}  # id of a check -> where it fails; default: see `penstock.project.quality`
    time: str | None = (
        None  # the column of instants at which the question is asked of a row; default: that of [split] by = "time:COLUMN"
    )

    def faults(self) -> Iterator[Fault]:
        for key, check in [("off", check) for check in self.off] + [("limits", check) for check in self.limits]:
            if check not in LIMITS:
                import difflib

                near = difflib.get_close_matches(check, LIMITS, 1, 0.5)
                yield (
                    key,
                    f"{check!r} is no check; the checks of the data are {', '.join(LIMITS)}",
                    f"write {near[0]!r}" if near else "remove it or use one of these",
                )
        for check, limit in self.limits.items():
            if check in LIMITS and not 0 <= limit < float("inf"):
                yield (
                    f"limits.{check}",
                    f"{limit} is not a number of at least 0",
                    f"write for example {LIMITS[check]:g}, or turn the check off with [quality] off",
                )
