"""Files become a tree: packs of small files and of pieces, beside the packs of an earlier tree."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.errors import SourceError
from penstock.objects.cutting import aimed_bytes, pieces
from penstock.objects.digests import canonical_json, digest_of
from penstock.objects.store import ObjectStore, changed_while_read
from penstock.objects.tree.files import Entry, Piece, TreeFile, all_pieces, check_paths, content_of, digests_of
from penstock.objects.tree.reading import Tree

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

SMALL_BYTES = 256 * 2**10
"""Files below this size are packed."""
PACK_BYTES = 32 * 2**20
CRUMB_BYTES = 2**20
"""Packs below this size are put together when there are more than `CRUMBS` of them."""
CRUMBS = 32
_OWN = -1
"""In place of a pack: an object of its own."""
_HASHED_BYTES = 8 * 2**20
"""So much of a file is hashed at once, beside what else is done with it."""


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
    check_paths([entry.path for entry in chosen])
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
        used = {digest for f in self._files if f.pack != _OWN for digest in digests_of(f)}
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
        for piece in all_pieces(self._known):
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
