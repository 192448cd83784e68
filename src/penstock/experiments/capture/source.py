"""The source snapshot of a run: the files that matter, as they were when it began.

Taken are the files of the workspace that Git tracks or does not ignore (without Git: that no ``.gitignore`` ignores) and that are
code, configuration or text: no data, models and pictures, no keys and passwords, nothing that a tool left or an earlier run has
written, and nothing above the caps of ``[run.source]``. The script itself is always taken. What is left out is told, with the reason.

A snapshot of a folder in which nothing has changed costs one look at each file: digests are remembered in
``.penstock/cache/source.json`` by size, time and inode.
"""

from __future__ import annotations

import json
import os
import stat
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from penstock.errors import DamagedStore, NewerFormat, NotFound
from penstock.experiments.capture import git
from penstock.experiments.capture.ignore import Patterns, walk
from penstock.experiments.capture.matters import TEXT, ending, own_folder, secret_file, why_not
from penstock.experiments.capture.places import place_of
from penstock.experiments.capture.written import WHY, Written
from penstock.objects.digests import digest_of
from penstock.objects.store import ObjectStore
from penstock.objects.tree.files import Entry, content_of, is_inside
from penstock.project.workspace import Workspace

if TYPE_CHECKING:
    from penstock.objects.tree import Tree

CACHE = Path("cache", "source.json")
SETTLED_NS = 2 * 10**9
"""A file this young may change again without its time telling (see `penstock.ledger.digests`)."""
TOLD = 1000
"""Of the files that are left out, so many lines are told."""


