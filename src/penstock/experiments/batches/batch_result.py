"""What came of a batch: its trials as a table, the best first."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

from penstock.experiments.batches.trials import Trial, best_of
from penstock.experiments.flags.values import show

SHOWN = 20
"""Rows of the table in the terminal."""
REASONS = 5
"""Different reasons of failures in the terminal, and trials that are named for each."""


@dataclass(frozen=True)
class BatchResult:
    """What came of a batch.

    Attributes
    ----------
    id : of the batch's own run, to which the runs of the trials belong.
    target : what was run. flags : that differ between the trials.
    trials : by number.
    metric : that the batch is about, None where it is about none.
    ended : why it ended before its last trial, "" where it did not.
    """

    id: str
    target: str
    search: str
    metric: str | None
    maximise: bool
    flags: tuple[str, ...]
    trials: tuple[Trial, ...]
    seconds: float
    ended: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def best(self) -> Trial | None:
        """The trial with the best value, None where there is no metric or no trial has it."""
        return best_of(self.trials, maximise=self.maximise)

    @property
    def exit_code(self) -> int:
        """0 where all trials ended as they should; to be stopped early is no failure."""
        return 0 if self.trials and all(trial.status in ("done", "stopped") for trial in self.trials) else 1

    def to_json(self) -> dict[str, Any]:
        return {
            "batch": self.id,
            "target": self.target,
            "search": self.search,
            "metric": self.metric,
            "maximise": self.maximise,
            "flags": list(self.flags),
            "trials": [trial.to_json() for trial in self.trials],
            "best": None if self.best is None else self.best.to_json(),
            "seconds": self.seconds,
            "ended": self.ended,
            "warnings": list(self.warnings),
        }

    def to_text(self) -> str:
        lines = [f"batch {self.id}: {self.target}, {self.search}, {counts(self.trials)}, {self.seconds:.1f} s"]
        best = self.best
        if best is not None:
            lines.append(f"  best: {self.metric} {number(best.value)} with {point_text(best)} (run {best.run})")
        lines += [f"  note: {warning}" for warning in self.warnings]
        if self.ended:
            lines.append(f"  ended early: {self.ended}")
        return "\n".join([*lines, *self._table(), *self._failures()])

    def _table(self) -> list[str]:
        header = ["trial", *self.flags, *([self.metric] if self.metric else []), "status", "run"]
        ranked = sorted(self.trials, key=self._rank)
        rows = [header, *(self._row(trial) for trial in ranked[:SHOWN])]
        widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
        lines = ["  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        if len(ranked) > SHOWN:
            lines.append(f"  ... and {len(ranked) - SHOWN} more: penstock runs --batch {self.id}")
        return lines

    def _failures(self) -> list[str]:
        """Why trials failed, most frequent reason first."""
        reasons: dict[str, list[Trial]] = {}
        for trial in self.trials:
            if trial.status == "failed":
                reasons.setdefault(trial.reason, []).append(trial)
        ranked = sorted(reasons.items(), key=lambda item: -len(item[1]))
        lines = []
        for reason, trials in ranked[:REASONS]:
            numbers = ", ".join(str(trial.number) for trial in trials[:REASONS])
            more = f" and {len(trials) - REASONS} more" if len(trials) > REASONS else ""
            several = "s" if len(trials) > 1 else ""
            lines.append(f"  trial{several} {numbers}{more} failed: {reason or 'the reason is not known'}")
        if len(ranked) > REASONS:
            lines.append(f"  ... and {len(ranked) - REASONS} other reasons; see `penstock show RUN --log`")
        return lines

    def _row(self, trial: Trial) -> list[str]:
        values = [cell(trial.point.get(name)) for name in self.flags]
        metric = [number(trial.value)] if self.metric else []
        return [str(trial.number), *values, *metric, trial.status, trial.run]

    def _rank(self, trial: Trial) -> tuple[Any, ...]:
        """Those with a value first, the best of them first."""
        if self.metric is None:
            return (trial.number,)
        if not trial.has_value:
            return (1, 0.0, trial.number)
        sign = -1.0 if self.maximise else 1.0
        return (0, sign * (trial.value or 0.0), trial.number)


def counts(trials: tuple[Trial, ...] | list[Trial]) -> str:
    """``20 trials (17 done, 3 stopped)``."""
    by_status = Counter(trial.status for trial in trials)
    inner = ", ".join(f"{count} {status}" for status, count in sorted(by_status.items()))
    return f"{len(trials)} trial{'' if len(trials) == 1 else 's'}" + (f" ({inner})" if inner else "")


def point_text(trial: Trial) -> str:
    """``lr=0.1 layers=[64, 32]``."""
    return " ".join(f"{name}={cell(value)}" for name, value in trial.point.items())


def cell(value: Any) -> str:
    """A value of a flag, short enough for a table."""
    text = f"{value:.4g}" if isinstance(value, float) else show(value)
    return text if len(text) <= 40 else text[:37] + "..."


def number(value: float | None) -> str:
    """
    >>> number(0.123456789), number(None), number(float("nan"))
    ('0.123457', '', 'nan')
    """
    if value is None:
        return ""
    return f"{value:.6g}" if math.isfinite(value) else str(value)
