"""What came of a run of the steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

What = Literal["ran", "known", "failed", "not run", "would run", "may run"]


@dataclass(frozen=True)
class StepOutcome:
    """What happened to one step.

    Attributes
    ----------
    status : ``ran``, ``known``, ``failed``, ``not run``; in a dry run ``would run``, ``may run`` (that shows
        when the steps before it have run), or ``not run`` where it cannot.
    why : why it ran, is known, failed, or was not run.
    run : id of its run; of a known one, of the run that made the result; None where it has none.
    restored : outputs that were put back.
    """

    name: str
    status: What
    why: str
    seconds: float = 0.0
    run: str | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    restored: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "status": self.status,
            "why": self.why,
            "seconds": round(self.seconds, 3),
            "run": self.run,
            "metrics": self.metrics,
            "restored": list(self.restored),
        }


@dataclass(frozen=True)
class StepsResult:
    """Outcome of `penstock run` on steps.

    Attributes
    ----------
    run : id of the pipeline's own run, whose children are the runs of the steps; None where nothing had to run.
    steps : in the order in which they can run.
    """

    run: str | None
    steps: list[StepOutcome]

    @property
    def exit_code(self) -> int:
        return 1 if any(step.status == "failed" for step in self.steps) else 0

    @property
    def warnings(self) -> list[str]:
        return [f"{step.name}: {warning}" for step in self.steps for warning in step.warnings]

    def to_json(self) -> dict[str, Any]:
        return {"run": self.run, "steps": [step.to_json() for step in self.steps], "warnings": self.warnings}

    def to_text(self) -> str:
        wide = max((len(step.name) for step in self.steps), default=0)
        lines = [self._head()]
        for step in self.steps:
            took = f" in {step.seconds:.1f} s" if step.status in ("ran", "failed") else ""
            status = step.status.upper() if step.status == "failed" else step.status
            lines.append(f"  {step.name.ljust(wide)}  {status}{took}: {step.why}")
            if step.metrics:
                shown = ", ".join(f"{name} {value:.4g}" for name, value in list(step.metrics.items())[:6])
                lines.append(f"  {' ' * wide}  {shown}")
            lines += [f"  {' ' * wide}  warning: {warning}" for warning in step.warnings]
        failed = [step for step in self.steps if step.status == "failed" and step.run]
        lines += [f"next: penstock show {step.run}" for step in failed[:1]]
        return "\n".join(lines)

    def _head(self) -> str:
        counts = {
            what: sum(step.status == what for step in self.steps) for what in ("ran", "failed", "would run", "may run")
        }
        if counts["would run"]:
            more = f", and {counts['may run']} may" if counts["may run"] else ""
            return f"{counts['would run']} of {len(self.steps)} steps would run{more}"
        if not counts["ran"] and not counts["failed"]:
            all_known = all(step.status == "known" for step in self.steps)
            return f"nothing to do: all {len(self.steps)} steps are known" if all_known else "nothing was run"
        known = sum(step.status == "known" for step in self.steps)
        told = [f"{counts['ran']} ran", f"{known} known"]
        told += [f"{counts['failed']} failed"] if counts["failed"] else []
        return f"steps: {', '.join(told)}" + (f" (run {self.run})" if self.run else "")
