"""`penstock data gc`: removed versions are forgotten after a time, and objects that nothing in the ledger leads to are removed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from penstock.data.items.removing import KEPT_DAYS
from penstock.errors import BadParameter
from penstock.experiments.keeping.needed import mentioned_objects
from penstock.experiments.looking.run_files import size_text
from penstock.ledger.clock import instant_text, now
from penstock.objects.local import LocalStore
from penstock.project.workspace import Workspace

GRACE_S = 24 * 3600.0
"""What was put within this time may belong to something that is not recorded yet."""


@dataclass(frozen=True)
class Collected:
    """What was removed, or would be.

    Attributes
    ----------
    objects, size_bytes : that nothing leads to and that are older than the grace. kept : that something leads to.
    young : that nothing leads to, within the grace. unfinished : files that processes which died left behind.
    forgotten : references of removed versions that are forgotten for good.
    planned : nothing was removed.
    """

    objects: int
    size_bytes: int
    kept: int
    young: int
    unfinished: int
    grace_s: float
    planned: bool
    forgotten: tuple[str, ...] = ()

    exit_code = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "objects": self.objects,
            "size_bytes": self.size_bytes,
            "kept": self.kept,
            "young": self.young,
            "unfinished": self.unfinished,
            "grace_s": self.grace_s,
            "forgotten": list(self.forgotten),
            "planned": self.planned,
        }

    def to_text(self) -> str:
        lines = [
            f"{self.objects} objects ({size_text(self.size_bytes)}) {'would go' if self.planned else 'are gone'}; "
            f"{self.kept} are needed"
        ]
        if self.young:
            lines.append(f"{self.young} that nothing names are younger than {self.grace_s / 3600:g} hours, and stay")
        if self.unfinished:
            lines.append(f"{self.unfinished} unfinished files of processes that died are gone")
        if self.forgotten:
            many = f"{len(self.forgotten)} removed version{'' if len(self.forgotten) == 1 else 's'}"
            shown = ", ".join(self.forgotten[:5]) + (" ..." if len(self.forgotten) > 5 else "")
            lines.insert(0, f"{many} {'would be forgotten' if self.planned else 'forgotten'} for good: {shown}")
        if self.planned and (self.objects or self.forgotten):
            lines.append("`penstock data gc --yes` removes them")
        return "\n".join(lines)


def collect(
    workspace: Workspace, *, grace_s: float = GRACE_S, removed_days: float = KEPT_DAYS, dry: bool = True
) -> Collected:
    """Find the objects that nothing leads to and, unless `dry`, remove those that are older than the grace.

    Before, versions of items that were removed more than `removed_days` ago are forgotten: `restore` brings none of them back.

    Runs may go on meanwhile: what they store is young, and an old object that they store again becomes young, which the store looks
    at last of all.

    Raises
    ------
    DamagedStore : a list of objects is damaged, so that what it leads to cannot be told; nothing was removed.
    ProjectError : another one is at work.
    """
    ledger, objects = workspace.ledger, workspace.objects
    with ledger.lock("purge"):
        loose, kept = [], 0
        present = list(objects.digests())  # before the ledger is read: what is recorded in between is kept
        before = _instant_before(removed_days)
        needed = mentioned_objects(ledger, objects, removed_before=before)  # first, as a damaged list ends it here
        if dry:
            old = [v for v in ledger.items.log(removed=True) if (v.removed_at or "") < before]
        else:
            old = ledger.items.forget(removed_before=before)
            for version in old:
                ledger.audit.append("forget data", version.reference, {"digest": version.digest})
        for digest in present:
            if digest in needed:
                kept += 1
            else:
                loose.append(digest)
        gone = size = young = 0
        for digest in loose:
            found = objects.stat(digest)
            if found.age_s < grace_s or not (dry or objects.collect(digest, older_than_s=grace_s)):
                young += 1
            else:
                gone, size = gone + 1, size + found.size_bytes
        unfinished = 0
        if not dry:
            if isinstance(objects, LocalStore):
                unfinished, _ = objects.sweep(older_than_s=max(grace_s, 3600.0))
            if gone:
                ledger.audit.append("collect", f"{gone} objects", {"objects": gone, "size_bytes": size})
    return Collected(gone, size, kept, young, unfinished, grace_s, dry, tuple(v.reference for v in old))


def _instant_before(days: float) -> str:
    try:
        return instant_text(now() - timedelta(days=days))
    except (OverflowError, ValueError):  # an endless number, or none
        raise BadParameter(
            f"--removed {days:g} days go back to before the calendar begins",
            why="instants are of the years 1 to 9999",
            way_out="--removed 3650 keeps what was removed in the last ten years",
        ) from None
