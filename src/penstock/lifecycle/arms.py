"""The release or watch that goes on, looked at: `penstock monitor --arms`, and `--guard`, which also ends it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from penstock.bundle.runtime import Bundle
from penstock.errors import BadParameter, ProjectError
from penstock.lifecycle.release import end
from penstock.lifecycle.settle import settle, settle_if_free
from penstock.lifecycle.versions import WAIT_S
from penstock.project.project import Project
from penstock.serving.conditions import Condition, parse
from penstock.serving.labels import read_labels
from penstock.serving.releases import Release
from penstock.serving.slots import SlotEntry, read_slots
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
    report: MonitorReport
    ended: str | None = None

    @property
    def exit_code(self) -> int:
        """1: a guard ended the release."""
        return int(self.ended is not None)

    def to_json(self) -> dict[str, Any]:
        checks = [check.to_json() for check in self.report.checks]
        return {"model": self.model, **self.comparison.to_json(), "checks": checks, "ended": self.ended}

    def to_text(self) -> str:
        alarms = [f"{c.id}{f' {c.column}' if c.column else ''}: {c.why}" for c in self.report.alarms]
        lines = [self.comparison.to_text(), *(f"  ! {alarm}" for alarm in alarms)]
        if not alarms:
            lines.append("  no check of the monitor alarms on the rows of the candidate")
        if self.ended is not None:
            again = "is live again" if self.comparison.release.mode == "watch" else "answers alone"
            lines.append(f"ENDED: {self.ended}. Version {self.comparison.live.version} {again}.")
        return "\n".join(lines)


def look_at_arms(project: Project, *, guard: bool = False) -> ArmsResult:
    """Compare the arms of the release that goes on, or look at what is live while it is watched.

    Parameters
    ----------
    guard : also judge the declared guards with all that they name, and the declared checks of the monitor on the candidate's rows; end
        the release where one says so, or go back to what stands by.

    Raises
    ------
    ProjectError : no release goes on, and nothing is watched.
    """
    settle_if_free(project)
    looked = looked_at(project)
    comparison = compare(project, looked)
    if not guard:
        return ArmsResult(looked.candidate.model, comparison, candidate_report(project, looked))
    number = looked.release.number
    look = _looks_so_far(project, number) + 1
    params = {"release": number, "look": look}
    with project.ledger.run(
        "guard", inputs={"bundle": looked.candidate.bundle}, params=params, project=project.name
    ) as run:
        report = candidate_report(project, looked, look=look)
        reason = _reason(looked.release, comparison, report)
        run.output("ended", reason)
    if reason is not None:
        with project.ledger.lock(f"deploy {project.name}", wait_s=WAIT_S):
            settle(project)
            now = read_slots(project.serving_state)
            if looked.release in (now.release, now.watch):
                end(project, "return", f"{MONITOR}: {reason}", who=MONITOR)
    return ArmsResult(looked.candidate.model, comparison, report, reason)


def _looks_so_far(project: Project, release: int) -> int:
    last = project.ledger.runs("guard", "done", limit=1, project=project.name)
    return last[0].params["look"] if last and last[0].params["release"] == release else 0


@dataclass(frozen=True)
class LookedAt:
    """What is compared: the candidate of a release beside what is live, or what is live beside what stands by."""

    release: Release
    live: SlotEntry
    candidate: SlotEntry


def looked_at(project: Project, *, watch: bool = True) -> LookedAt:
    """
    Parameters
    ----------
    watch : whether a watch will do.

    Raises
    ------
    ProjectError : nothing goes on.
    """
    state = read_slots(project.serving_state)
    live, idle = state.live_entry, state.slots[state.idle]
    if live is not None and idle is not None:
        if state.release is not None:
            return LookedAt(state.release, live, idle)
        if state.watch is not None and watch:
            return LookedAt(state.watch, idle, live)
    raise ProjectError(
        "no version is released beside the live one",
        why=f"slots.json knows of no canary, A/B test or shadow (last change: {state.by or 'none'})",
        way_out="begin one: `penstock deploy --canary 10%`, --ab 50% or --shadow",
    )


def compare(project: Project, looked: LookedAt) -> Comparison:
    """Both arms, until now."""
    from penstock.monitoring.arms import ArmSide, compare_arms

    def side(entry: SlotEntry) -> ArmSide:
        bundle = _bundle(project, entry)
        return ArmSide(entry.model, entry.version, bundle.decoder, bundle.signature)

    return compare_arms(
        project.journal_folder,
        looked.release,
        side(looked.live),
        side(looked.candidate),
        _labels(project),
        until=datetime.now(UTC),
    )


def refuse_wrong_way(condition: Condition, metric: str, *, good: bool) -> None:
    """Refuse a condition that takes a worse quality for a better one: of an error, less is better.

    Parameters
    ----------
    good : whether it is to hold for a candidate that is good (a promotion), or for one that is bad (a guard).

    Raises
    ------
    BadParameter : with the comparison to write.
    """
    from penstock.evaluation.metrics import METRICS

    of = METRICS[metric]
    right = 1 if of.greater_is_better == good else -1
    if condition.wants("quality") - {right}:
        better = "more" if of.greater_is_better else "less"
        way = (
            (">= live - 0.01" if right > 0 else "<= live + 0.01")
            if good
            else f"{'<>'[right > 0]} live {'-+'[right > 0]} 0.01"
        )
        raise BadParameter(
            f"the condition {condition.text!r} {'promotes' if good else 'ends the release of'} what has the "
            f"{'worse' if good else 'better'} quality",
            why=f"quality is the {of.title} here, of which {better} is better",
            way_out=f"write it the other way round, as in: quality {way}",
        )


def candidate_report(project: Project, looked: LookedAt, *, look: int | None = None) -> MonitorReport:
    """The checks of the monitor on what the candidate answered; a shadow's answers are to the rows of the live version.

    Parameters
    ----------
    look : the number of this look, where something follows from each: the chances of a false alarm of all looks together are the declared
        one then (6 / pi^2 times the sum of 1 / n^2 is 1). None: it is the declared one at this look.
    """
    from penstock.lifecycle.monitor import monitor_settings
    from penstock.monitoring.monitor import monitor
    from penstock.monitoring.shadow_window import read_shadow_window
    from penstock.monitoring.window import read_window
    from penstock.serving.instants import parse_instant

    entry = looked.candidate
    bundle = _bundle(project, entry)
    window = (read_shadow_window if looked.release.mode == "shadow" else read_window)(
        project.journal_folder,
        bundle.decoder,
        bundle.signature,
        entry.version,
        since=parse_instant(looked.release.started_at),
        until=datetime.now(UTC),
        model=entry.model,
    )
    settings = monitor_settings(project)
    if look is not None:
        settings = replace(settings, alpha=settings.alpha * 6 / math.pi**2 / look**2)
    return monitor(
        window,
        bundle.reference,
        bundle.signature,
        settings=settings,
        labels=_labels(project),
        decoder=bundle.decoder,
    )


def _reason(release: Release, comparison: Comparison, report: MonitorReport) -> str | None:
    """Why it should end; None where nothing says so."""
    guards = release.guards
    for check in report.alarms:
        if check.id in guards.checks:
            of = f" of {check.column}" if check.column else ""
            return f"{check.id}{of}: {check.why}"
    if comparison.candidate.requests < guards.minimum_requests:
        return None
    evidence = comparison.evidence.with_alarms(len(report.alarms))
    for condition in map(parse, guards.trip):
        refuse_wrong_way(condition, comparison.metric, good=False)
        verdict = judge(condition, evidence)
        if verdict.holds:
            return shown(verdict.findings)
    return None


def _bundle(project: Project, entry: SlotEntry) -> Bundle:
    return Bundle.load(project.serving_state / entry.path, key=project.privacy_key)


def _labels(project: Project) -> Mapping[str, Any]:
    return {prediction: label.label for prediction, label in read_labels(project.journal_folder).items()}
