"""Many files as few objects: a manifest, packs of small files, and large files on their own.

Fifty thousand files as fifty thousand objects take minutes and as many calls of a remote store; as a tree they are a manifest
and some packs. The manifest is canonical JSON, and its digest is the tree's:

    {"format": 1, "kind": "tree", "content": digest, "packs": [digest, ...],
     "files": [{"path", "mode", "size", "digest", "pack", "offset"}, ...]}         # sorted by path

A file lies at `offset` of the pack with the number `pack`, or is an object of its own under `digest` where there is neither.
`content` covers paths, modes and digests only: two trees with equal content hold the same files, wherever their bytes lie.

A tree that is stored with `cut` has format 2 where it has large files: these are cut where their content says
(`penstock.objects.cutting`), the pieces lie in packs as small files do, and a file says ``"aimed": bytes, "pieces": [[digest, size,
pack, offset], ...]``. So a table that grew by 1 % costs little more than that.

A new tree refers to the packs of the one before it for files that have not changed, unless most of such a pack is of no use to
it any more: then they are packed again. So a store never holds much more than twice what its trees need.

Many small packs that come of many small changes are put together again.

To change the format: raise `FORMAT`, and keep reading every older one here.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, final

from penstock.errors import DamagedStore, NewerFormat, NotFound, SourceError
from penstock.objects.cutting import aimed_bytes, pieces
from penstock.objects.digests import canonical_json, digest_of, digest_of_json, is_digest
from penstock.objects.files import naming_full_disk
from penstock.objects.store import ObjectStore, changed_while_read

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

FORMAT = 2
SMALL_BYTES = 256 * 2**10
"""Files below this size are packed."""
PACK_BYTES = 32 * 2**20
CRUMB_BYTES = 2**20
"""Packs below this size are put together when there are more than `CRUMBS` of them."""
CRUMBS = 32
PACKS_READ = 4
"""So many packs are held while files are read: the pieces of a file lie in the packs of several versions."""
_OWN = -1
"""In place of a pack: an object of its own."""
_HASHED_BYTES = 8 * 2**20
"""So much of a file is hashed at once, beside what else is done with it."""
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
class Piece:
    """A part of a file that was cut: `size` bytes at `offset` of the pack with the number `pack`."""

    digest: str
    size: int
    pack: int
    offset: int


@dataclass(frozen=True, slots=True)
class TreeFile:
    """A file of a tree.

    Attributes
    ----------
    mode : 0o644 or 0o755.
    pack, offset : where it lies; None where it is an object of its own, or cut.
    pieces : of a file that was cut, in their order. aimed : the size of a piece that was aimed at, in bytes.
    """

    path: str
    mode: int
    size: int
    digest: str
    pack: int | None = None
    offset: int | None = None
    pieces: tuple[Piece, ...] = ()
    aimed: int | None = None

    @property
    def is_object(self) -> bool:
        """Whether it is an object of its own."""
        return self.pack is None and not self.pieces

    def to_json(self) -> dict[str, Any]:
        body: dict[str, Any] = {"path": self.path, "mode": f"{self.mode:o}", "size": self.size, "digest": self.digest}
        if self.pieces:
            body.update(aimed=self.aimed, pieces=[[p.digest, p.size, p.pack, p.offset] for p in self.pieces])
        elif self.pack is not None:
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
    cut: bool = False,
    tell: Callable[[int, str, str], None] | None = None,
) -> str:
    """Store files as a tree, and give its digest.

    Parameters
    ----------
    known : an earlier tree of the same place, in the same store: what it holds is not stored again.
    leave : told of each file that cannot be read and why, which is then left out; without it, that is an error.
    cut : whether large files are cut, so that their later versions share what stayed the same; else each is an object.
    tell : told of each file when it has been read: its size in bytes, its path and its digest.

    Raises
    ------
    SourceError : a file cannot be read, changed while it was read, or its path leaves the tree or is given twice.
    StoreFull, StoreError : as `ObjectStore.put`.
    """
    chosen = sorted(entries, key=lambda entry: entry.path)
    _check_paths([entry.path for entry in chosen])
    with _Writer(objects, known, cut=cut) as writer:
        for entry in chosen:
            try:
                size, digest = writer.add(entry)
            except SourceError as error:
                if leave is None:
                    raise
                leave(entry, error.why)
            else:
                if tell is not None:
                    tell(size, entry.path, digest)
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
        self._read: dict[int, bytes] = {}

    @property
    def size_bytes(self) -> int:
        """Of all files together."""
        return sum(file.size for file in self.files.values())

    def read(self, path: str) -> bytes:
        """The bytes of a file. NotFound names the nearest path where there is no such file."""
        file = self.files.get(path)
        if file is None:
            raise self._no_file(path)
        if file.is_object:
            return self._objects.get(file.digest)
        data = b"".join(self.parts_of(file))
        if file.pieces and digest_of(data) != file.digest:
            raise self._damaged(path)
        return data

    def stream(self, file: TreeFile) -> Iterator[bytes]:
        """The bytes of a file, in parts that were checked."""
        if not file.is_object:
            yield from self.parts_of(file)
            return
        yield self._objects.get(file.digest)

    def parts_of(self, file: TreeFile) -> Iterator[bytes]:
        """The bytes of a file that lies in packs, piece by piece, each checked against its digest."""
        places = file.pieces
        if file.pack is not None and file.offset is not None:
            places = (Piece(file.digest, file.size, file.pack, file.offset),)
        for piece in places:
            data = self._pack_of(piece.pack)[piece.offset : piece.offset + piece.size]
            if digest_of(data) != piece.digest:
                raise self._damaged(file.path)
            yield data

    def _damaged(self, path: str) -> DamagedStore:
        return DamagedStore(
            f"file {path!r} of tree {self.digest} is damaged",
            why="the place that the manifest names holds other bytes",
            way_out="restore the store from a copy, or import the run again",
        )

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
        chosen.sort(key=reading_order)
        folder.mkdir(parents=True, exist_ok=True)
        made: set[PurePosixPath] = set()
        for file in chosen:
            target = folder / file.path
            _safe_parents(folder, file.path, made)
            with naming_full_disk(target):
                if file.is_object:
                    self._objects.get_file(file.digest, target)  # by rename: replaces a link instead of following it
                    target.chmod(file.mode)
                else:
                    _write_new(target, self.parts_of(file), file.mode)
        return len(chosen)

    def objects(self) -> set[str]:
        """Digests of all objects that the tree needs, its own among them."""
        return {self.digest, *self.packs, *(f.digest for f in self.files.values() if f.is_object)}

    def to_json(self) -> dict[str, Any]:
        """The manifest."""
        files = [self.files[path].to_json() for path in sorted(self.files)]
        format_ = 2 if any(file.pieces for file in self.files.values()) else 1
        return {"format": format_, "kind": "tree", "content": self.content, "packs": self.packs, "files": files}

    def _pack_of(self, number: int) -> bytes:
        data = self._read.pop(number, None)
        if data is None:
            while len(self._read) >= PACKS_READ:
                del self._read[next(iter(self._read))]
            data = self._objects.get(self.packs[number])
        self._read[number] = data  # the last one used is the last one that goes
        return data

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


@dataclass(frozen=True, slots=True)
class _Known:
    """Bytes of the known tree that a file still has: where they lie there, and in the file."""

    pack: str
    place: int
    file: Path
    offset: int
    size: int


class _Writer:
    """Collects the files of one tree, and stores them pack by pack, while the next files are read."""

    def __init__(self, objects: ObjectStore, known: Tree | None, *, cut: bool) -> None:
        self._objects = objects
        self._known = known
        self._cut = cut
        self._by_digest = {} if known is None else {f.digest: f for f in known.files.values()}
        self._piece_of = {} if known is None else {p.digest: p for f in known.files.values() for p in f.pieces}
        self._waiting: dict[str, _Known] = {}  # digest -> bytes that the known tree has in a pack
        self._files: list[TreeFile] = []  # those in packs have no place yet
        self._places: dict[str, tuple[int, int]] = {}  # digest -> number of a new pack, offset
        self._old_places: dict[str, tuple[str, int]] = {}  # digest -> pack of the known tree, offset
        self._buffer = bytearray()
        self._packs: list[Callable[[], str]] = []  # each gives the digest of a new pack, once it is stored
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> _Writer:
        if self._cut:  # much is to be stored: two threads help, of which a small tree has no need
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(2, "tree")
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def add(self, entry: Entry) -> tuple[int, str]:
        """Take a file in; gives its size and digest."""
        with _reading(entry):
            status = os.stat(entry.file)
            if not stat.S_ISREG(status.st_mode):
                raise SourceError(
                    f"{entry.path!r} is no file", why="only regular files can be stored", way_out="leave it out"
                )
            executable = bool(status.st_mode & 0o111) if entry.executable is None else entry.executable
            mode = 0o755 if executable else 0o644
            if entry.digest is not None and (same := self._by_digest.get(entry.digest)) is not None:
                file = self._again(entry, same, mode)
            elif status.st_size < SMALL_BYTES:
                with open(entry.file, "rb", buffering=0) as opened:
                    data = opened.read()
                digest = digest_of(data)
                if (same := self._by_digest.get(digest)) is not None and same.pack is not None:
                    file = self._again(replace(entry, digest=digest), same, mode)
                else:
                    self._small(digest, data)
                    file = TreeFile(entry.path, mode, len(data), digest)
            elif self._cut:
                file = self._large_cut(entry, status, mode)
            else:
                digest = self._large(entry.file, entry.digest)
                file = TreeFile(entry.path, mode, status.st_size, digest, _OWN, 0)
        self._files.append(file)
        return file.size, file.digest

    def finish(self) -> str:
        self._reuse()
        self._flush()
        made = [stored() for stored in self._packs]
        places = self._old_places | {d: (made[number], offset) for d, (number, offset) in self._places.items()}
        used = {digest for f in self._files if f.pack != _OWN for digest in _digests_of(f)}
        packs = sorted({places[digest][0] for digest in used})
        numbers = {pack: number for number, pack in enumerate(packs)}

        def placed(file: TreeFile) -> TreeFile:
            if file.pack == _OWN:
                return replace(file, pack=None, offset=None)
            if file.pieces:
                cut = ((p, *places[p.digest]) for p in file.pieces)
                return replace(file, pieces=tuple(Piece(p.digest, p.size, numbers[k], at) for p, k, at in cut))
            pack, at = places[file.digest]
            return replace(file, pack=numbers[pack], offset=at)

        files = [placed(file) for file in self._files]
        content = content_of((file.path, file.mode, file.digest) for file in files)
        tree = Tree(self._objects, "", content, packs, {file.path: file for file in files})
        return self._objects.put(canonical_json(tree.to_json()))

    def _again(self, entry: Entry, same: TreeFile, mode: int) -> TreeFile:
        """A file whose digest the known tree has."""
        if same.is_object:
            self._large(entry.file, same.digest)
            return TreeFile(entry.path, mode, same.size, same.digest, _OWN, 0)
        assert self._known is not None
        if same.pieces:
            at = 0
            for piece in same.pieces:
                self._wait(piece, entry.file, at)
                at += piece.size
            return TreeFile(entry.path, mode, same.size, same.digest, pieces=same.pieces, aimed=same.aimed)
        assert same.pack is not None
        assert same.offset is not None
        self._wait(Piece(same.digest, same.size, same.pack, same.offset), entry.file, 0)
        return TreeFile(entry.path, mode, same.size, same.digest)

    def _wait(self, piece: Piece, file: Path, offset: int) -> None:
        assert self._known is not None
        pack = self._known.packs[piece.pack]
        self._waiting.setdefault(piece.digest, _Known(pack, piece.offset, file, offset, piece.size))

    def _small(self, digest: str, data: bytes) -> None:
        if digest in self._places:
            return
        if self._buffer and len(self._buffer) + len(data) > PACK_BYTES:
            self._flush()
        if not data and not self._buffer and self._packs:  # nothing, which lies anywhere
            self._places[digest] = (len(self._packs) - 1, 0)
            return
        self._places[digest] = (len(self._packs), len(self._buffer))
        self._buffer += data

    def _large(self, file: Path, digest: str | None) -> str:
        if digest is None or not self._objects.renew(digest):
            digest = self._objects.put_file(file)
        return digest

    def _large_cut(self, entry: Entry, before: os.stat_result, mode: int) -> TreeFile:
        earlier = None if self._known is None else self._known.files.get(entry.path)
        aimed = aimed_bytes(before.st_size, None if earlier is None else earlier.aimed)
        assert self._pool is not None
        whole, hashing = hashlib.sha256(), None
        ahead: list[bytes] = []
        cut: list[Piece] = []
        at = waiting = 0
        with open(entry.file, "rb", buffering=0) as opened:
            for data in pieces(opened, aimed):
                ahead.append(data)
                waiting += len(data)
                if waiting >= _HASHED_BYTES:
                    if hashing is not None:
                        hashing.result()
                    hashing, ahead, waiting = self._pool.submit(_update, whole, ahead), [], 0
                digest = digest_of(data)
                cut.append(Piece(digest, len(data), 0, 0))
                if (known := self._piece_of.get(digest)) is not None:
                    self._wait(known, entry.file, at)
                else:
                    self._small(digest, data)
                at += len(data)
            after = os.fstat(opened.fileno())
        if hashing is not None:
            hashing.result()
        _update(whole, ahead)
        if (at, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise changed_while_read(entry.file)
        return TreeFile(entry.path, mode, at, "sha256:" + whole.hexdigest(), pieces=tuple(cut), aimed=aimed)

    def _flush(self) -> None:
        """Store the pack that is full; with threads, while the next one fills."""
        if not self._buffer and (self._packs or not self._places):
            return
        data, self._buffer = bytes(self._buffer), bytearray()
        if self._pool is None:
            digest = self._objects.put(data)
            self._packs.append(lambda: digest)
            return
        if self._packs:
            self._packs[-1]()
        self._packs.append(self._pool.submit(self._objects.put, data).result)

    def _reuse(self) -> None:
        """Take over places of the known tree; of a pack of which less than half is of use, and of crumbs, only the bytes."""
        if self._known is None:
            return
        all_of: dict[str, int] = {}
        wanted: dict[str, int] = {}
        for piece in _all_pieces(self._known):
            pack = self._known.packs[piece.pack]
            all_of[pack] = all_of.get(pack, 0) + piece.size
        for known in self._waiting.values():
            wanted[known.pack] = wanted.get(known.pack, 0) + known.size
        crumbs = {pack for pack in wanted if all_of[pack] < CRUMB_BYTES}
        low = crumbs if len(crumbs) > CRUMBS else set()
        worth = {p for p in wanted if p not in low and 2 * wanted[p] >= all_of[p] and self._objects.has(p)}
        for digest, known in self._waiting.items():
            if digest in self._places:
                continue
            if known.pack in worth:
                self._old_places[digest] = (known.pack, known.place)
            else:
                self._store_again(digest, known)

    def _store_again(self, digest: str, known: _Known) -> None:
        with _reading(Entry(known.file.name, known.file)), open(known.file, "rb") as opened:
            opened.seek(known.offset)
            data = opened.read(known.size)
        if digest_of(data) != digest:
            raise changed_while_read(known.file)
        self._small(digest, data)


def _update(whole: hashlib._Hash, parts: list[bytes]) -> None:
    for data in parts:
        whole.update(data)


def _digests_of(file: TreeFile) -> list[str]:
    return [piece.digest for piece in file.pieces] or [file.digest]


def _all_pieces(tree: Tree) -> Iterator[Piece]:
    """All that lies in the packs of a tree, once each."""
    seen: set[str] = set()
    for file in tree.files.values():
        own = file.pieces
        if file.pack is not None and file.offset is not None:
            own = (Piece(file.digest, file.size, file.pack, file.offset),)
        for piece in own:
            if piece.digest not in seen:
                seen.add(piece.digest)
                yield piece


def reading_order(file: TreeFile) -> tuple[int, str]:
    """Files of one pack one after the other."""
    first = file.pieces[0].pack if file.pieces else -1 if file.pack is None else file.pack
    return first, file.path


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


def _write_new(target: Path, parts: Iterable[bytes], mode: int) -> None:
    target.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(target, flags, mode)
    with os.fdopen(descriptor, "wb") as file:
        for data in parts:
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
    cut = tuple(_piece(piece, packs) for piece in raw.get("pieces", ()))
    if cut and (pack is not None or sum(piece.size for piece in cut) != size):
        raise ValueError(f"the pieces of {raw['path']!r}")
    mode = int(raw["mode"], 8)
    if not isinstance(raw["path"], str):
        raise TypeError(f"the path {raw['path']!r}")
    return TreeFile(
        raw["path"], 0o755 if mode & 0o111 else 0o644, size, _digest(raw["digest"]), pack, offset, cut, raw.get("aimed")
    )


def _piece(raw: Any, packs: int) -> Piece:
    digest, size, pack, offset = raw
    if not all(isinstance(n, int) and n >= 0 for n in (size, pack, offset)) or pack >= packs:
        raise ValueError(f"the piece {raw!r}")
    return Piece(_digest(digest), size, pack, offset)


__all__ = [
    "MEDIA",
    "Entry",
    "Piece",
    "Tree",
    "TreeFile",
    "content_of",
    "entries_of",
    "is_inside",
    "read_tree",
    "reading_order",
    "store_tree",
]
