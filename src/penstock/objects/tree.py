"""Many files as few objects: a manifest, packs of small files, and large files on their own.

Fifty thousand files as fifty thousand objects take minutes and as many calls of a remote store; as a tree they are a manifest
and some packs. The manifest is canonical JSON, and its digest is the tree's:

    {"format": 1, "kind": "tree", "content": digest, "packs": [digest, ...],
     "files": [{"path", "mode", "size", "digest", "pack", "offset"}, ...]}         # sorted by path

A file lies at `offset` of the pack with the number `pack`, or is an object of its own under `digest` where there is neither.
`content` covers paths, modes and digests only: two trees with equal content hold the same files, wherever their bytes lie.

A new tree refers to the packs of the one before it for files that have not changed, unless most of such a pack is of no use to
it any more: then they are packed again. So a store never holds much more than twice what its trees need.

To change the format: raise `FORMAT`, and keep reading every older one here.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, final

from penstock.errors import DamagedStore, NewerFormat, NotFound, SourceError
from penstock.objects.digests import canonical_json, digest_of, digest_of_json, is_digest
from penstock.objects.files import naming_full_disk
from penstock.objects.store import ObjectStore, changed_while_read

FORMAT = 1
SMALL_BYTES = 256 * 2**10
"""Files below this size are packed."""
PACK_BYTES = 32 * 2**20
MEDIA = "application/vnd.penstock.tree+json"
"""Media type of the manifest, by which an artifact is known to be a tree."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file that shall be part of a tree.

    Attributes
    ----------
    path : its place in the tree, with ``/``, as `is_inside` allows.
    file : where its bytes are now.
    digest : of its bytes, where the caller knows it: a file that is stored already is then not read.
    executable : whether it may be run; None to look.
    """

    path: str
    file: Path
    digest: str | None = None
    executable: bool | None = None


@dataclass(frozen=True, slots=True)
class TreeFile:
    """A file of a tree. `mode` is 0o644 or 0o755; `pack` and `offset` are None where it is an object of its own."""

    path: str
    mode: int
    size: int
    digest: str
    pack: int | None = None
    offset: int | None = None

    def to_json(self) -> dict[str, Any]:
        body: dict[str, Any] = {"path": self.path, "mode": f"{self.mode:o}", "size": self.size, "digest": self.digest}
        if self.pack is not None:
            body.update(pack=self.pack, offset=self.offset)
        return body


def is_inside(path: str) -> bool:
    """Whether a path of a tree stays in its folder, on every system, and can be stored.

    >>> [is_inside(p) for p in ("a/b.py", "../a", "/a", "a//b", "a/./b", "C:/a", "a\\\\..\\\\b", "", "a\\0")]
    [True, False, False, False, False, False, False, False, False]
    """
    if not path or path.startswith("/") or "\0" in path or "\\" in path or re.match(r"[A-Za-z]:", path):
        return False
    try:
        path.encode()
    except UnicodeEncodeError:  # a name that is no UTF-8: JSON cannot hold it
        return False
    return all(part not in ("", ".", "..") for part in path.split("/"))


def content_of(files: Iterable[tuple[str, int, str]]) -> str:
    """The digest of (path, mode, digest) of all files, in the order of their paths: equal for equal files."""
    return digest_of_json({"format": 1, "kind": "tree-content", "files": sorted((p, f"{m:o}", d) for p, m, d in files)})


def store_tree(
    objects: ObjectStore,
    entries: Iterable[Entry],
    known: Tree | None = None,
    *,
    leave: Callable[[Entry, str], None] | None = None,
) -> str:
    """Store files as a tree, and give its digest.

    Parameters
    ----------
    known : an earlier tree of the same place, in the same store: what it holds is not stored again.
    leave : told of each file that cannot be read and why, which is then left out; without it, that is an error.

    Raises
    ------
    SourceError : a file cannot be read, changed while it was read, or its path leaves the tree or is given twice.
    StoreFull, StoreError : as `ObjectStore.put`.
    """
    chosen = sorted(entries, key=lambda entry: entry.path)
    _check_paths([entry.path for entry in chosen])
    writer = _Writer(objects, known)
    for entry in chosen:
        try:
            writer.add(entry)
        except SourceError as error:
            if leave is None:
                raise
            leave(entry, error.why)
    return writer.finish()


def read_tree(objects: ObjectStore, digest: str) -> Tree:
    """The tree of a digest.

    Raises
    ------
    NotFound : it is not stored. NewerFormat : a later release has written it. DamagedStore : it is no tree.
    """
    import json

    data = objects.get(digest)
    try:
        body = json.loads(data)
        if body["kind"] != "tree":
            raise ValueError(f"it is a {body['kind']}")
        if body["format"] > FORMAT:
            raise NewerFormat(
                f"tree {digest} has format {body['format']}",
                why=f"a later release of Penstock has written it; this one reads up to {FORMAT}",
                way_out="upgrade Penstock",
            )
        packs = [_digest(pack) for pack in body["packs"]]
        files = [_file(raw, len(packs)) for raw in body["files"]]
        _check_paths([file.path for file in files])
        return Tree(objects, digest, _digest(body["content"]), packs, {file.path: file for file in files})
    except (ValueError, KeyError, TypeError, SourceError) as error:
        raise DamagedStore(
            f"object {digest} is no tree of files", why=str(error), way_out="name the digest of a tree"
        ) from error


@final
class Tree:
    """Files as they were stored. Made by `read_tree`.

    Attributes
    ----------
    digest : of the manifest. content : of the files alone, see the module.
    files : path -> file, in the order of their paths.
    """

    def __init__(
        self, objects: ObjectStore, digest: str, content: str, packs: list[str], files: dict[str, TreeFile]
    ) -> None:
        self.digest = digest
        self.content = content
        self.packs = packs
        self.files = files
        self._objects = objects
        self._pack: tuple[int, bytes] = (-1, b"")

    @property
    def size_bytes(self) -> int:
        """Of all files together."""
        return sum(file.size for file in self.files.values())

    def read(self, path: str) -> bytes:
        """The bytes of a file. NotFound names the nearest path where there is no such file."""
        file = self.files.get(path)
        if file is None:
            raise self._no_file(path)
        if file.pack is None:
            return self._objects.get(file.digest)
        assert file.offset is not None
        data = self._pack_of(file.pack)[file.offset : file.offset + file.size]
        if digest_of(data) != file.digest:
            raise DamagedStore(
                f"file {path!r} of tree {self.digest} is damaged",
                why="the place that the manifest names holds other bytes",
                way_out="restore the store from a copy, or import the run again",
            )
        return data

    def extract(self, folder: Path, paths: Iterable[str] | None = None) -> int:
        """Write the files (by default all) below a folder, and give their number. A file that is there is replaced.

        Raises
        ------
        SourceError : a link in `folder` would lead a file out of it; nothing is written through it.
        NotFound, DamagedStore, StoreFull : as `ObjectStore.get_file`.
        """
        chosen = [
            self.files[p] if p in self.files else self._refuse(p) for p in (self.files if paths is None else paths)
        ]
        chosen.sort(key=lambda file: (-1 if file.pack is None else file.pack, file.path))
        folder.mkdir(parents=True, exist_ok=True)
        made: set[PurePosixPath] = set()
        for file in chosen:
            target = folder / file.path
            _safe_parents(folder, file.path, made)
            with naming_full_disk(target):
                if file.pack is None:
                    self._objects.get_file(file.digest, target)  # by rename: replaces a link instead of following it
                    target.chmod(file.mode)
                else:
                    _write_new(target, self.read(file.path), file.mode)
        return len(chosen)

    def objects(self) -> set[str]:
        """Digests of all objects that the tree needs, its own among them."""
        return {self.digest, *self.packs, *(f.digest for f in self.files.values() if f.pack is None)}

    def to_json(self) -> dict[str, Any]:
        """The manifest."""
        files = [self.files[path].to_json() for path in sorted(self.files)]
        return {"format": FORMAT, "kind": "tree", "content": self.content, "packs": self.packs, "files": files}

    def _pack_of(self, number: int) -> bytes:
        if self._pack[0] != number:
            self._pack = (number, self._objects.get(self.packs[number]))
        return self._pack[1]

    def _refuse(self, path: str) -> TreeFile:
        raise self._no_file(path)

    def _no_file(self, path: str) -> NotFound:
        import difflib

        near = difflib.get_close_matches(path, self.files, 1, 0.4)
        return NotFound(
            f"there is no file {path!r}",
            why=f"the nearest of {len(self.files)} is {near[0]!r}" if near else f"it has {len(self.files)} other files",
            way_out=f"write {near[0]!r}" if near else "list them first",
        )


class _Writer:
    """Collects the files of one tree, and stores them pack by pack."""

    def __init__(self, objects: ObjectStore, known: Tree | None) -> None:
        self._objects = objects
        self._known = known
        self._by_digest = {} if known is None else {f.digest: f for f in known.files.values()}
        self._waiting: list[Entry] = []
        self._files: list[tuple[str, int, int, str]] = []  # path, mode, size, digest
        self._places: dict[str, tuple[str, int] | None] = {}  # digest -> (pack, offset), None: an object of its own
        self._buffer = bytearray()
        self._pending: list[tuple[str, int]] = []  # digest, offset in the buffer

    def add(self, entry: Entry) -> None:
        with _reading(entry):
            status = entry.file.stat()
            if not stat.S_ISREG(status.st_mode):
                raise SourceError(
                    f"{entry.path!r} is no file", why="only regular files can be stored", way_out="leave it out"
                )
            executable = bool(status.st_mode & 0o111) if entry.executable is None else entry.executable
            if entry.digest is not None and entry.digest in self._by_digest:
                digest, size = entry.digest, self._by_digest[entry.digest].size
                self._waiting.append(entry)
            elif status.st_size >= SMALL_BYTES:
                digest, size = self._large(entry.file, entry.digest), status.st_size
            else:
                data = entry.file.read_bytes()
                digest, size = digest_of(data), len(data)
                if digest in self._by_digest:
                    self._waiting.append(replace(entry, digest=digest))
                else:
                    self._small(digest, data)
        self._files.append((entry.path, 0o755 if executable else 0o644, size, digest))

    def finish(self) -> str:
        self._reuse()
        self._flush()
        packs = sorted({place[0] for place in self._places.values() if place is not None})
        numbers = {pack: number for number, pack in enumerate(packs)}
        files = []
        for path, mode, size, digest in self._files:
            place = self._places[digest]
            where = (None, None) if place is None else (numbers[place[0]], place[1])
            files.append(TreeFile(path, mode, size, digest, *where))
        content = content_of((file.path, file.mode, file.digest) for file in files)
        tree = Tree(self._objects, "", content, packs, {file.path: file for file in files})
        return self._objects.put(canonical_json(tree.to_json()))

    def _small(self, digest: str, data: bytes) -> None:
        if digest in self._places:
            return
        if self._buffer and len(self._buffer) + len(data) > PACK_BYTES:
            self._flush()
        self._pending.append((digest, len(self._buffer)))
        self._places[digest] = ("", 0)  # known once the pack is
        self._buffer += data

    def _large(self, file: Path, digest: str | None) -> str:
        if digest is None or not self._objects.has(digest):
            digest = self._objects.put_file(file)
        self._places[digest] = None
        return digest

    def _flush(self) -> None:
        if not self._pending:
            return
        pack = self._objects.put(bytes(self._buffer))
        for digest, offset in self._pending:
            self._places[digest] = (pack, offset)
        self._buffer = bytearray()
        self._pending = []

    def _reuse(self) -> None:
        """Take over places of the known tree; of a pack of which less than half is of use, only the bytes."""
        if self._known is None:
            return
        wanted: dict[str, int] = {}
        all_of: dict[str, int] = {}
        for file in self._by_digest.values():
            if file.pack is not None:
                pack = self._known.packs[file.pack]
                all_of[pack] = all_of.get(pack, 0) + file.size
        for entry in {e.digest: e for e in self._waiting}.values():
            file = self._by_digest[entry.digest or ""]
            if file.pack is not None:
                pack = self._known.packs[file.pack]
                wanted[pack] = wanted.get(pack, 0) + file.size
        worth = {pack for pack in wanted if 2 * wanted[pack] >= all_of[pack] and self._objects.has(pack)}
        for entry in self._waiting:
            assert entry.digest is not None
            if entry.digest in self._places:
                continue
            file = self._by_digest[entry.digest]
            pack = "" if file.pack is None else self._known.packs[file.pack]
            if pack in worth:
                assert file.offset is not None
                self._places[entry.digest] = (pack, file.offset)
            elif file.pack is None and self._objects.has(file.digest):
                self._places[entry.digest] = None
            else:
                self._store_again(entry)

    def _store_again(self, entry: Entry) -> None:
        with _reading(entry):
            if entry.file.stat().st_size >= SMALL_BYTES:
                digest = self._large(entry.file, None)
            else:
                data = entry.file.read_bytes()
                digest = digest_of(data)
                self._small(digest, data)
        if digest != entry.digest:
            raise changed_while_read(entry.file)


@contextmanager
def _reading(entry: Entry) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SourceError(
            f"{entry.path!r} cannot be read",
            why=error.strerror or str(error),
            way_out="make it readable, or leave it out",
        ) from error


def entries_of(folder: Path) -> Iterator[Entry]:
    """All regular files below a folder. Links are not followed; what JSON cannot name is refused by `store_tree`."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            file = Path(place, name)
            if file.is_file() and not file.is_symlink():
                yield Entry(file.relative_to(folder).as_posix(), file)


