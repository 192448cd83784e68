"""`penstock data add`: a file or folder becomes a version of a data item.

Its bytes go into the object store as a tree with packs (`penstock.objects.tree`): small files lie together, large ones are cut, and
what an earlier version has is not stored again. Only then is the version recorded, in one transaction. A process that dies before
leaves packs that nothing names: the same command, given again, makes the same packs and finds them there. Objects of a version
that are lost are made again from the files, where these hold what it held.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.data.items.healing import heal, lost_objects
from penstock.data.items.index import Index, load_index, now_ns, save_index
from penstock.data.items.naming import name_for, place_of
from penstock.data.items.personal import Hint, hints, told
from penstock.data.items.scan import Scan, scan
from penstock.errors import NotFound, SourceError
from penstock.experiments.looking.run_files import size_text
from penstock.ledger.items import ItemVersion
from penstock.project.workspace import Workspace

if TYPE_CHECKING:
    from penstock.objects.tree import Entry, Tree

LOCK_WAIT_S = 3600.0
Tell = Callable[[int, int, int, int], None]
"""Told of files and bytes that are done, and of files and bytes in all."""


@dataclass(frozen=True)
class Added:
    """A version of a data item.

    Attributes
    ----------
    known : nothing had changed since this version; nothing was stored. healed : objects of it that were lost and are stored again.
    new_bytes : bytes that had to be stored beside those of the version before, and of one that holds the very same files. seconds : that it took.
    same_as : reference of an older version, or of another item's, that holds the very same files; "" where none does.
    left_out : path -> why, of links and other things that are no files.
    personal : what looks like personal data in it, as far as it was looked into.
    """

    version: ItemVersion
    known: bool
    new_bytes: int
    seconds: float
    left_out: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    personal: tuple[Hint, ...] = ()
    healed: int = 0
    same_as: str = ""

    exit_code = 0

    def to_json(self) -> dict[str, Any]:
        return {
            **self.version.to_json(),
            "known": self.known,
            "healed": self.healed,
            "new_bytes": self.new_bytes,
            "same_as": self.same_as or None,
            "seconds": self.seconds,
            "left_out": [{"path": path, "why": why} for path, why in self.left_out.items()],
            "warnings": list(self.warnings),
            "personal": [hint.to_json() for hint in self.personal],
        }

    def to_text(self) -> str:
        version = self.version
        files = f"{version.files} file{'' if version.files == 1 else 's'}, {size_text(version.size_bytes)}"
        if self.known:
            lines = [f"{version.reference}: nothing has changed ({files})"]
        elif self.same_as:
            lines = [f"{version.reference}: {files}, stored already with {self.same_as} ({self.seconds:.1f} s)"]
        else:
            lines = [f"{version.reference}: {files}; {size_text(self.new_bytes)} stored in {self.seconds:.1f} s"]
        if self.healed:
            what = "1 object that was lost is" if self.healed == 1 else f"{self.healed} objects that were lost are"
            lines.append(f"  {what} stored again")
        left = list(self.left_out.items())
        lines += [f"  left out: {path} ({why})" for path, why in left[:5]]
        if len(left) > 5:
            lines.append(f"  and {len(left) - 5} others")
        return "\n".join([*lines, *(f"  {warning}" for warning in self.warnings)])


def add(
    workspace: Workspace,
    path: Path,
    *,
    name: str | None = None,
    message: str = "",
    tell: Tell | None = None,
    look: Callable[[], Scan] | None = None,
) -> Added:
    """Keep a file or folder as the next version of its item; the newest one, where nothing has changed.

    Parameters
    ----------
    name : of the item; its place in the workspace by default.
    tell : told after each file that was read. look : gives `scan(path)`, where that has begun already.

    Raises
    ------
    SourceError : nothing is there, something cannot be read, or changed while it was read; nothing is recorded.
    StoreFull : no space is left; nothing is recorded, and what was stored is found by the next attempt.
    """
    began = time.monotonic()
    place = place_of(workspace, path)
    name = name_for(place, name)
    if os.path.isdir(path):
        _ = workspace.ledger  # opened while another process looks
    found = scan(path) if look is None else look()
    if found.kind == "absent":
        raise SourceError(f"there is no {path}", why="nothing is there to add", way_out="check the path")
    ledger = workspace.ledger
    with ledger.lock(f"data {name}", wait_s=LOCK_WAIT_S):
        newest = ledger.items.newest(name)
        read_at = now_ns()
        before = tree_of(workspace, newest) if newest is not None and newest.kind == found.kind else None
        lost = lost_objects(workspace, before) if before is not None else set()
        healed = 0
        if before is not None and lost:
            left = heal(workspace, before, lost, path, found)
            healed, lost = len(lost) - len(left), left
        healed += _heal_older(workspace, name, newest, path, found)
        index = load_index(workspace, name, place)
        same = newest is not None and index is not None and index.digest == newest.digest and index.is_that_of(found)
        if newest is not None and before is not None and same and not lost:
            return Added(newest, True, 0, time.monotonic() - began, found.left_out, healed=healed)
        tree = _store(workspace, path, found, before, index, tell)
        digest = tree.digest
        known_objects = before.objects() - lost if before is not None else set()
        twin, of_twin = (None, set()) if tree.objects() <= known_objects else _twin(workspace, newest, tree)
        known_objects |= of_twin
        new_bytes = sum(workspace.objects.stat(o).size_bytes for o in tree.objects() - known_objects)
        off = workspace.declaration.privacy.off if workspace.is_declared else ()
        personal = hints(path, found.paths, off=off)
        version, new = ledger.items.add(
            name,
            digest,
            tree.content,
            kind=found.kind,
            place=place,
            files=len(tree.files),
            size_bytes=tree.size_bytes,
            message=message,
            details={
                "new_bytes": new_bytes,
                **({"personal": [hint.to_json() for hint in personal]} if personal else {}),
            },
            again=newest is not None and (before is None or bool(lost)),
        )
        save_index(workspace, name, place, found, version.digest, read_at_ns=read_at)
        if new:
            if newest is not None:
                ledger.access.inherit(newest.digest, version.digest)
            what = {"digest": digest, "files": version.files, "size_bytes": version.size_bytes, "place": place}
            if personal:
                what["personal"] = sorted({hint.kind for hint in personal})
            ledger.audit.append("add data", version.reference, what)
    seconds = time.monotonic() - began
    return Added(
        version,
        not new,
        new_bytes if new else 0,
        seconds,
        found.left_out,
        (*_warnings(workspace, place), *told(personal)),
        tuple(personal),
        healed,
        twin.reference if new and twin is not None else "",
    )


def _heal_older(workspace: Workspace, name: str, newest: ItemVersion | None, path: Path, found: Scan) -> int:
    """Objects that older versions have lost and that are stored again, as their files are back. None but those of the same size are looked at."""
    healed = 0
    for version in workspace.ledger.items.log(name):
        same_size = (version.files, version.size_bytes) == (len(found.paths), found.size_bytes)
        tree = tree_of(workspace, version) if same_size and version != newest else None
        if tree is not None and (lost := lost_objects(workspace, tree)):
            healed += len(lost) - len(heal(workspace, tree, lost, path, found))
    return healed


def _twin(workspace: Workspace, newest: ItemVersion | None, tree: Tree) -> tuple[ItemVersion | None, set[str]]:
    """Another version than the newest, also of another item, that holds the files of a tree, under whatever names, and its objects.

    None but those of the same size are read.
    """
    wanted = {file.digest for file in tree.files.values()}
    for version in reversed(workspace.ledger.items.log(removed=None)):  # the first one that had them
        if version == newest or version.size_bytes != tree.size_bytes:
            continue
        other = tree_of(workspace, version)
        if other is not None and wanted == {file.digest for file in other.files.values()}:
            return version, set(other.objects())
    return None, set()


def tree_of(workspace: Workspace, version: ItemVersion) -> Tree | None:
    """The tree of a version, None where it is not stored any more."""
    try:
        return _tree(workspace, version.digest)
    except NotFound:
        return None


def _tree(workspace: Workspace, digest: str) -> Tree:
    from penstock.objects.tree import read_tree

    return read_tree(workspace.objects, digest)


def _store(
    workspace: Workspace, path: Path, found: Scan, before: Tree | None, index: Index | None, tell: Tell | None
) -> Tree:
    from penstock.objects.tree import write_tree

    done_files = done_bytes = 0
    total = found.size_bytes

    def done(size: int, _path: str, _digest: str) -> None:
        nonlocal done_files, done_bytes
        done_files, done_bytes = done_files + 1, done_bytes + size
        if tell is not None:
            tell(done_files, done_bytes, len(found.paths), total)

    entries = _entries(path, found, before, index)
    return write_tree(workspace.objects, entries, before, cut=True, tell=None if tell is None else done)


def _entries(path: Path, found: Scan, before: Tree | None, index: Index | None) -> list[Entry]:
    """The files to store, with the digests of those that have not changed since an indexed version."""
    from penstock.objects.tree import Entry

    root = str(path)
    below = os.path.join(root, "")
    files = [root] if found.kind == "file" else [below + file for file in found.paths]
    digests: Iterable[str | None] = repeat(None)
    if index is not None and before is not None and index.digest == before.digest:
        known, stored = index.stats(), before.files
        digests = [
            stored[file].digest if known.get(file) == stats and file in stored else None
            for file, stats in found.stats().items()
        ]
    executable = [mode == 0o755 for mode in found.modes]
    return list(map(Entry, found.paths, files, digests, executable, found.sizes))


def _warnings(workspace: Workspace, place: str) -> tuple[str, ...]:
    source = workspace.declaration.data.source if workspace.is_declared else None
    if source and place_of(workspace, workspace.root / source) == place:
        return (
            "this is the source of the project: rows that are sealed in its data set lie in this version in the clear, "
            "as they do in the file",
        )
    return ()
