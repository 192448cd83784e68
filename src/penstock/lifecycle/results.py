"""What the verbs of the pipeline return: figures as data, their JSON contract, and a few lines for a person."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from penstock.lifecycle.stages import Step


def figure(metric: dict[str, Any]) -> str:
    """``0.812 (0.790 to 0.833)``."""
    if metric["value"] is None:
        return "not defined"
    text = f"{metric['value']:.4g}"
    if metric.get("low") is not None:
        text += f" ({metric['low']:.4g} to {metric['high']:.4g})"
    return text


def gate_lines(gates: list[dict[str, Any]], overrides: list[dict[str, Any]]) -> list[str]:
    """One line per gate, then one per override."""
    lines = [f"  gate {g['id']}: {'passed' if g['passed'] else 'FAILED'}; {g['why']}" for g in gates]
    return lines + [f"  overridden by {o['who']}: {o['reason']}" for o in overrides]


@dataclass(frozen=True)
class RunResult:
    """Outcome of `penstock run` or `penstock retrain`."""

    run: str
    dataset: str
    task: str
    seed: int
    metric: str
    steps: list[Step]
    validation: dict[str, dict[str, float]]
    baseline: dict[str, float | None]  # None: not defined, as of ROC-AUC where all rows are of one class
    gates: list[dict[str, Any]]
    overrides: list[dict[str, Any]]
    passed: bool
    model: dict[str, Any]
    bundle: str
    report: str
    warnings: list[str] = field(default_factory=list)
    champion: dict[str, Any] | None = None
    rows: dict[str, int] | None = None
    spent: list[int] = field(default_factory=list)  # opened envelopes among the validation rows

    @property
    def exit_code(self) -> int:
        return 0 if self.passed or self.overrides else 1

    def to_json(self) -> dict[str, Any]:
        body = {
            "run": self.run,
            "dataset": self.dataset,
            "task": self.task,
            "seed": self.seed,
            "rows": self.rows,
            "metric": self.metric,
            "steps": [s.to_json() for s in self.steps],
            "validation": self.validation,
            "baseline": self.baseline,
            "gates": self.gates,
            "overrides": self.overrides,
            "model": self.model,
            "bundle": self.bundle,
            "report": self.report,
            "warnings": self.warnings,
        }
        return body if self.champion is None else {**body, "champion": self.champion}

    def to_text(self) -> str:
        ran = [s for s in self.steps if s.status == "ran"]
        head = f"model {self.model['name']} version {self.model['version']} ({self.model['learner']})"
        if not ran:
            head = f"nothing to do: all {len(self.steps)} stages are known; {head}"
        lines = [
            head,
            f"  {self.metric} on {self.rows['valid'] if self.rows else '?'} validation rows (after selection): "
            f"{figure(self.validation[self.metric])}; baseline {figure({'value': self.baseline[self.metric]})}",
            *gate_lines(self.gates, self.overrides),
        ]
        if self.champion is not None and self.champion["why"] is None:  # else a warning says why there is no comparison
            lines.append(
                f"  champion version {self.champion['version']} on the same rows: {self.champion['value']:.4g}; the difference is "
                f"{self.champion['difference']:+.4g} ({self.champion['low']:.4g} to {self.champion['high']:.4g})"
            )
        lines += [f"  warning: {w}" for w in self.warnings]
        lines += [f"  report: {self.report}", f"  bundle: {self.bundle}"]
        if ran:
            lines.append(
                "  "
                + ", ".join(
                    f"{s.name} {s.seconds:.1f} s" if s.status == "ran" else f"{s.name} known" for s in self.steps
                )
            )
        lines.append(
            "next: penstock deploy" if self.exit_code == 0 else "next: improve it, or penstock run --override REASON"
        )
        return "\n".join(lines)


@dataclass(frozen=True)
class DeployResult:
    """Outcome of `penstock deploy`."""

    model: str
    version: int
    slot: str | None
    metric: str
    test: dict[str, dict[str, float]]
    envelope: dict[str, Any]
    gates: list[dict[str, Any]]
    overrides: list[dict[str, Any]]
    deployed: bool
    run: str
    warnings: list[str]
    watch_s: float = 0.0  # for so long it is watched, and the version before stands by

    @property
    def exit_code(self) -> int:
        return 0 if self.deployed else 1

    def to_json(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "version": self.version,
            "slot": self.slot,
            "test": self.test,
            "envelope": self.envelope,
            "gates": self.gates,
            "overrides": self.overrides,
            "deployed": self.deployed,
            "run": self.run,
            "warnings": self.warnings,
            "watch_s": self.watch_s,
        }

    def to_text(self) -> str:
        e = self.envelope
        how = "spent before, accepted" if e["reused"] else f"{e['left']} envelopes left"
        lines = [
            f"{self.model} version {self.version}: {self.metric} {figure(self.test[self.metric])} on envelope {e['opened']} "
            f"({e['rows']} sealed test rows, {how})",
            *gate_lines(self.gates, self.overrides),
            *(f"  warning: {w}" for w in self.warnings),
        ]
        if self.deployed:
            from penstock.serving.releases import told_length

            watched = (
                f", watched for {told_length(self.watch_s)} while the version before stands by" if self.watch_s else ""
            )
            lines += [f"live in slot {self.slot}{watched}", "next: penstock serve"]
        else:
            lines.append(
                "nothing was switched; the envelope is spent all the same. next: improve it, or --override REASON"
            )
        return "\n".join(lines)


@dataclass(frozen=True)
class RollbackResult:
    """Outcome of `penstock rollback`."""

    model: str
    version: int
    slot: str
    seconds: float
    workers: int
    ended: int | None = None  # the version of the release that was ended; None: the live version was changed

    exit_code = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "version": self.version,
            "slot": self.slot,
            "seconds": self.seconds,
            "workers": self.workers,
            "ended": self.ended,
        }

    def to_text(self) -> str:
        servers = f"{self.workers} server processes have switched" if self.workers else "no server is running"
        if self.ended is not None:
            return (
                f"the release of version {self.ended} has ended: {self.model} version {self.version} answers alone "
                f"after {self.seconds:.3f} s ({servers})"
            )
        return f"{self.model} version {self.version} is live again in slot {self.slot} after {self.seconds:.3f} s ({servers})"