@dataclass(frozen=True)
class Snapshot:
    """What was taken.

    Attributes
    ----------
    digest : of the tree; `penstock.objects.tree.read_tree` opens it.
    content : equal for equal files, see there.
    files : their number. size_bytes : of all together.
    left_out : ``{"path", "why"}``, and ``"count"`` where one line is about several files of a folder.
    """

    digest: str
    content: str
    files: int
    size_bytes: int
    left_out: list[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        return {
            "digest": self.digest,
            "content": self.content,
            "files": self.files,
            "size_bytes": self.size_bytes,
            "left_out": self.left_out,
        }


def snapshot(workspace: Workspace, target: Path | None = None) -> Snapshot:
    """Store the source of a workspace.

    Parameters
    ----------
    target : the script; it is taken wherever it lies and whatever it looks like.

    Raises
    ------
    SourceError : a file changed while it was being read. StoreFull, StoreError : as the object store.
    """
    taken = _Taken(workspace, target)
    return taken.store()


@dataclass(slots=True)
class _Found:
    """One file, as it lies there now."""

    path: str  # in the tree
    file: str
    size: int
    mtime_ns: int
    inode: int
    executable: bool
    digest: str | None = None

    @property
    def stamp(self) -> list[int]:
        return [self.size, self.mtime_ns, self.inode]


@final
class _Taken:
    def __init__(self, workspace: Workspace, target: Path | None) -> None:
        self._root = workspace.root
        self._objects: ObjectStore = workspace.objects
        self._section = workspace.declaration.run.source
        self._include = Patterns(self._section.include)
        self._exclude = Patterns(self._section.exclude)
        self._target = None if target is None else place_of(self._root, target)
        self._target_file = target
        self._left_out: dict[tuple[str, str, str], list[str]] = defaultdict(list)
        workspace._make_state()
        self._cache = _Cache(workspace.state / CACHE)
        self._written = Written(workspace)
        self._now_ns = time.time_ns()

    def store(self) -> Snapshot:
        found = self._capped(self._candidates())
        changed = [one for one in found if not self._known(one)]
        before = self._cache.tree if self._cache.whole(self._objects) else None
        if before is not None and not changed:
            content = content_of((one.path, 0o755 if one.executable else 0o644, one.digest or "") for one in found)
            if content == before["content"]:
                return self._told(before["digest"], content, found)
        from penstock.objects.tree import write_tree

        for one in changed:
            self._read(one)
        found = [one for one in found if one.digest is not None]
        known = _open(self._objects, before)
        entries = [Entry(one.path, Path(one.file), one.digest, one.executable) for one in found]
        tree = write_tree(self._objects, entries, known)
        self._cache.write(
            {one.path: [*one.stamp, one.digest] for one in found if self._now_ns - one.mtime_ns >= SETTLED_NS}, tree
        )
        return self._told(tree.digest, tree.content, found)

    # ---- which files

    def _candidates(self) -> list[_Found]:
        names: set[str] = set(self._listed(str(self._root), ""))
        if self._include:
            names |= {name for name in self._walked(ignore=False) if self._include.match_below(name)}
        chosen = []
        for name in sorted(names):
            one = self._look(name)
            if isinstance(one, str):
                self._leave(name, one)
            elif one is not None:
                chosen.append(one)
        if self._target is not None and all(one.path != self._target for one in chosen):
            file = str(self._target_file)
            with suppress(OSError):  # whoever runs it says better that it is not there
                status = os.stat(file)
                if stat.S_ISREG(status.st_mode):
                    chosen.append(_found(self._target, file, status))
        return chosen

    def _listed(self, place: str, below: str) -> list[str]:
        """Names relative to the root, of what lies in `place`."""
        listed = git.listed(Path(place))
        if listed is None:
            return self._walked(ignore=True) if not below else []
        names: list[str] = []
        for name in listed:
            path = below + name
            if not all(own_folder(part) for part in name.rstrip("/").split("/")[: None if name.endswith("/") else -1]):
                continue
            inner = os.path.join(place, name)
            if name.endswith("/") or (
                os.path.isdir(inner) and not os.path.islink(inner)
            ):  # a repository within this one
                if os.path.exists(os.path.join(inner, ".git")):
                    names += self._listed(inner, path.rstrip("/") + "/")
            else:
                names.append(path)
        return names

    def _walked(self, *, ignore: bool) -> list[str]:
        root = str(self._root)

        def enter(path: str, name: str) -> bool:
            return own_folder(name) and not os.path.exists(os.path.join(root, path, "pyvenv.cfg"))

        return list(walk(root, enter, ignore=ignore))

    def _look(self, name: str) -> _Found | str | None:
        """The file where it is taken, the reason where it is left out, None where there is none."""
        is_target, wanted = name == self._target, False
        file = os.path.join(self._root, name)
        if not is_target:
            if self._exclude and self._exclude.match_below(name):
                return "excluded by [run.source]"
            wanted = bool(self._include) and self._include.match_below(name)
            why = why_not(name)
            if why is not None and (not wanted or secret_file(name)):
                return why
        if not is_inside(name):
            return "its name cannot be stored"
        try:
            status = os.stat(file)
            if os.path.islink(file) and not Path(file).resolve().is_relative_to(self._root):
                return "a link that leads out of the folder"
        except OSError:  # tracked by Git, but deleted; or a link that leads nowhere
            return None
        if not stat.S_ISREG(status.st_mode):
            return None
        if not is_target and not wanted and self._written.has(name, status):
            return WHY
        if status.st_size > self._section.max_file_bytes and not is_target:
            return f"larger than {self._section.max_file_bytes:,} bytes"
        one = _found(name, file, status)
        if not is_target and ending(name) not in TEXT and not self._known(one) and not wanted:
            why = _unlike_text(file)
            if why is not None:
                return why
        return one

    def _capped(self, found: list[_Found]) -> list[_Found]:
        """Where all are too much together, the largest stay out."""
        total = sum(one.size for one in found)
        if total <= self._section.max_bytes:
            return found
        kept = []
        room = self._section.max_bytes
        for one in sorted(found, key=lambda one: (one.path != self._target, one.size, one.path)):
            if one.path == self._target or one.size <= room:
                kept.append(one)
                room -= one.size
            else:
                self._leave(one.path, f"all together are more than {self._section.max_bytes:,} bytes")
        return sorted(kept, key=lambda one: one.path)

    # ---- their bytes

    def _known(self, one: _Found) -> bool:
        """Whether the digest is remembered; it is then filled in."""
        known = self._cache.files.get(one.path)
        if known is not None and known[:3] == one.stamp:
            one.digest = known[3]
            return True
        return False

    def _read(self, one: _Found) -> None:
        try:
            with open(one.file, "rb") as file:
                one.digest = digest_of(file.read())
        except OSError as error:
            self._leave(one.path, f"it cannot be read: {error.strerror}")

    # ---- what is told

    def _leave(self, name: str, why: str) -> None:
        folder, _, base = name.rpartition("/")
        self._left_out[folder, why, ending(base)].append(name)

    def _told(self, digest: str, content: str, found: list[_Found]) -> Snapshot:
        told: list[dict[str, Any]] = []
        for (folder, why, kind), names in sorted(self._left_out.items()):
            if len(names) < 4:
                told += [{"path": _shown(name), "why": why} for name in names]
            else:
                pattern = f"{folder}/*" if folder else "*"
                told.append({"path": _shown(f"{pattern}.{kind}" if kind else pattern), "why": why, "count": len(names)})
        if len(told) > TOLD:
            rest = sum(line.get("count", 1) for line in told[TOLD:])
            told = [*told[:TOLD], {"path": "...", "why": "and others", "count": rest}]
        return Snapshot(digest, content, len(found), sum(one.size for one in found), told)


@final
class _Cache:
    """Digests of the last snapshot, and its tree. A file that is damaged or of another release counts as none."""

    FORMAT = 1

    def __init__(self, path: Path) -> None:
        self._path = path
        self.files: dict[str, list[Any]] = {}
        self.tree: dict[str, Any] | None = None
        try:
            body = json.loads(path.read_bytes())
            if body["format"] == self.FORMAT:
                self.files, self.tree = body["files"], body["tree"]
        except (OSError, ValueError, KeyError, TypeError):  # none yet, or cut by a crash: all is read again
            return

    def whole(self, objects: ObjectStore) -> bool:
        """Whether the tree is still stored, with all that it needs."""
        return self.tree is not None and all(objects.has(digest) for digest in self.tree["objects"])

    def write(self, files: dict[str, list[Any]], tree: Tree) -> None:
        known = {"digest": tree.digest, "content": tree.content, "objects": sorted(tree.objects())}
        if files == self.files and known == self.tree:
            return
        body = {"format": self.FORMAT, "files": files, "tree": known}
        unfinished = self._path.with_name(f".{self._path.name}.{os.getpid()}.{time.monotonic_ns()}")
        with suppress(OSError):  # a cache that cannot be written only costs time
            self._path.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_text(json.dumps(body, ensure_ascii=True, separators=(",", ":")), encoding="utf-8")
            os.replace(unfinished, self._path)


def _open(objects: ObjectStore, known: dict[str, Any] | None) -> Tree | None:
    if known is None:
        return None
    from penstock.objects.tree import read_tree

    try:
        return read_tree(objects, known["digest"])
    except (NotFound, DamagedStore, NewerFormat):  # then everything is stored anew
        return None


def _found(path: str, file: str, status: os.stat_result) -> _Found:
    return _Found(path, file, status.st_size, status.st_mtime_ns, status.st_ino, bool(status.st_mode & 0o111))


def _unlike_text(file: str) -> str | None:
    """Why a file with an unusual ending is no text; None where it is."""
    try:
        with open(file, "rb") as opened:
            return "binary" if b"\0" in opened.read(8192) else None
    except OSError as error:
        return f"it cannot be read: {error.strerror}"


def _shown(name: str) -> str:
    """A name as JSON can hold it."""
    return name.encode("utf-8", "backslashreplace").decode()
