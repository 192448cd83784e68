"""`deploy --canary | --ab | --shadow`: a version beside the live one, which stays as it is. No envelope is opened for it."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.bundle.privacy.keys import write_key
from penstock.bundle.runtime import Bundle
from penstock.errors import BadParameter, ProjectError, ServingError
from penstock.lifecycle.bundles import bundle_of
from penstock.lifecycle.settle import settle
from penstock.lifecycle.versions import WAIT_S, chosen_version
from penstock.project.project import Project
from penstock.project.sections.serving import seconds_of
from penstock.serving.acknowledgements import Told, untold, wait_for_epoch, wait_for_return
from penstock.serving.arm_counts import forget_counts
from penstock.serving.arms import refuse_other_form
from penstock.serving.releases import TOLD, Guards, Mode, Release
from penstock.serving.slots import SlotEntry, SlotState, read_slots
from penstock.serving.switching import end_release, offer, prune_bundles, restore, return_from

if TYPE_CHECKING:
    from penstock.ledger.registry import ModelVersion


@dataclass(frozen=True)
class ReleaseResult:
    """Outcome of `penstock deploy --canary | --ab | --shadow`."""

    model: str
    version: int
    slot: str
    release: dict[str, Any]
    told: str
    live: int
    epoch: int
    workers: int
    run: str

    exit_code = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "version": self.version,
            "slot": self.slot,
            "live": self.live,
            "release": self.release,
            "epoch": self.epoch,
            "workers": self.workers,
            "run": self.run,
        }

    def to_text(self) -> str:
        servers = f"{self.workers} server processes have it" if self.workers else "no server is running"
        guards = "; ".join(self.release["guards"]["trip"]) or "none"
        return "\n".join(
            [
                f"{self.model} version {self.version} is the {self.told}, beside version {self.live}, which is live ({servers})",
                f"  it ends by itself where: {guards}",
                "next: penstock monitor --arms, then penstock promote or penstock rollback",
            ]
        )


def release_version(
    project: Project,
    mode: Mode,
    *,
    version: int | None = None,
    share: float = 0.0,
    sticky: str | None = None,
    told: Told = untold,
) -> ReleaseResult:
    """Let a version answer a share of the requests (canary, A/B), or copies of them (shadow), beside the live version.

    Asked again of the version that is released already, in the same mode: another share, key or guards; what was counted stays.
    An envelope is opened by `promote`, not here.

    Parameters
    ----------
    version : default: the candidate of the release that goes on, else the challenger, or the newest that passed.
    share : of the requests. sticky : the field by whose value arms are dealt; default: as before, else by chance.
    told : what is waited for, where servers take long.

    Raises
    ------
    ServingError : nothing is live, or a server process refuses the bundle; then nothing has changed.
    ProjectError : the version is live already, another is released, or it did not pass at `run` (a shadow need not).
    BundleError : it is damaged, fails its self-test, or answers in another form than the live version.
    BadParameter : the share, or a sticky field that no request has.
    """
    with project.ledger.lock(f"deploy {project.name}", wait_s=WAIT_S):
        settle(project)
        before = read_slots(project.serving_state)
        live, held = before.live_entry, before.candidate
        if live is None:
            raise ServingError(
                "no version is live that another could be released beside",
                why="a canary, a shadow and an A/B test stand beside a live version",
                way_out="run `penstock deploy` first",
            )
        if version is None and held is not None:
            version = held.version
        chosen = chosen_version(project, version, to_answer=mode != "shadow")
        _may_be_released(chosen, mode, live, before)
        if sticky is None and before.release is not None and mode != "shadow":
            sticky = before.release.sticky
        bundle = Bundle.load(bundle_of(project, chosen), key=project.privacy_key)
        bundle.self_test()
        refuse_other_form(
            (live.version, Bundle.load(project.serving_state / live.path, key=project.privacy_key).signature),
            (chosen.version, bundle.signature),
        )
        if sticky is not None:
            _refuse_strange_field(bundle, sticky)
        release = Release(mode, share, sticky, declared_guards(project))
        release.check()
        inputs = {"bundle": chosen.bundle}
        params = {"version": chosen.version, "mode": mode, "share": share, "sticky": sticky}
        with project.ledger.run("release", inputs=inputs, params=params, project=project.name) as run:
            state, workers = _offer(project, chosen, bundle, release, before, run.id, told)
        assert state.release is not None
        return ReleaseResult(
            model=chosen.name,
            version=chosen.version,
            slot=state.idle,
            release={n: v for n, v in state.release.to_json().items() if n != "displaced"},
            told=state.release.told(),
            live=live.version,
            epoch=state.epoch,
            workers=workers,
            run=run.id,
        )


def declared_guards(project: Project) -> Guards:
    """`[serving.guards]`, as a release carries it to the servers."""
    declared = project.declaration.serving.guards
    return Guards(
        declared.trip,
        seconds_of(declared.window) or 60.0,
        declared.minimum_requests,
        declared.checks,
        seconds_of(declared.watch) or 0.0,
    )


def end(project: Project, what: str, reason: str, *, who: str | None = None) -> SlotState | None:
    """End the release that goes on, or go back to what stands by in a watch, wait for the servers, and write it into the audit trail; None
    where there is neither.

    To be called under the lock of a deploy. `what` is the event: ``rollback`` or ``return``.

    Raises
    ------
    ServingError : a server process refuses it. NotFollowed : it is done and written down, and a server process that hangs has not followed.
    """
    state_dir = project.serving_state
    before = read_slots(state_dir)
    if before.watch is not None:
        state, left = return_from(state_dir, before.watch.number, by=reason), before.live_entry
    else:
        state, left = end_release(state_dir, by=reason), before.candidate
    ended = before.watch or before.release
    if state is None:
        return None
    _, late = wait_for_return(state_dir, state.epoch)
    if late is None:
        prune_bundles(state_dir)
    live = state.live_entry
    assert live is not None
    if before.watch is not None:
        project.ledger.registry.set_alias(live.model, "champion", live.version)
    details = {
        "version": live.version,
        "slot": state.live,
        "epoch": state.epoch,
        "changed_at": state.changed_at,
        "ended": None if left is None else left.version,
        "mode": None if ended is None else ended.mode,
        "by": reason,
    }
    project.ledger.audit.append(what, live.model, details, who)
    if late is not None:
        raise late
    return state


def _offer(
    project: Project,
    chosen: ModelVersion,
    bundle: Bundle,
    release: Release,
    before: SlotState,
    run: str,
    told: Told,
) -> tuple[SlotState, int]:
    state_dir = project.serving_state
    if bundle.decoder.is_keyed:
        write_key(state_dir, project.privacy_key())
    state = offer(
        state_dir,
        bundle.folder,
        release,
        model=chosen.name,
        version=chosen.version,
        digest=chosen.bundle,
        by=f"release {run}",
    )
    try:
        workers = wait_for_epoch(state_dir, state.epoch, timeout_s=30.0, told=told)
    except BaseException:
        restore(state_dir, before, state, by=f"release {run} was refused")
        raise
    forget_counts(state_dir, but=state.counted)
    prune_bundles(state_dir)
    details = {
        "version": chosen.version,
        "slot": state.idle,
        "epoch": state.epoch,
        "changed_at": state.changed_at,
        "bundle": chosen.bundle,
        "mode": release.mode,
        "share": release.share,
        "sticky": release.sticky,
        "guards": list(release.guards.trip),
        "run": run,
    }
    project.ledger.audit.append("release", chosen.name, details)
    return state, len(workers)


def _may_be_released(chosen: ModelVersion, mode: Mode, live: SlotEntry, before: SlotState) -> None:
    held = before.candidate
    if chosen.bundle == live.bundle and chosen.version == live.version:
        raise ProjectError(
            f"{chosen.name} version {chosen.version} is live already",
            why="it would be compared with itself",
            way_out="name another with --version; `penstock models` lists them",
        )
    if held is not None and held.bundle != chosen.bundle:
        refuse_second_release(before)
    if mode != "shadow" and not chosen.passed and not chosen.overrides:
        raise ProjectError(
            f"{chosen.name} version {chosen.version} did not pass its gates",
            why=f"they said no on validation data when it was made, and a {TOLD[mode]} answers real requests",
            way_out="name a version that passed, or look at it first with --shadow, which answers nobody",
        )


def refuse_second_release(before: SlotState) -> None:
    """
    Raises
    ------
    ProjectError : always; names the release that goes on.
    """
    assert before.release is not None
    assert before.candidate is not None
    raise ProjectError(
        f"version {before.candidate.version} is released already ({before.release.told()})",
        why="there is one candidate at a time",
        way_out="put it live with `penstock promote`, or end it with `penstock rollback`; then release the other",
    )


def _refuse_strange_field(bundle: Bundle, sticky: str) -> None:
    signature, history = bundle.signature, bundle.decoder.history
    known = [column.name for column in signature.columns]
    known += [signature.key] if signature.key is not None else []
    known += [spec.name for spec in history.specs] if history is not None else []
    if sticky in known or (signature.extra_fields == "ignore" and sticky):
        return
    near = difflib.get_close_matches(sticky, known, 1)
    raise BadParameter(
        f"--sticky names {sticky!r}, which no request has",
        why=f"fields of a request are: {', '.join(known)}",
        way_out=f"write --sticky {near[0]}"
        if near
        else 'name one of these, or allow others: [serving] extra_fields = "ignore"',
    )