def _check_paths(paths: list[str]) -> None:
    """Paths stay in the tree, none is there twice, and none is a folder of another."""
    seen = set(paths)
    for path in paths:
        if not is_inside(path):
            raise SourceError(
                f"{path!r} cannot be part of a tree of files",
                why="a path is relative, in UTF-8, and without '..', '\\' and drive letters",
                way_out="rename or leave out the file",
            )
        folder = path.rpartition("/")[0]
        while folder:
            if folder in seen:
                raise SourceError(
                    f"{folder!r} is both a file and a folder", why=f"{path!r} lies in it", way_out="keep one"
                )
            folder = folder.rpartition("/")[0]
    if len(seen) != len(paths):
        twice = next(path for i, path in enumerate(paths) if path in paths[:i])
        raise SourceError(f"{twice!r} is given twice", why="a tree has one file of each path", way_out="name it once")


def _safe_parents(folder: Path, path: str, made: set[PurePosixPath]) -> None:
    """Make the folders of a path, and refuse to go through a link."""
    for parent in reversed(PurePosixPath(path).parents[:-1]):
        if parent in made:
            continue
        place = folder / parent
        if place.is_symlink():
            raise SourceError(
                f"{str(parent)!r} is a link",
                why=f"{path!r} would be written outside of {folder}",
                way_out="give an empty folder",
            )
        place.mkdir(exist_ok=True)
        made.add(parent)


def _write_new(target: Path, data: bytes, mode: int) -> None:
    target.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(target, flags, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def _digest(value: Any) -> str:
    if not is_digest(value):
        raise ValueError(f"{value!r} is no digest")
    return str(value)


def _file(raw: dict[str, Any], packs: int) -> TreeFile:
    pack, offset, size = raw.get("pack"), raw.get("offset"), raw["size"]
    if not isinstance(size, int) or size < 0:
        raise ValueError(f"the size {size!r}")
    if pack is not None and not (
        isinstance(pack, int) and isinstance(offset, int) and 0 <= pack < packs and offset >= 0
    ):
        raise ValueError(f"the place {pack!r}, {offset!r}")
    mode = int(raw["mode"], 8)
    if not isinstance(raw["path"], str):
        raise TypeError(f"the path {raw['path']!r}")
    return TreeFile(raw["path"], 0o755 if mode & 0o111 else 0o644, size, _digest(raw["digest"]), pack, offset)


__all__ = ["MEDIA", "Entry", "Tree", "TreeFile", "content_of", "entries_of", "is_inside", "read_tree", "store_tree"]
