"""The trials of a batch, as its runs in the ledger tell them. A batch has no other memory: what is resumed is this."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.ledger.ledger import Ledger
    from penstock.ledger.record import RunRecord

BATCH = "batch"
"""The operation of a batch itself, which is a run too: the parent of its trials."""
FINISHED = ("done", "failed", "stopped")
"""A trial that ended so counts; one that was interrupted is run again."""


@dataclass(frozen=True)
class Trial:
    """One point that was tried.

    Attributes
    ----------
    number : from 1, in the order in which the points were proposed.
    run : id of its run.
    point : flag -> value, of the flags that differ between trials.
    value : of the metric that the batch is about; None where there is none, NaN where the script said so.
    reason : why it failed or was stopped early, "" where neither is so.
    """

    number: int
    run: str
    point: dict[str, Any]
    status: str
    value: float | None
    seconds: float | None
    reason: str = ""

    @property
    def has_value(self) -> bool:
        """Whether it can be compared."""
        return self.value is not None and math.isfinite(self.value)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def trial_inputs(batch: str, number: int, point: dict[str, Any]) -> dict[str, Any]:
    """What the run of a trial has among its inputs, so that `trials_of` finds it."""
    kept = {name: _word(value) for name, value in point.items()}
    return {"batch": batch, "trial": {"number": number, "point": kept}}


def trials_of(ledger: Ledger, batch: str, metric: str | None) -> list[Trial]:
    """The trials of a batch by number. Of one that was run again the last attempt counts, but a finished one before all."""
    found: dict[int, Trial] = {}
    for record in sorted(ledger.children(batch), key=lambda r: r.id):
        if "trial" not in record.inputs:
            continue
        trial = _trial(record, metric)
        before = found.get(trial.number)
        if before is None or before.status not in FINISHED or trial.status in FINISHED:
            found[trial.number] = trial
    return [found[number] for number in sorted(found)]


def best_of(trials: Sequence[Trial], *, maximise: bool) -> Trial | None:
    """The trial with the best value; one that was stopped early only where no other has a value."""
    for status in ("done", "stopped"):
        candidates = [trial for trial in trials if trial.status == status and trial.has_value]
        if candidates:
            sign = -1.0 if maximise else 1.0
            return min(candidates, key=lambda t: (sign * (t.value or 0.0), t.number))
    return None


def _trial(record: RunRecord, metric: str | None) -> Trial:
    said = record.inputs["trial"]
    measured = record.metrics.get(metric) if metric is not None else None
    value = None if measured is None or record.status == "failed" else measured["value"]
    return Trial(
        number=said["number"],
        run=record.id,
        point=said["point"],
        status=record.status,
        value=value,
        seconds=record.seconds,
        reason=_reason(record),
    )


def _reason(record: RunRecord) -> str:
    """As `penstock.experiments.running.options.ScriptRun` has it."""
    if record.status == "stopped":
        return str(record.outputs.get("stopped", ""))
    if record.status == "failed" and record.error is not None:
        return f"{record.error.get('what', '')}: {record.error.get('why', '')}"
    return ""


def _word(value: Any) -> Any:
    """A value that JSON has no word for as text; `Space.restored` undoes it."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
