"""`deploy` examines a version on one envelope, fills the idle slot and switches; `rollback` switches back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from penstock.bundle.privacy.keys import write_key
from penstock.bundle.runtime import Bundle
from penstock.errors import DeclarationError, GateRefused, ProjectError, ServingError
from penstock.lifecycle.bundles import bundle_of
from penstock.lifecycle.check import check_declaration
from penstock.lifecycle.exam import FEW_ROWS, Envelope, choose_envelope, examine, keep_report
from penstock.lifecycle.release import declared_guards, end, refuse_second_release
from penstock.lifecycle.reproducible import reproducible, way_to_pass
from penstock.lifecycle.results import DeployResult, RollbackResult
from penstock.lifecycle.settings import overriding
from penstock.lifecycle.settle import settle
from penstock.lifecycle.versions import WAIT_S, chosen_version
from penstock.project.live import live_bundle, live_or_none
from penstock.project.project import Project
from penstock.serving.acknowledgements import Told, untold, wait_for_epoch, wait_for_return, workers
from penstock.serving.arm_counts import forget_counts
from penstock.serving.arms import form_of
from penstock.serving.conditions import parse
from penstock.serving.releases import Guards
from penstock.serving.slots import SlotEntry, SlotState, read_slots
from penstock.serving.switching import fill_and_switch, prune_bundles, restore, switch_back

if TYPE_CHECKING:
    from penstock.ledger.registry import ModelVersion


def deploy_version(
    project: Project,
    *,
    version: int | None = None,
    override: str | None = None,
    accept_spent: str | None = None,
    release: int | None = None,
    told: Told = untold,
) -> DeployResult:
    """Score a version on one sealed envelope and, if its gates pass, put it live.

    The declared gates, the baseline, the version that is live and the limits of [scope] judge. Where the live version cannot answer
    the same rows, its gate is not judged and says no. A deploy that was killed goes
    on with the envelope that it had opened, and an override acts on the verdict of the exam that was failed.

    Parameters
    ----------
    version : default: the challenger, or the newest that passed.
    override : the reason to deploy although a gate says no.
    accept_spent : the reason to score on an envelope that was opened before, where none is left.
    release : the number of the release that must still go on when the slots are switched: to promote its candidate.
    told : what is waited for, where servers take long.

    Raises
    ------
    NotFound : there is no such version. ProjectError : it is live already, or did not pass at `run`.
    GateRefused : the gate ``reproducible = true`` is declared, and its run was not reproduced.
    SealError : no envelope is left. DeclarationError : a gate or slice is wrong; nothing was opened.
    """
    if accept_spent is not None and not accept_spent.strip():
        raise DeclarationError(
            "--accept-spent has no reason", why="it is shown with the model from then on", way_out="say why"
        )
    with project.ledger.lock(f"deploy {project.name}", wait_s=WAIT_S):
        settle(project)
        chosen = chosen_version(project, version)
        reason = overriding(override)
        _may_be_deployed(project, chosen, override)
        check_declaration(project, chosen.dataset)
        bundle = Bundle.load(bundle_of(project, chosen), key=project.privacy_key)
        bundle.self_test()
        live = live_or_none(project)  # before an envelope is opened: one that cannot be read must cost none
        envelope = choose_envelope(project, chosen, override=reason, accept_spent=accept_spent)
        inputs = {"bundle": chosen.bundle, "dataset": chosen.dataset}
        params = {
            "version": chosen.version,
            "envelope": envelope.index,
            "override": reason,
            "accept_spent": accept_spent,
        }
        with project.ledger.run("deploy", inputs=inputs, params=params, project=project.name) as run:
            report = examine(project, chosen, bundle, envelope, run.id, reason, live)
            for name, estimate in report.metrics.items():
                run.metric(name, estimate.value, low=estimate.low, high=estimate.high)
            deployed = report.passed or reason is not None
            deployment: dict[str, Any] = {
                "run": run.id,
                "envelope": {
                    "opened": envelope.index,
                    "left": envelope.left,
                    "reused": envelope.reused,
                    "rows": report.rows,
                },
                "accept_spent": accept_spent,
                "test": {n: _plain(e.to_json()) for n, e in report.metrics.items()},
                "gates": [g.to_json() for g in report.gates],
                "overrides": [o.to_json() for o in report.overrides],
                "report": keep_report(project, run, report, chosen.version),
            }
            run.output("deployed", deployed)
            run.output("deployment", deployment)
            watch = _watch(project, bundle, live)
            slot = _switch(project, chosen, bundle, deployment, run.id, release, watch, told) if deployed else None
        return DeployResult(
            model=chosen.name,
            version=chosen.version,
            slot=slot,
            metric=report.metric,
            test=deployment["test"],
            envelope=deployment["envelope"],
            gates=deployment["gates"],
            overrides=deployment["overrides"],
            deployed=deployed,
            run=run.id,
            warnings=[
                *_warnings(project, chosen, envelope, report.rows, accept_spent),
                *(_not_judged(project) if deployed else ()),
            ],
            watch_s=watch.watch_s if deployed and watch is not None else 0.0,
        )


def rollback_project(project: Project) -> RollbackResult:
    """Put the version in the other slot back to live; returns when every server process has switched.

    Where a release goes on, that is ended instead, and the live version answers alone.

    Raises
    ------
    ServingError : there is no version to go back to, or a server process refuses it; then nothing has changed.
    NotFollowed : it is live again, and a server process that hangs has not switched.
    """
    start = time.perf_counter()
    ledger = project.ledger  # opened first: what cannot be recorded is not done
    with ledger.lock(f"deploy {project.name}", wait_s=WAIT_S):
        settle(project)
        before = read_slots(project.serving_state)
        if before.release is not None:
            return _ended(project, before, start)
        state = switch_back(project.serving_state, by="rollback")
        try:
            switched, late = wait_for_return(project.serving_state, state.epoch)
        except ServingError:
            restore(project.serving_state, before, state, by="rollback was refused")
            raise
        seconds = time.perf_counter() - start
        entry, left = state.live_entry, before.live_entry
        assert entry is not None
        assert state.live is not None
        inputs, params = {"bundle": entry.bundle}, {"version": entry.version}
        with ledger.run("rollback", inputs=inputs, params=params, project=project.name) as run:
            ledger.registry.set_alias(entry.model, "champion", entry.version)
            run.metric("seconds", seconds)
        from_version = None if left is None else left.version
        details = {
            "from": from_version,
            "to": entry.version,
            "slot": state.live,
            "epoch": state.epoch,
            "changed_at": state.changed_at,
            "run": run.id,
        }
        ledger.audit.append("rollback", entry.model, details)
    if late is not None:
        raise late
    return RollbackResult(entry.model, entry.version, state.live, round(seconds, 4), len(switched))


def _ended(project: Project, before: SlotState, start: float) -> RollbackResult:
    """The release ended by hand."""
    candidate = before.candidate
    assert candidate is not None
    params = {"version": candidate.version, "release": True}
    with project.ledger.run(
        "rollback", inputs={"bundle": candidate.bundle}, params=params, project=project.name
    ) as run:
        state = end(project, "rollback", f"rollback {run.id}")
        assert state is not None
        assert state.live_entry is not None
        assert state.live is not None
        seconds = time.perf_counter() - start
        run.metric("seconds", seconds)
    live = state.live_entry
    return RollbackResult(
        live.model, live.version, state.live, round(seconds, 4), len(workers(project.serving_state)), candidate.version
    )


def _may_be_deployed(project: Project, chosen: ModelVersion, override: str | None) -> None:
    state = read_slots(project.serving_state)
    live = state.live_entry
    if state.candidate is not None and state.candidate.bundle != chosen.bundle:
        refuse_second_release(state)
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
    gate = reproducible(project, chosen)
    if gate is not None and not gate.passed and override is None:
        raise GateRefused(
            f"{chosen.name} version {chosen.version} does not pass the gate {gate.id!r}",
            why=f"{gate.why}; no envelope was opened",
            way_out=f"{way_to_pass(project, chosen)}, then deploy again; or use --override REASON",
        )


def _switch(
    project: Project,
    chosen: ModelVersion,
    bundle: Bundle,
    deployment: dict[str, Any],
    run: str,
    release: int | None,
    watch: Guards | None,
    told: Told,
) -> str:
    """Fill the idle slot, wait until every server process has switched, and write it down."""
    state_dir = project.serving_state
    ledger = project.ledger
    before = read_slots(state_dir)
    if bundle.decoder.is_keyed:
        write_key(state_dir, project.privacy_key())  # beside the bundles, so that copying one takes no key along
    state = fill_and_switch(
        state_dir,
        bundle.folder,
        model=chosen.name,
        version=chosen.version,
        digest=chosen.bundle,
        deployment=deployment,
        by=f"deploy {run}",
        release=release,
        watch=watch,
    )
    try:
        wait_for_epoch(state_dir, state.epoch, timeout_s=30.0, told=told)
    except BaseException:
        restore(state_dir, before, state, by=f"deploy {run} was refused")
        raise
    prune_bundles(state_dir)
    forget_counts(state_dir, but=state.counted)
    registry = ledger.registry
    registry.set_alias(chosen.name, "champion", chosen.version)
    if registry.aliases(chosen.name).get("challenger") == chosen.version:
        registry.set_alias(chosen.name, "challenger", None)
    details = {
        "version": chosen.version,
        "slot": state.live,
        "epoch": state.epoch,
        "changed_at": state.changed_at,
        "bundle": chosen.bundle,
        "run": run,
        **({} if before.release is None else {"promoted": before.release.mode}),
        **({} if state.watch is None else {"watch_s": state.watch.guards.watch_s}),
    }
    ledger.audit.append("deploy", chosen.name, details)
    for override in deployment["overrides"]:
        ledger.audit.append("override", chosen.name, {"at": "deploy", **override})
    return str(state.live)


def _watch(project: Project, bundle: Bundle, live: tuple[SlotEntry, Bundle] | None) -> Guards | None:
    """By which the new version is watched once it is live; None where nothing can stand by: the version before answers in another form."""
    before = read_slots(project.serving_state).live_entry
    if before is None:
        return None
    if live is None or live[0].bundle != before.bundle:  # a guard has gone back meanwhile
        live = live_bundle(project)
    return declared_guards(project) if form_of(live[1].signature) == form_of(bundle.signature) else None


def _not_judged(project: Project) -> list[str]:
    """Guards of the watch that has begun that compare with what nobody has counted."""
    state = read_slots(project.serving_state)
    watch, before = state.watch, state.slots[state.idle]
    if watch is None or before is None or watch.reference is not None:
        return []
    comparing = [text for text in watch.guards.trip if parse(text).is_of_live]
    if not comparing:
        return []
    return [
        f"guards that compare with version {before.version} judge nothing in this watch, as it was neither released beside another "
        f"nor watched when it went live: {'; '.join(comparing)}"
    ]


def _warnings(
    project: Project, chosen: ModelVersion, envelope: Envelope, rows: int, accept_spent: str | None
) -> list[str]:
    from penstock.data.versions import load_version

    found = []
    if envelope.reused:
        found.append(f"scored on an envelope that was opened before: {accept_spent}")
    elif envelope.opened:
        found.append(
            f"envelope {envelope.index} had been opened by an earlier exam of this version; it goes on with it"
        )
    if rows < FEW_ROWS:
        found.append(f"{rows} test rows are few: mind the width of the interval")
    if load_version(project.objects, chosen.dataset).manifest.get("redealt"):
        found.append("the split was changed after rows had been seen: some test rows may have been seen before that")
    return found


def _plain(estimate: dict[str, Any]) -> dict[str, Any]:
    return {name: estimate.get(name) for name in ("value", "low", "high")}
