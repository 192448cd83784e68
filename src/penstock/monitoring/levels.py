"""How a window of the journal keeps the declared service levels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from penstock.monitoring.window import Window
from penstock.serving.objectives import objectives_of
from penstock.serving.settings import ObjectiveSettings
from penstock.serving.tallies import Tally


@dataclass(frozen=True, slots=True)
class Level:
    """One objective in a window.

    Attributes
    ----------
    share : that did well; None where nothing was asked. of : what the share is of, in words.
    """

    name: str
    of: str
    target: float
    share: float | None

    @property
    def is_kept(self) -> bool:
        return self.share is None or self.share >= self.target

    def to_json(self) -> dict[str, Any]:
        return {"objective": self.name, "of": self.of, "target": self.target, "share": self.share, "kept": self.is_kept}

    def to_text(self) -> str:
        share = "nothing was asked" if self.share is None else f"{self.share:.3%}"
        missed = "" if self.is_kept else ", missed"
        return f"objective {self.name}: {share} of at least {self.target:.6g} ({self.of}){missed}"


def levels_of(window: Window, declared: ObjectiveSettings, *, sample: float = 1.0) -> tuple[Level, ...]:
    """The declared objectives in a window.

    Parameters
    ----------
    sample : the share of answered requests that is journalled; what failed is journalled always.
    """
    slow = 0 if declared.latency is None else int((window.latencies_ms > declared.latency.ms).sum())
    tally = Tally(
        0.0,
        answered=window.requests / sample,
        failed=window.failed,
        timed=len(window.latencies_ms),
        slow=slow,
        rows=window.rows,
        abstained=window.abstained,
    )
    found = []
    for objective in objectives_of(declared):
        bad, all_of_them = objective.bad_of(Tally(0.0), tally)
        share = None if all_of_them <= 0 else 1 - bad / all_of_them
        found.append(Level(objective.name, objective.words, objective.target, share))
    return tuple(found)
