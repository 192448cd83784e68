"""`penstock data remove`: versions of an item are forgotten, and `penstock data gc` frees what nothing else needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from penstock.data.items.naming import find_item, names_version
from penstock.experiments.looking.run_files import size_text
from penstock.ledger.items import ItemVersion
from penstock.project.workspace import Workspace

LOCK_WAIT_S = 3600.0
SHOWN = 10


@dataclass(frozen=True)
class Removed:
    """Versions that are forgotten, or would be, newest first.

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
            "versions": [
                {"name": v.name, "number": v.number, "digest": v.digest, "files": v.files, "size_bytes": v.size_bytes}
                for v in self.versions
            ],
            "left": self.left,
            "planned": self.planned,
        }

    def to_text(self) -> str:
        name = self.versions[0].name
        many = f"{len(self.versions)} version{'' if len(self.versions) == 1 else 's'} of {name}"
        lines = [f"{many} {'would be' if self.planned else 'are'} forgotten; {self.left} stay"]
        lines += [
            f"  {v.reference}: {v.files} files, {size_text(v.size_bytes)}, {v.at[:10]}" for v in self.versions[:SHOWN]
        ]
        if len(self.versions) > SHOWN:
            lines.append(f"  and {len(self.versions) - SHOWN} others")
        lines.append("what lies on the disk stays as it is")
        if self.planned:
            return "\n".join([*lines, "this cannot be undone: `penstock data remove ... --yes` does it"])
        return "\n".join([*lines, "`penstock data gc` frees what no other version, run or model needs"])


def remove(workspace: Workspace, reference: str, *, why: str = "", dry: bool = True) -> Removed:
    """Forget one version (``NAME@VERSION``), or an item with all its versions (``NAME``), unless `dry`.

    Their numbers are not given again, and the audit trail keeps what they were. Runs that took a version keep what they name of it.

    Raises
    ------
    NotFound : there is no such version. AccessError : one of them is restricted to others; nothing is forgotten.
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
                details = {"digest": version.digest, "files": version.files, "size_bytes": version.size_bytes}
                ledger.audit.append("remove data", version.reference, {**details, "why": why.strip()})
    return Removed(chosen, len(all_) - len(chosen), dry)
