"""`penstock data remove` and `penstock data restore`: versions of an item go into the bin, and come back.

They stay there until `penstock data gc` forgets them, a month later by default, and frees what nothing else needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from penstock.data.items.naming import find_item, names_version
from penstock.experiments.looking.run_files import size_text
from penstock.ledger.items import ItemVersion
from penstock.project.workspace import Workspace

LOCK_WAIT_S = 3600.0
SHOWN = 10
KEPT_DAYS = 30.0
"""What was removed within these days can be brought back, whatever `penstock data gc` is asked for."""


@dataclass(frozen=True)
class Removed:
    """Versions that are in the bin now, or would be, newest first.

    Attributes
    ----------
    left : how many versions the item still has. planned : nothing was done.
    """

    versions: list[ItemVersion]
    left: int
    planned: bool

    exit_code = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "versions": [_told(version) for version in self.versions],
            "left": self.left,
            "planned": self.planned,
        }

    def to_text(self) -> str:
        name = self.versions[0].name
        many = f"{len(self.versions)} version{'' if len(self.versions) == 1 else 's'} of {name}"
        lines = [
            f"{many} {'would be' if self.planned else 'is' if len(self.versions) == 1 else 'are'} removed; {self.left} stay",
            *_listed(self.versions),
        ]
        lines.append("what lies on the disk stays as it is")
        if self.planned:
            return "\n".join([*lines, "`penstock data remove ... --yes` does it; `penstock data restore` undoes it"])
        back = self.versions[0].reference if len(self.versions) == 1 else name
        return "\n".join(
            [
                *lines,
                f"`penstock data restore {back}` brings {'it' if len(self.versions) == 1 else 'them'} back, until "
                f"`penstock data gc` forgets what was removed {KEPT_DAYS:g} days ago",
            ]
        )


@dataclass(frozen=True)
class Restored:
    """Versions that are out of the bin, newest first."""

    versions: list[ItemVersion]

    exit_code = 0

    def to_json(self) -> dict[str, Any]:
        return {"versions": [_told(version) for version in self.versions]}

    def to_text(self) -> str:
        name = self.versions[0].name
        many = f"{len(self.versions)} version{'' if len(self.versions) == 1 else 's'} of {name}"
        back = f"{many} {'is' if len(self.versions) == 1 else 'are'} back"
        return "\n".join([back, *_listed(self.versions)])


def remove(workspace: Workspace, reference: str, *, why: str = "", dry: bool = True) -> Removed:
    """Put one version (``NAME@VERSION``), or an item with all its versions (``NAME``), into the bin, unless `dry`.

    Their numbers are not given again, and the audit trail keeps what they were. Runs that took a version keep what they name of it.

    Raises
    ------
    NotFound : there is no such version. AccessError : one of them is restricted to others; nothing is removed.
    """
    ledger = workspace.ledger
    found = find_item(workspace, reference)
    with ledger.lock(f"data {found.name}", wait_s=LOCK_WAIT_S):
        all_ = ledger.items.log(found.name)
        chosen = [found] if names_version(workspace, reference, found) else all_
        for version in chosen:
            ledger.access.require(version.digest, name=version.reference, verb="remove")
        if not dry:
            ledger.items.remove(chosen)
            for version in chosen:
                ledger.audit.append("remove data", version.reference, {**_what(version), "why": why.strip()})
    return Removed(chosen, len(all_) - len(chosen), dry)


def restore(workspace: Workspace, reference: str, *, why: str = "") -> Restored:
    """Take one version (``NAME@VERSION``), or all of an item (``NAME``), out of the bin, as it was: the same number, files and digest.

    Raises
    ------
    NotFound : it is not in the bin. AccessError : one of them is restricted to others; BadParameter : its name is of a file now and
        it is a folder, or the other way round. None is back then.
    """
    ledger = workspace.ledger
    found = find_item(workspace, reference, removed=True)
    with ledger.lock("purge", wait_s=LOCK_WAIT_S), ledger.lock(f"data {found.name}", wait_s=LOCK_WAIT_S):
        found = find_item(workspace, reference, removed=True)  # once more: others may have been faster
        single = names_version(workspace, reference, found)
        chosen = [found] if single else ledger.items.log(found.name, removed=True)
        for version in chosen:
            ledger.access.require(version.digest, name=version.reference, verb="restore")
        back = ledger.items.restore(chosen)
        for version in back:
            ledger.audit.append("restore data", version.reference, {**_what(version), "why": why.strip()})
    return Restored(back)


def _what(version: ItemVersion) -> dict[str, Any]:
    return {"digest": version.digest, "files": version.files, "size_bytes": version.size_bytes}


def _told(version: ItemVersion) -> dict[str, Any]:
    return {"name": version.name, "number": version.number, **_what(version)}


def _listed(versions: list[ItemVersion]) -> list[str]:
    lines = [
        f"  {v.reference}: {v.files} file{'' if v.files == 1 else 's'}, {size_text(v.size_bytes)}, {v.at[:10]}"
        for v in versions[:SHOWN]
    ]
    return [*lines, f"  and {len(versions) - SHOWN} others"] if len(versions) > SHOWN else lines
