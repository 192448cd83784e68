"""After the last stage: the report, the card and the bundle where people look for them, and the result of the run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.lifecycle.bundles import restore_bundle, version_folder
from penstock.lifecycle.results import RunResult
from penstock.lifecycle.stages import Stages
from penstock.serving.slots import read_slots

if TYPE_CHECKING:
    from penstock.ledger.decisions import Decision
    from penstock.ledger.record import RunRecord
    from penstock.project.project import Project


def published(
    stages: Stages, dataset: str, found: RunRecord, verdict: RunRecord, bundle: RunRecord, version: RunRecord
) -> RunResult:
    """Write what is not there yet, and tell the outcome."""
    context = stages.context
    project = context.project
    number = int(version.outputs["version"])
    report_digest = str(verdict.artifacts["report"]["digest"])
    report = json.loads(context.objects.get(report_digest))
    candidate = json.loads(context.objects.get(str(found.artifacts["candidate"]["digest"])))
    folder = restore_bundle(
        project,
        str(bundle.outputs["bundle"]),
        version_folder(project, number),
        audit_head=str(bundle.outputs["audit_head"]),
    )
    page = project.root / "reports" / f"{project.name}-v{number}.html"
    decisions = context.ledger.decisions.of_project(project.name)
    if not page.is_file() or any(_is_newer(decision, page) for decision in decisions):
        _write_page(project, page, report, number, bundle, decisions)
    whole = _whole_run(stages, version)
    passed = bool(verdict.outputs["passed"])
    if passed or report["overrides"]:
        _propose(project, number)
    if not stages.nothing_to_do:
        run = stages.whole
        run.output("dataset", dataset)
        run.output("model", {"name": project.name, "version": number})
        run.output("gates", report["gates"])
        for name, m in report["metrics"].items():
            run.metric(name, float("nan") if m["value"] is None else m["value"], low=m["low"], high=m["high"])
    warnings = [
        f"{s['id']} is {s['value']:.4g}, the scope says {s['limit']:g}"
        for s in bundle.outputs["scope"]
        if not s["passed"]
    ]
    return RunResult(
        run=whole,
        dataset=dataset,
        task=report["task"],
        seed=candidate["seed"],
        metric=report["metric"],
        steps=stages.steps,
        validation={n: {k: m[k] for k in ("value", "low", "high")} for n, m in report["metrics"].items()},
        baseline=report["baseline"],
        gates=report["gates"],
        overrides=report["overrides"],
        passed=passed,
        model={"name": project.name, "version": number, "learner": candidate["learner"]},
        bundle=str(folder.relative_to(project.root)),
        report=str(page.relative_to(project.root)),
        warnings=list(dict.fromkeys([*stages.warnings, *candidate["warnings"], *warnings])),
        rows={"train": candidate["rows"]["train"], "valid": report["rows"]},
        spent=list(found.inputs["spent"]),
    )


def _propose(project: Project, number: int) -> None:
    """What this run tells of is what `deploy` takes next, also where the run did nothing new."""
    live = read_slots(project.serving_state).live_entry
    aliases = project.ledger.registry.aliases(project.name)
    if aliases.get("challenger") != number and (live is None or live.version != number):
        project.ledger.registry.set_alias(project.name, "challenger", number)


def _whole_run(stages: Stages, version: RunRecord) -> str:
    """The run of the pipeline that registered this version, or this one."""
    if not stages.nothing_to_do:
        return stages.whole.id
    for record in stages.context.ledger.runs(project=stages.context.project.name):
        if record.operation in ("run", "retrain") and any(
            s["run"] == version.id for s in record.outputs.get("steps", [])
        ):
            return record.id
    return version.id


def _is_newer(decision: Decision, page: Path) -> bool:
    """Whether a decision was written down after a page was."""
    return datetime.fromisoformat(decision.at).timestamp() > page.stat().st_mtime


def _write_page(
    project: Project,
    page: Path,
    report: dict[str, Any],
    number: int,
    bundle: RunRecord,
    decisions: Sequence[Decision],
) -> None:
    from penstock.evaluation.render import to_html
    from penstock.evaluation.report import Report
    from penstock.objects.files import write_atomic

    shown = Report.from_json(report)
    facts = (
        *shown.facts,
        ("version", str(number)),
        ("bundle", str(bundle.outputs["bundle"])),
        ("audit head", str(bundle.outputs["audit_head"])),
        *((f"decision {d.id}, {d.outcome}", d.hypothesis + (f" ({d.why})" if d.why else "")) for d in decisions),
    )
    page.parent.mkdir(exist_ok=True)
    write_atomic(page, to_html(shown.with_(facts=facts, title=f"{project.name} version {number}")).encode())
