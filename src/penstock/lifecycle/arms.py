"""The release that goes on, looked at: `penstock monitor --arms`, and `--guard`, which also ends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from penstock.bundle.runtime import Bundle
from penstock.errors import ProjectError
from penstock.lifecycle.release import end
from penstock.lifecycle.settle import settle, settle_if_free
from penstock.lifecycle.versions import WAIT_S
from penstock.project.project import Project
from penstock.serving.conditions import parse
from penstock.serving.labels import read_labels
from penstock.serving.slots import SlotEntry, SlotState, read_slots
from penstock.serving.verdicts import judge, shown

if TYPE_CHECKING:
    from penstock.monitoring.comparison import Comparison
    from penstock.monitoring.monitor import MonitorReport

MONITOR = "monitor"
"""Who ended a release, where `penstock monitor --guard` did."""


@dataclass(frozen=True)
class ArmsResult:
    """Outcome of `penstock monitor --arms` and `--guard`. `ended`: why the release was ended; None: it goes on."""

    model: str
    comparison: Comparison
    report: MonitorReport | None = None
    ended: str | None = None

    @property
    def exit_code(self) -> int:
        """1: a guard ended the release."""
        return int(self.ended is not None)

    def to_json(self) -> dict[str, Any]:
        checks = None if self.report is None else [check.to_json() for check in self.report.checks]
        return {"model": self.model, **self.comparison.to_json(), "checks": checks, "ended": self.ended}

    def to_text(self) -> str:
        lines = [self.comparison.to_text()]
        if self.report is not None:
            alarms = [f"{c.id}{f' {c.column}' if c.column else ''}: {c.why}" for c in self.report.alarms]
            lines += [f"  ! {alarm}" for alarm in alarms] or [
                "  no check of the monitor alarms on the candidate's rows"
            ]
        if self.ended is not None:
            lines.append(f"ENDED: {self.ended}. Version {self.comparison.live.version} answers alone.")
        return "\n".join(lines)


def look_at_arms(project: Project, *, guard: bool = False) -> ArmsResult:
    """Compare the arms of the release that goes on.

    Parameters
    ----------
    guard : also judge the declared guards with all that they name, and the declared checks of the monitor on the candidate's rows; end
        the release where one says so.

    Raises
    ------
    ProjectError : no release goes on.
    """
    settle_if_free(project)
    state = released(project)
    comparison = compare(project, state)
    release, candidate = state.release, state.candidate
    assert release is not None
    assert candidate is not None
    if not guard:
        return ArmsResult(candidate.model, comparison)
    report = candidate_report(project, state)
    reason = _reason(state, comparison, report)
    if reason is None:
        return ArmsResult(candidate.model, comparison, report)
    with project.ledger.lock(f"deploy {project.name}", wait_s=WAIT_S):
        settle(project)
        now = read_slots(project.serving_state).release
        if now is not None and now.number == release.number:
            end(project, "return", f"{MONITOR}: {reason}", who=MONITOR)
    return ArmsResult(candidate.model, comparison, report, reason)


def released(project: Project) -> SlotState:
    """The slots, with a release.

    Raises
    ------
    ProjectError : none goes on.
    """
    state = read_slots(project.serving_state)
    if state.release is None or state.candidate is None or state.live_entry is None:
        raise ProjectError(
            "no version is released beside the live one",
            why=f"slots.json knows of no canary, A/B test or shadow (last change: {state.by or 'none'})",
            way_out="begin one: `penstock deploy --canary 10%`, --ab 50% or --shadow",
        )
    return state


def compare(project: Project, state: SlotState) -> Comparison:
    """Both arms of a release, until now."""
    from penstock.monitoring.arms import ArmSide, compare_arms

    def side(entry: SlotEntry) -> ArmSide:
        bundle = _bundle(project, entry)
        return ArmSide(entry.model, entry.version, bundle.decoder, bundle.signature)

    live, candidate, release = state.live_entry, state.candidate, state.release
    assert live is not None
    assert candidate is not None
    assert release is not None
    return compare_arms(
        project.journal_folder, release, side(live), side(candidate), _labels(project), until=datetime.now(UTC)
    )


def candidate_report(project: Project, state: SlotState) -> MonitorReport:
    """The checks of the monitor on what the candidate answered. (A shadow answers nobody: nothing can be judged.)"""
    from penstock.lifecycle.monitor import monitor_settings
    from penstock.monitoring.monitor import monitor
    from penstock.monitoring.window import read_window
    from penstock.serving.instants import parse_instant

    entry, release = state.candidate, state.release
    assert entry is not None
    assert release is not None
    bundle = _bundle(project, entry)
    since = parse_instant(release.started_at)
    window = read_window(project.journal_folder, bundle.decoder, bundle.signature, entry.version, since=since)
    return monitor(
        window,
        bundle.reference,
        bundle.signature,
        settings=monitor_settings(project),
        labels=_labels(project),
        decoder=bundle.decoder,
    )


def _reason(state: SlotState, comparison: Comparison, report: MonitorReport) -> str | None:
    """Why the release should end; None where nothing says so."""
    assert state.release is not None
    guards = state.release.guards
    for check in report.alarms:
        if check.id in guards.checks:
            of = f" of {check.column}" if check.column else ""
            return f"{check.id}{of}: {check.why}"
    if comparison.candidate.requests < guards.minimum_requests:
        return None
    evidence = comparison.evidence.with_alarms(len(report.alarms))
    for condition in map(parse, guards.trip):
        verdict = judge(condition, evidence)
        if verdict.holds:
            return shown(verdict.findings)
    return None


def _bundle(project: Project, entry: SlotEntry) -> Bundle:
    return Bundle.load(project.serving_state / entry.path, key=project.privacy_key)


def _labels(project: Project) -> Mapping[str, Any]:
    return {prediction: label.label for prediction, label in read_labels(project.journal_folder).items()}
