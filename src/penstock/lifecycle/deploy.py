"""`deploy` opens one envelope, judges, fills the idle slot and switches; `rollback` switches back."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.bundle.kinds import Task
from penstock.bundle.runtime import Bundle
from penstock.errors import DeclarationError, NotFound, ProjectError, SealError
from penstock.lifecycle.bundles import bundle_of, packaging_run
from penstock.lifecycle.judge import declared_gates, judged
from penstock.lifecycle.results import DeployResult, RollbackResult
from penstock.lifecycle.settings import Settings, overriding
from penstock.project.project import Project
from penstock.serving.acknowledgements import wait_for_epoch
from penstock.serving.slots import fill_and_switch, prune_bundles, read_slots, restore, switch_back

if TYPE_CHECKING:
    from penstock.evaluation.gates import GateResult
    from penstock.evaluation.report import Report
    from penstock.ledger.registry import ModelVersion


def deploy_version(
    project: Project, *, version: int | None = None, override: str | None = None, accept_spent: str | None = None
) -> DeployResult:
    """Score a version on one sealed envelope and, if its gates pass, put it live.

    Parameters
    ----------
    version : default: the challenger, or the newest that passed.
    override : the reason to deploy although a gate says no.
    accept_spent : the reason to score on an envelope that was opened before, where none is left.

    Raises
    ------
    NotFound : there is no such version. ProjectError : it is live already, or did not pass at `run`.
    SealError : no envelope is left.
    """
    with project.ledger.lock(f"deploy {project.name}", wait_s=60.0):
        chosen = _chosen(project, version)
        reason = overriding(override)
        if accept_spent is not None and not accept_spent.strip():
            raise DeclarationError(
                "--accept-spent has no reason", why="it is shown with the model from then on", way_out="say why"
            )
        _may_be_deployed(project, chosen, override)
        bundle = Bundle.load(bundle_of(project, chosen))
        bundle.self_test()
        index, left, reused = _envelope(project, chosen, accept_spent)
        inputs = {"bundle": chosen.bundle, "dataset": chosen.dataset}
        params = {"version": chosen.version, "envelope": index, "override": reason, "accept_spent": accept_spent}
        with project.ledger.run("deploy", inputs=inputs, params=params, project=project.name) as run:
            report = _scored(project, chosen, bundle, index, run.id, reason, reused=reused)
            for name, estimate in report.metrics.items():
                run.metric(name, estimate.value, low=estimate.low, high=estimate.high)
            page = _keep_report(project, run, report, chosen.version)
            deployed = report.passed or reason is not None
            envelope = {"opened": index, "left": left, "reused": reused, "rows": report.rows}
            deployment: dict[str, Any] = {
                "run": run.id,
                "envelope": envelope,
                "accept_spent": accept_spent,
                "test": {n: _plain(e.to_json()) for n, e in report.metrics.items()},
                "gates": [g.to_json() for g in report.gates],
                "overrides": [o.to_json() for o in report.overrides],
                "report": page,
            }
            run.output("deployed", deployed)
            run.output("deployment", deployment)
            slot = _switch(project, chosen, bundle, deployment, run.id) if deployed else None
        warnings = []
        if accept_spent and reused:
            warnings.append(f"scored on an envelope that was opened before: {accept_spent}")
        return DeployResult(
            model=chosen.name,
            version=chosen.version,
            slot=slot,
            metric=report.metric,
            test=deployment["test"],
            envelope=envelope,
            gates=deployment["gates"],
            overrides=deployment["overrides"],
            deployed=deployed,
            run=run.id,
            warnings=warnings,
        )


def rollback_project(project: Project) -> RollbackResult:
    """Put the version in the other slot back to live; returns when every server process has switched.

    Raises
    ------
    ServingError : there is no version to go back to, or a server process refuses it.
    """
    start = time.perf_counter()
    ledger = project.ledger  # opened first: what cannot be recorded is not done
    before = read_slots(project.serving_state)
    state = switch_back(project.serving_state, by="rollback")
    workers = wait_for_epoch(project.serving_state, state.epoch)
    seconds = time.perf_counter() - start
    entry = state.live_entry
    assert entry is not None
    assert state.live is not None
    left = before.live_entry
    with ledger.run(
        "rollback", inputs={"bundle": entry.bundle}, params={"version": entry.version}, project=project.name
    ) as run:
        ledger.registry.set_alias(entry.model, "champion", entry.version)
        run.metric("seconds", seconds)
    details = {"from": None if left is None else left.version, "to": entry.version, "epoch": state.epoch, "run": run.id}
    ledger.audit.append("rollback", entry.model, details)
    return RollbackResult(entry.model, entry.version, state.live, round(seconds, 4), len(workers))


def _chosen(project: Project, version: int | None) -> ModelVersion:
    registry = project.ledger.registry
    if version is not None:
        return registry.get(project.name, version)
    challenger = registry.aliases(project.name).get("challenger")
    if challenger is not None:
        return registry.get(project.name, challenger)
    versions = [v for v in registry.versions(project.name) if v.passed or v.overrides]
    if not versions:
        raise NotFound(
            f"no version of {project.name} has passed its gates",
            why="a model is registered by `penstock run`, and may be deployed when it passed",
            way_out="run `penstock run`; a version that failed: penstock deploy --version N --override REASON",
        )
    return max(versions, key=lambda v: v.version)


def _may_be_deployed(project: Project, chosen: ModelVersion, override: str | None) -> None:
    live = read_slots(project.serving_state).live_entry
    if live is not None and live.version == chosen.version and live.bundle == chosen.bundle:
        raise ProjectError(
            f"{chosen.name} version {chosen.version} is live already",
            why="deploying it again would open another envelope and learn nothing new",
            way_out="make a new version with `penstock run` or `penstock retrain`, or name another with --version",
        )
    if not chosen.passed and not chosen.overrides and override is None:
        raise ProjectError(
            f"{chosen.name} version {chosen.version} did not pass its gates",
            why="they said no on validation data when it was made; no envelope was opened now",
            way_out="name a version that passed, or use --override REASON, which every later report shows",
        )


def _envelope(project: Project, chosen: ModelVersion, accept_spent: str | None) -> tuple[int, int, bool]:
    """Index of the envelope to score on, how many are left after it, and whether it was opened before."""
    from penstock.data.seal import envelopes as envelopes_of

    envelopes = envelopes_of(project.ledger, project.objects, chosen.dataset)
    if not envelopes:
        raise SealError(
            f"{chosen.name} version {chosen.version} has no test rows",
            why="its data set is too small to hold any back",
            way_out="bring more rows, and `penstock run` again",
        )
    sealed = [e for e in envelopes if not e.is_spent]
    if sealed:
        return sealed[0].index, len(sealed) - 1, False
    if accept_spent is None:
        raise SealError(
            f"no sealed envelope is left for {chosen.name} version {chosen.version}",
            why=f"all {len(envelopes)} were opened; their rows have been seen, so a score on them proves less",
            way_out="bring new labelled rows (`penstock retrain`), or use --accept-spent REASON, which the card shows",
        )
    last = max(envelopes, key=lambda e: str(e.opened_at))
    return last.index, 0, True


def _scored(
    project: Project,
    chosen: ModelVersion,
    bundle: Bundle,
    index: int,
    run: str,
    override: dict[str, str] | None,
    *,
    reused: bool,
) -> Report:
    from penstock.data.seal import open_envelope, read_spent
    from penstock.evaluation.report import Override, evaluate

    ledger, objects = project.ledger, project.objects
    if reused:
        frame, y = read_spent(ledger, objects, chosen.dataset, index)
    else:
        frame, y = open_envelope(
            ledger, objects, chosen.dataset, index, run=run, purpose=f"deploy version {chosen.version}"
        )
    answers = bundle.predict_frame(frame)
    signature = bundle.signature
    prediction = answers.value if signature.task is Task.REGRESSION else answers.probabilities
    assert prediction is not None
    settings = Settings.of(project, None)
    d = project.declaration
    metric = signature.goal_metric
    report = evaluate(
        signature.task,
        signature.target.classes,
        y,
        prediction,
        metric=metric,
        threshold=signature.decision.threshold,
        frame=frame,
        slices=[s if isinstance(s, str) else list(s) for s in d.evaluation.slices],
        gates=(gates := [g for g in declared_gates(settings.judge, metric) if not g.beats_baseline]),
        title=chosen.name,
        target=signature.target.name,
        part=f"envelope {index}",
        note="spent before: these rows had been seen" if reused else "sealed until now",
        facts=[
            ("version", str(chosen.version)),
            ("data set", chosen.dataset),
            ("run", run),
            ("audit head", ledger.audit.head()),
        ],
    )
    earlier = [Override(**one) for one in chosen.overrides]
    return judged(report, gates, override, decided=_scope_results(project, chosen), earlier=earlier)


def _scope_results(project: Project, chosen: ModelVersion) -> list[GateResult]:
    """What [scope] asks of the bundle's cost, as it was measured when it was packaged."""
    from penstock.evaluation.gates import GateResult

    packaged = packaging_run(project, chosen)
    return [
        GateResult(
            s["id"], s["passed"], s["value"], s["limit"], f"measured {s['value']:.4g}, the scope says {s['limit']:g}"
        )
        for s in packaged.outputs["scope"]
    ]


