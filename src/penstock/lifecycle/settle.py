"""After a kill, or a guard: bring registry and audit trail in line with `slots.json`, which says what really is live."""

from __future__ import annotations

from typing import Any

from penstock.errors import ProjectError
from penstock.project.project import Project
from penstock.serving.changes import GUARD, WATCHED, Change, read_changes
from penstock.serving.slots import SlotState, read_slots

EVENTS = ("deploy", "rollback", "release", "return", "watched", "emptied")
"""Changes of slots.json, as the audit trail names them: `return` is made by a guard, or by a server that refused; `watched` is the end of
a watch in which nothing came up; `emptied` is a slot whose version is forgotten, so that nobody goes back to it."""


def settle(project: Project) -> list[str]:
    """Finish the bookkeeping of changes of `slots.json` that nobody has written down; gives what was put right.

    `slots.json` is replaced in one step and is what servers follow, so it is right. What follows (the alias `champion`, the event of
    the audit trail) may be missing where a deploy or rollback was killed between the two, and is missing where a guard ended a
    release, since servers know no ledger. To be called under the lock of a deploy.
    """
    state = read_slots(project.serving_state)
    live = state.live_entry
    if live is None:
        return []
    done = []
    ledger = project.ledger
    aliases = ledger.registry.aliases(live.model)
    if aliases.get("champion") != live.version:
        ledger.registry.set_alias(live.model, "champion", live.version)
        done.append(f"the alias champion is version {live.version} now, which is live")
    if aliases.get("challenger") == live.version:
        ledger.registry.set_alias(live.model, "challenger", None)
        done.append(f"version {live.version} is no challenger any more: it is live")
    known = {e.details.get("epoch") for e in ledger.audit.events() if e.what in EVENTS}
    before: Change | None = None
    for change in _changes(project, state):
        earlier, before = before, change
        if change.epoch not in known and change.live is not None:
            what = _event_of(change)
            who = GUARD if _by_guard(change) or what == WATCHED else None
            ledger.audit.append(what, change.live["model"], _details(change, earlier), who)
            done.append(f"the {what} of epoch {change.epoch} is in the audit trail now")
    return done


def settle_if_free(project: Project) -> None:
    """`settle`, unless somebody deploys right now: they do it themselves."""
    try:
        with project.ledger.lock(f"deploy {project.name}"):
            settle(project)
    except ProjectError:
        return


def _changes(project: Project, state: SlotState) -> list[Change]:
    """What the serving folder has written down; at least the state that it is in."""
    changes = read_changes(project.serving_state, state.epoch)
    if not changes or changes[-1].epoch != state.epoch:  # an earlier release of Penstock wrote slots.json
        live = state.live_entry
        assert live is not None
        told = {"model": live.model, "version": live.version, "bundle": live.bundle, "slot": state.live}
        changes.append(Change(state.epoch, state.changed_at, state.by, told))
    return changes


def _event_of(change: Change) -> str:
    if _by_guard(change) or change.by.endswith("was refused"):
        return "return"
    word = change.by.partition(" ")[0].rstrip(":")
    return word if word in EVENTS else "deploy"


def _by_guard(change: Change) -> bool:
    return change.by.startswith(f"{GUARD}:")


def _ended(change: Change, earlier: Change | None) -> dict[str, Any]:
    """The version that a rollback or a guard took away, as whoever makes such a change writes it down. A server that refused took none."""
    if earlier is None or change.live is None or not (_by_guard(change) or _event_of(change) == "rollback"):
        return {}
    if earlier.live is not None and earlier.live["version"] != change.live["version"]:
        mode = "watch" if earlier.watch is not None else None
        return {"ended": earlier.live["version"], "mode": mode}
    if earlier.release is not None and change.release is None:
        return {"ended": earlier.release["version"], "mode": earlier.release["mode"]}
    return {}


def _details(change: Change, earlier: Change | None) -> dict[str, Any]:
    assert change.live is not None
    release = {} if change.release is None else {n: change.release[n] for n in ("mode", "share", "sticky")}
    about = change.release if change.release is not None and _event_of(change) == "release" else change.live
    return {
        "version": about["version"],
        "slot": about["slot"],
        "epoch": change.epoch,
        "changed_at": change.at,
        "by": change.by,
        "settled": True,
        **_ended(change, earlier),
        **release,
    }
