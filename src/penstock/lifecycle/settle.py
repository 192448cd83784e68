"""After a kill: bring registry and audit trail in line with `slots.json`, which says what really is live."""

from __future__ import annotations

from penstock.project.project import Project
from penstock.serving.slots import read_slots


def settle(project: Project) -> list[str]:
    """Finish the bookkeeping of a deploy or rollback that was killed after its switch; gives what was put right.

    `slots.json` is replaced in one step and is what servers follow, so it is right. What follows the switch (the alias
    `champion`, the event of the audit trail) may be missing where the process was killed between the two.
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
    known = {e.details.get("epoch") for e in ledger.audit.events() if e.what in ("deploy", "rollback")}
    if state.epoch not in known:
        what = "rollback" if state.by.startswith("rollback") else "deploy"
        details = {"version": live.version, "slot": state.live, "epoch": state.epoch, "by": state.by, "settled": True}
        ledger.audit.append(what, live.model, details)
        done.append(f"the {what} of version {live.version} is in the audit trail now")
    return done