def _keep_report(project: Project, run: Any, report: Report, version: int) -> str:
    from penstock.evaluation.render import to_html
    from penstock.evaluation.report import dumps
    from penstock.objects.files import write_atomic

    run.keep("report", dumps(report), media="application/json")
    page = to_html(report).encode()
    run.keep("page", page, media="text/html")
    path = project.root / "reports" / f"deploy-v{version}-{report.part.replace(' ', '-')}.html"
    path.parent.mkdir(exist_ok=True)
    write_atomic(path, page)
    return str(path.relative_to(project.root))


def _switch(project: Project, chosen: ModelVersion, bundle: Bundle, deployment: dict[str, Any], run: str) -> str:
    state_dir: Path = project.serving_state
    ledger = project.ledger
    before = read_slots(state_dir)
    state = fill_and_switch(
        state_dir,
        bundle.folder,
        model=chosen.name,
        version=chosen.version,
        digest=chosen.bundle,
        deployment=deployment,
        by=f"deploy {run}",
    )
    try:
        wait_for_epoch(state_dir, state.epoch, timeout_s=30.0)
        prune_bundles(state_dir)
    except BaseException:
        restore(state_dir, before, by=f"deploy {run} was refused")
        raise
    registry = ledger.registry
    registry.set_alias(chosen.name, "champion", chosen.version)
    if registry.aliases(chosen.name).get("challenger") == chosen.version:
        registry.set_alias(chosen.name, "challenger", None)
    details = {"version": chosen.version, "slot": state.live, "epoch": state.epoch, "bundle": chosen.bundle, "run": run}
    ledger.audit.append("deploy", chosen.name, details)
    for override in deployment["overrides"]:
        ledger.audit.append("override", chosen.name, {"at": "deploy", **override})
    return str(state.live)


def _plain(estimate: dict[str, Any]) -> dict[str, Any]:
    return {name: estimate.get(name) for name in ("value", "low", "high")}
