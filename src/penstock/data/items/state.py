"""`penstock data status`: what has changed on the disk since the newest version of each item."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock.data.items.index import load_index, now_ns, save_index
from penstock.data.items.naming import path_of
from penstock.data.items.scan import Scan, scan
from penstock.ledger.items import ItemVersion
from penstock.project.workspace import Workspace

SHOWN = 10
LARGE_BYTES = 4 * 2**20
"""The digests of files from this size on are remembered one by one."""


@dataclass(frozen=True)
class ItemState:
    """An item on the disk against its newest version.

    Attributes
    ----------
    state : ``unchanged``, ``changed``, or ``absent`` (nothing is at its place).
    added, changed, removed : paths, in their order. holds : the older version that it is, if it is one.
    """

    version: ItemVersion
    state: str
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    holds: int | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.version.name,
            "number": self.version.number,
            "digest": self.version.digest,
            "place": self.version.place,
            "files": self.version.files,
            "state": self.state,
            "added": list(self.added),
            "changed": list(self.changed),
            "removed": list(self.removed),
            "holds": self.holds,
        }

    def lines(self) -> list[str]:
        """For people."""
        head = f"{self.version.reference}: {self.state}"
        if self.holds is not None:
            head += f", it is version {self.holds}"
        if self.state != "changed":
            return [head]
        signs = [("+", self.added), ("~", self.changed), ("-", self.removed)]
        counts = ", ".join(f"{len(paths)} {word}" for word, paths in zip(
            ("added", "changed", "removed"), (self.added, self.changed, self.removed), strict=True) if paths)  # fmt: skip
        lines = [f"  {sign} {path}" for sign, paths in signs for path in paths]
        more = [f"  and {len(lines) - SHOWN} others"] if len(lines) > SHOWN else []
        return [
            f"{head} ({counts or 'files may be run that might not, or the other way round'})",
            *lines[:SHOWN],
            *more,
        ]


@dataclass(frozen=True)
class States:
    """Of all items, or of some. Exit code 1 where something has changed."""

    items: list[ItemState] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        return 1 if any(item.state != "unchanged" for item in self.items) else 0

    def to_json(self) -> dict[str, Any]:
        return {"items": [item.to_json() for item in self.items]}

    def to_text(self) -> str:
        if not self.items:
            return "no data items yet; `penstock data add PATH` keeps a file or folder"
        return "\n".join(line for item in self.items for line in item.lines())


def states(workspace: Workspace, names: list[str] | None = None) -> States:
    """The state of items, by default of all."""
    ledger = workspace.ledger
    newest: dict[str, ItemVersion] = {}
    if names:
        from penstock.data.items.naming import find_item

        for name in names:
            found = find_item(workspace, name)
            newest[found.name] = ledger.items.get(found.name)
    else:
        for version in ledger.items.log():
            newest.setdefault(version.name, version)
    return States([state_of(workspace, newest[name]) for name in sorted(newest)])


def state_of(workspace: Workspace, version: ItemVersion) -> ItemState:
    """The state of one item at its place. Files are read only where size or time do not tell."""
    path = path_of(workspace, version.place)
    found = scan(path)
    if found.kind != version.kind:
        return ItemState(version, "absent")
    read_at = now_ns()
    index = load_index(workspace, version.name, version.place)
    if index is not None and index.digest == version.digest and index.is_that_of(found):
        return ItemState(version, "unchanged")
    added, changed, removed = compare(workspace, version, path, found)
    if added or changed or removed:
        holds = None
        if index is not None and index.digest != version.digest:
            older = [v for v in workspace.ledger.items.log(version.name) if v.digest == index.digest]
            if older and not any(compare(workspace, older[0], path, found)):
                holds = older[0].number
        return ItemState(version, "changed", tuple(added), tuple(changed), tuple(removed), holds)
    save_index(workspace, version.name, version.place, found, version.digest, read_at_ns=read_at)
    return ItemState(version, "unchanged")


def compare(
    workspace: Workspace, version: ItemVersion, path: Path, found: Scan
) -> tuple[list[str], list[str], list[str]]:
    """Paths that are new, that differ, and that are gone, against a version."""
    from penstock.objects.tree import read_tree

    files = read_tree(workspace.objects, version.digest).files
    index = load_index(workspace, version.name, version.place)
    known = index.stats() if index is not None and index.digest == version.digest else {}
    added, changed = [], []
    for name, stats in found.stats().items():
        stored = files.get(name)
        if stored is None:
            added.append(name)
        elif stored.mode != stats[3] or (
            known.get(name) != stats
            and (stored.size != stats[0] or digest_of_file(workspace, found.file_of(path, name)) != stored.digest)
        ):
            changed.append(name)
    present = set(found.paths)
    return added, changed, [name for name in files if name not in present]


def digest_of_file(workspace: Workspace, file: Path) -> str:
    """The digest of a file; of a large one it is remembered."""
    if file.stat().st_size >= LARGE_BYTES:
        return workspace.ledger.digests.of(file)
    from penstock.objects.files import sha256_file

    return sha256_file(file)
