"""The ways in which what is live changes: each is one new epoch of `slots.json`, and a line in the record of changes."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from penstock.errors import ServingError
from penstock.objects.files import write_atomic
from penstock.serving.changes import Change, note_change
from penstock.serving.copies import copy_bundle
from penstock.serving.folder import ServingFolder
from penstock.serving.instants import iso_now
from penstock.serving.releases import CANDIDATE_ARM, LIVE_ARM, Guards, Release
from penstock.serving.slots import SlotEntry, SlotState, read_slots


def fill_and_switch(
    state_dir: Path,
    bundle: Path,
    *,
    model: str,
    version: int,
    digest: str,
    deployment: Mapping[str, Any] | None = None,
    by: str = "",
    release: int | None = None,
    watch: Guards | None = None,
) -> SlotState:
    """Copy a bundle into the idle slot and make that slot live. Servers follow within moments: `wait_for_epoch`.

    A release ends with it; where the bundle is its candidate, this promotes it.

    Parameters
    ----------
    release : the number of the release that must still go on, where its candidate is promoted: a guard may have ended it.
    watch : by which it is watched for as long as they say, while what was live before stands by. None: it is not.

    Raises
    ------
    StoreFull : no space is left; what was live stays live.
    ServingError : that release is over; what was live stays live.
    """
    folder = ServingFolder(state_dir)
    with _changing(folder):
        before = read_slots(state_dir)
        if release is not None and (before.release is None or before.release.number != release):
            raise ServingError(
                f"version {version} is released no more, and was not promoted",
                why=f"its release has ended meanwhile: {before.by}",
                way_out="see why with `penstock monitor`; release it again, or deploy it in spite of that",
            )
        entry = _filled(folder, bundle, model, version, digest, deployment)
        slots = {**before.slots, before.idle: entry}
        watched = None
        if watch is not None and watch.watch_s and before.live_entry is not None:
            number, arm = before.epoch + 1, LIVE_ARM
            reference = None if before.release is None else before.release.number
            if reference is None:
                reference, arm = before.live_entry.watched, CANDIDATE_ARM
            watched = Release("watch", 1.0, None, watch, number, iso_now(), reference=reference, reference_arm=arm)
            slots[before.idle] = replace(entry, watched=number)
        return _write(folder, replace(before, live=before.idle, slots=slots, release=None, watch=watched), before, by)


def offer(
    state_dir: Path,
    bundle: Path,
    release: Release,
    *,
    model: str,
    version: int,
    digest: str,
    deployment: Mapping[str, Any] | None = None,
    by: str = "",
) -> SlotState:
    """Copy a bundle into the idle slot and let it be released beside the live version, which stays as it is.

    What the slot held goes back there when the release ends; a watch ends. Where the bundle is the candidate of a release of the same mode
    already, that one goes on with what `release` says: another share, key or guards.

    Raises
    ------
    ServingError : nothing is live. StoreFull : no space is left.
    """
    folder = ServingFolder(state_dir)
    with _changing(folder):
        before = read_slots(state_dir)
        if before.live is None:
            raise ServingError(
                "no version is live that this one could be released beside",
                why="a canary, a shadow and an A/B test answer or listen beside a live version",
                way_out="deploy a version first: `penstock deploy`",
            )
        entry = _filled(folder, bundle, model, version, digest, deployment)
        now, held = before.release, before.slots[before.idle]
        if now is not None and held is not None and (held.bundle, now.mode) == (digest, release.mode):
            begun = replace(release, number=now.number, started_at=now.started_at, displaced=now.displaced)
        else:
            displaced = now.displaced if now is not None else asdict(held) if held else None
            begun = replace(release, number=before.epoch + 1, started_at=iso_now(), displaced=displaced)
        slots = {**before.slots, before.idle: entry}
        return _write(folder, replace(before, slots=slots, release=begun, watch=None), before, by)


def end_release(state_dir: Path, number: int | None = None, *, by: str = "") -> SlotState | None:
    """Let the live version answer alone again, and put back what the candidate's slot held before.

    Parameters
    ----------
    number : of the release that is meant; None: whichever there is.

    Returns
    -------
    the new state; None where that release is over already.
    """
    folder = ServingFolder(state_dir)
    with _changing(folder):
        before = read_slots(state_dir)
        if before.release is None or number not in (None, before.release.number):
            return None
        return _write(folder, _without_release(before), before, by)


def end_watch(state_dir: Path, number: int, *, by: str = "") -> SlotState | None:
    """What is live has kept its limits for as long as it was to be watched. None where that watch is over already."""
    folder = ServingFolder(state_dir)
    with _changing(folder):
        before = read_slots(state_dir)
        if before.watch is None or before.watch.number != number:
            return None
        return _write(folder, replace(before, watch=None), before, by)


def return_from(state_dir: Path, number: int, *, by: str = "") -> SlotState | None:
    """Make what stands by live again, where the watch of that number goes on; None where it is over already. `by` is why: what was live
    keeps it, so that nobody goes back to that by accident."""
    folder = ServingFolder(state_dir)
    with _changing(folder):
        before = read_slots(state_dir)
        if before.watch is None or before.watch.number != number:
            return None
        left = before.live_entry
        assert before.live is not None
        assert left is not None
        slots = {**before.slots, before.live: replace(left, taken_back=by)}
        return _write(folder, replace(before, live=before.idle, slots=slots, watch=None), before, by)


def switch_back(state_dir: Path, *, by: str = "") -> SlotState:
    """Make the other slot live: what was live before the last switch. Where a release goes on, end that instead.

    Raises
    ------
    ServingError : the other slot is empty, or what it holds was taken back by a guard.
    """
    folder = ServingFolder(state_dir)
    with _changing(folder):
        before = read_slots(state_dir)
        if before.release is not None:
            return _write(folder, _without_release(before), before, by)
        other = before.slots[before.idle]
        if other is not None and other.taken_back:
            raise ServingError(
                f"version {other.version} was taken back, and is not gone back to",
                why=other.taken_back,
                way_out="name another version: penstock deploy --version N (`penstock models` lists them); "
                f"this one, in spite of that: penstock deploy --version {other.version}",
            )
        if other is None:
            raise ServingError(
                "there is no version to go back to",
                why=f"the slot {before.idle!r} is empty: "
                + ("one version was deployed, or the one before is forgotten" if before.live else "none was"),
                way_out="name another version: penstock deploy --version N",
            )
        return _write(folder, replace(before, live=before.idle, watch=None), before, by)


def empty_idle(state_dir: Path, bundle: str, *, by: str = "") -> SlotState | None:
    """Let nobody go back to a bundle that has to go: the other slot is empty then, and the live version stays as it is.

    Returns
    -------
    the new state; None where the other slot does not hold it, or it is released, or stands by while the live version is watched.
    """
    folder = ServingFolder(state_dir)
    with _changing(folder):
        before = read_slots(state_dir)
        idle = before.slots[before.idle]
        if idle is None or idle.bundle != bundle or before.release is not None or before.watch is not None:
            return None
        return _write(folder, replace(before, slots={**before.slots, before.idle: None}), before, by)


def restore(state_dir: Path, earlier: SlotState, refused: SlotState, *, by: str = "") -> SlotState:
    """Put an earlier state back under a new epoch, where `refused` is what a server did not take.

    What was changed since stays as it is: a guard may have ended the release meanwhile, and `earlier` would begin it again.
    """
    folder = ServingFolder(state_dir)
    with _changing(folder):
        now = read_slots(state_dir)
        return now if now.epoch != refused.epoch else _write(folder, earlier, now, by)


def prune_bundles(state_dir: Path) -> list[Path]:
    """Delete copies of bundles that no slot holds any more. To be called once all workers have acknowledged."""
    folder = ServingFolder(state_dir)
    with _changing(folder):
        state = read_slots(state_dir)
        kept = {entry.path for entry in state.slots.values() if entry}
        if state.release is not None and state.release.displaced is not None:
            kept.add(state.release.displaced["path"])
        if not folder.bundles.is_dir():
            return []
        gone = [path for path in folder.bundles.iterdir() if path.relative_to(state_dir).as_posix() not in kept]
        for path in gone:
            shutil.rmtree(path)
        return gone


@contextmanager
def _changing(folder: ServingFolder) -> Iterator[None]:
    """One change at a time, across processes."""
    folder.root.mkdir(parents=True, exist_ok=True)
    with folder.lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write(folder: ServingFolder, state: SlotState, before: SlotState, by: str) -> SlotState:
    state = replace(state, epoch=before.epoch + 1, changed_at=iso_now(), by=by)
    note_change(folder.root, _change_to(state))
    text = json.dumps(state.to_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    write_atomic(folder.slots, text.encode())
    return state


def _without_release(before: SlotState) -> SlotState:
    displaced = before.release.displaced if before.release else None
    slots = {**before.slots, before.idle: SlotEntry(**displaced) if displaced else None}
    return replace(before, slots=slots, release=None)


def _change_to(state: SlotState) -> Change:
    live, candidate, release = state.live_entry, state.candidate, state.release
    told = None
    if release is not None and candidate is not None:
        said = {"number": release.number, "mode": release.mode, "share": release.share, "sticky": release.sticky}
        told = {**said, **_named(candidate, state.idle)}
    watch, standing_by = state.watch, state.slots[state.idle]
    watched = None
    if watch is not None and standing_by is not None:
        watched = {"number": watch.number, "watch_s": watch.guards.watch_s, **_named(standing_by, state.idle)}
    named = None if live is None else _named(live, state.live)
    return Change(state.epoch, state.changed_at, state.by, named, told, watched)


def _named(entry: SlotEntry, slot: str | None) -> dict[str, Any]:
    return {"model": entry.model, "version": entry.version, "bundle": entry.bundle, "slot": slot}


def _filled(
    folder: ServingFolder, bundle: Path, model: str, version: int, digest: str, deployment: Mapping[str, Any] | None
) -> SlotEntry:
    """The entry of a bundle whose files lie in the serving folder now."""
    target = folder.bundles / digest.removeprefix("sha256:")
    copy_bundle(bundle, target)
    return SlotEntry(model, version, digest, target.relative_to(folder.root).as_posix(), dict(deployment or {}))
