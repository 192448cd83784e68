"""The arms of a release side by side, as they are told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from math import isfinite, isnan
from typing import Any

from penstock.evaluation.bootstrap import none_if_nan
from penstock.monitoring.arm import SCORES_AT, Arm, quantile_of
from penstock.monitoring.differences import Difference
from penstock.serving.instants import parse_instant
from penstock.serving.releases import Release
from penstock.serving.sequences import ALPHA
from penstock.serving.verdicts import UNKNOWN, Evidence, Figure


@dataclass(frozen=True)
class Comparison:
    """Both arms of a release."""

    release: Release
    live: Arm
    candidate: Arm
    metric: str
    differences: tuple[Difference, ...]
    until: datetime
    agreement: Figure = UNKNOWN
    notes: tuple[str, ...] = ()

    @property
    def hours(self) -> float:
        return (self.until - parse_instant(self.release.started_at)).total_seconds() / 3600

    @property
    def evidence(self) -> Evidence:
        """For conditions."""
        hours = {"hours": Figure.exactly(self.hours)}
        candidate = {**self.candidate.figures(), **hours, "agreement": self.agreement}
        gap = next((one.figure for one in self.differences if one.name == self.metric), None)
        gaps = {} if gap is None else {"quality": gap}
        return Evidence(candidate, {**self.live.figures(), **hours}, gaps)

    def to_json(self) -> dict[str, Any]:
        release = self.release
        return {
            "release": {
                "mode": release.mode,
                "share": release.share,
                "sticky": release.sticky,
                "started_at": release.started_at,
                "hours": round(self.hours, 4),
            },
            "arms": [self.live.to_json(), self.candidate.to_json()],
            "metric": self.metric,
            "agreement": none_if_nan(self.agreement.value),
            "differences": [one.to_json() for one in self.differences],
            "alpha": ALPHA,
            "warnings": list(self.notes),
        }

    def to_text(self) -> str:
        live, candidate = self.live, self.candidate
        beside, names = "beside version {}", ("live", "candidate")
        if self.release.mode == "watch":
            beside, names = "is live, version {} stands by", ("before", "live")
        lines = [
            f"{self.release.told()}: version {candidate.version} {beside.format(live.version)}, for {_length(self.hours)}",
            f"  {'':<14} {f'{names[0]} {live.version}':>12} {f'{names[1]} {candidate.version}':>14}   difference, at any look",
            f"  {'requests':<14} {live.requests:>12,} {candidate.requests:>14,}",
            f"  {'rows':<14} {live.rows:>12,} {candidate.rows:>14,}",
            f"  {'labels':<14} {live.labels:>12,} {candidate.labels:>14,}",
        ]
        for one in self.differences:
            told = _figure(one.name)
            span = f"{told(one.value, '+')} ({told(one.interval.low, '+')} to {told(one.interval.high, '+')})"
            lines.append(f"  {one.name:<14} {told(one.live):>12} {told(one.candidate):>14}   {span}: {one.verdict}")
        for arm in (live, candidate):
            if len(arm.scores):
                scores = " ".join(f"{quantile_of(arm.scores, share):.4g}" for share in SCORES_AT)
                lines.append(f"  scores of version {arm.version} (5, 25, 50, 75, 95 %): {scores}")
        if not isnan(self.agreement.value):
            lines.append(f"  agreement: {self.agreement.value:.2%} of the rows have the same prediction")
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join(lines)


def _figure(name: str) -> Callable[..., str]:
    """How a figure is told: shares in percent, times in milliseconds, metrics as they are."""

    def told(value: float, sign: str = "") -> str:
        if not isfinite(value):
            return "?"
        if name in ("errors", "abstentions", "novelty", "fallbacks", "positive"):
            return f"{100 * value:{sign}.2f} %"
        return f"{value:{sign}.3g} ms" if name.startswith("latency") else f"{value:{sign}.4f}"

    return told


def _length(hours: float) -> str:
    return f"{60 * hours:.1f} minutes" if hours < 2 else f"{hours:.1f} hours"
