"""`penstock data access`, `restrict`, `unrestrict`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from penstock.data.references import find_version
from penstock.experiments.sheets import Listing, Sheet
from penstock.ledger.access import FORGOTTEN, READ, REFUSED
from penstock.project.workspace import Workspace


def list_access(workspace: Workspace, version: str | None = None) -> Listing:
    """Who read, was refused, restricted or freed a version, or all of them; newest first.

    Raises
    ------
    NotFound : there is no such version.
    """
    access = workspace.ledger.access
    digest = None if version is None else find_version(workspace, version).digest
    names = {v.digest: v.reference for v in reversed(workspace.ledger.items.log(removed=None))}
    body, rows = [], []
    for event in access.log(digest):
        known = event.details
        shown = names.get(event.subject, event.subject[7:19])
        body.append(
            {
                "number": event.number,
                "at": event.at,
                "who": event.who,
                "what": event.what,
                "version": shown,
                "digest": event.subject,
                **{key: known.get(key) for key in ("verb", "part", "rows", "host", "run", "why", "users")},
            }
        )
        rows.append((event.at[:19].replace("T", " "), event.who, _done(event.what, known), shown, _about(known)))
    held = [r for r in access.all() if digest in (None, r.digest)]
    restrictions = [{**r.to_json(), "version": names.get(r.digest, r.digest[7:19])} for r in held]
    below = "\n".join(f"{r['version']} is restricted to {', '.join(r['users'])}: {r['why']}" for r in restrictions)
    header = ("when (UTC)", "who", "what", "version", "of it")
    return Listing({"events": body, "restrictions": restrictions}, header, rows, "nobody has read anything yet", below)


def restrict_version(workspace: Workspace, version: str, users: Iterable[str], *, why: str) -> Sheet:
    """Let only some users read a version, and those that will come of it.

    Raises
    ------
    NotFound : there is no such version. BadParameter : no user or no reason is given.
    AccessError : it is restricted already, and not to who asks.
    """
    from penstock.lifecycle.data_lineage import later_versions

    found, access = find_version(workspace, version), workspace.ledger.access
    done = access.restrict(found.digest, users, why=why, name=found.name)
    text = f"{found.name} may be read by {', '.join(done.users)} only: {done.why}"
    still_open = [one["version"] for one in later_versions(workspace, found) if access.of(one["digest"]) is None]
    if still_open:
        text += f"\n  came of it before, and may still be read by everybody: {', '.join(still_open)}"
    return Sheet({**done.to_json(), "version": found.name, "open": still_open}, text)


def unrestrict_version(workspace: Workspace, version: str, *, why: str) -> Sheet:
    """Let everybody read a version again. Errors: as `penstock.ledger.access.Access.unrestrict`; NotFound."""
    found = find_version(workspace, version)
    workspace.ledger.access.unrestrict(found.digest, why=why, name=found.name)
    return Sheet({"digest": found.digest, "version": found.name}, f"{found.name} may be read by everybody")


def _done(what: str, details: dict[str, Any]) -> str:
    if what == READ:
        return f"read it ({details.get('verb')})"
    if what == REFUSED:
        return f"was refused ({details.get('verb')})"
    if what == FORGOTTEN:
        return "forgot it"
    return "restricted it" if what == "restrict data" else "freed it"


def _about(details: dict[str, Any]) -> str:
    if "users" in details:
        return f"to {', '.join(details['users'])}: {details.get('why')}"
    rows = details.get("rows")
    return " ".join(filter(None, (details.get("part"), "" if rows is None else f"({rows})", details.get("why"))))
