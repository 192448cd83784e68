"""Files become a tree: packs of small files and of pieces, beside the packs of an earlier tree."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from penstock.errors import SourceError
from penstock.objects.digests import digest_of
from penstock.objects.store import ObjectStore, changed_while_read
from penstock.objects.tree.files import Entry, Piece, TreeFile, check_paths, content_of, packed_digests, packed_sizes
from penstock.objects.tree.manifest import store_manifest
from penstock.objects.tree.packs import NewPacks
from penstock.objects.tree.reading import Tree
from penstock.objects.tree.small import READ, SMALL_BYTES, Contents, lots, reading

if TYPE_CHECKING:
    from penstock.objects.tree.threads import Threads

APART_BYTES = 2**20
"""Pieces that aim at this size or more are objects of their own: a pack would cost another hash of each byte, and save little."""
CRUMB_BYTES = 2**20
"""Packs below this size are put together when there are more than `CRUMBS` of them."""
CRUMBS = 32
_OWN = -1
"""In place of a pack: an object of its own."""


def store_tree(
    objects: ObjectStore,
    entries: Iterable[Entry],
    known: Tree | None = None,
    *,
    leave: Callable[[Entry, str], None] | None = None,
    cut: bool = False,
    tell: Callable[[int, str, str], None] | None = None,
) -> str:
    """Store files as a tree, and give its digest: as `write_tree`, which gives the tree itself."""
    return write_tree(objects, entries, known, leave=leave, cut=cut, tell=tell).digest


def write_tree(
    objects: ObjectStore,
    entries: Iterable[Entry],
    known: Tree | None = None,
    *,
    leave: Callable[[Entry, str], None] | None = None,
    cut: bool = False,
    tell: Callable[[int, str, str], None] | None = None,
) -> Tree:
    """Store files as a tree, and give it.

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
    found = list(lots(chosen))
    with _Writer(objects, known, cut=cut) as writer, reading(found) as reader:
        for lot in found:
            contents = reader.read(lot.entries) if lot.small else None
            if contents is not None and writer.add_all(lot.entries, contents):
                if tell is not None:
                    for entry, digest in zip(lot.entries, contents.digests, strict=True):
                        tell(entry.size or 0, entry.path, digest)
                continue
            for entry, read in [(lot.entries[0], None)] if contents is None else contents.of_each(lot.entries):
                try:
                    size, digest = writer.add(entry, read)
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
    file: Path | str
    offset: int
    size: int


class _Writer:
    """Collects the files of one tree, and stores them while the next ones are read."""

    def __init__(self, objects: ObjectStore, known: Tree | None, *, cut: bool) -> None:
        self._objects = objects
        self._known = known
        self._by_digest = {} if known is None else {f.digest: f for f in known.files.values()}
        self._piece_of = {} if known is None else {p.digest: p for f in known.files.values() for p in f.pieces}
        self._waiting: dict[str, _Known] = {}  # digest -> bytes that the known tree has in a pack
        self._files: list[TreeFile] = []  # those in packs have no place yet
        self._threads = _threads() if cut else None
        self._packs = NewPacks(objects, None if self._threads is None else self._threads.storing)

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *_: object) -> None:
        if self._threads is not None:
            self._threads.stop()

    def add_all(self, entries: Sequence[Entry], contents: Contents) -> bool:
        """Take many small files in at once, where all were read and none can be one of the known tree; whether it was done."""
        if self._by_digest or len(contents.digests) != len(entries):
            return False
        self._packs.add_all(contents.digests, [entry.size or 0 for entry in entries], contents.data)
        self._files += [
            TreeFile(entry.path, 0o755 if entry.executable else 0o644, entry.size or 0, digest)
            for entry, digest in zip(entries, contents.digests, strict=True)
        ]
        return True

    def add(self, entry: Entry, read: tuple[str, bytes] | None = None) -> tuple[int, str]:
        """Take a file in; gives its size and digest. `read`: these and its bytes, of a small file that was just read."""
        try:
            if read is None:
                file = self._taken(entry)
            else:
                file = self._small(entry, *read, 0o755 if entry.executable else 0o644)
        except OSError as error:
            raise _unreadable(entry.path, error) from error
        self._files.append(file)
        return file.size, file.digest

    def finish(self) -> Tree:
        """Store what has not been stored yet, and the manifest last of all."""
        old = self._reused()
        self._packs.flush(last=True)
        content = content_of(
            (path, mode, digest) for path, mode, _, digest, *_ in self._files
        )  # while a pack is hashed and stored
        places = old | self._packs.places()
        inside = [file.digest for file in self._files if file.pack != _OWN and not file.pieces]
        inside += [digest for file in self._files if file.pieces for digest in packed_digests(file)]
        packs = sorted({places[digest][0] for digest in inside})
        numbers = {pack: number for number, pack in enumerate(packs)}

        def placed(file: TreeFile) -> TreeFile:
            path, mode, size, digest, own, _, pieces, aimed = file
            if own == _OWN:
                return file._replace(pack=None, offset=None)
            if pieces:
                cut = []
                for piece in pieces:
                    if piece.pack is not None:
                        pack, at = places[piece.digest]
                        piece = Piece(piece.digest, piece.size, numbers[pack], at)
                    cut.append(piece)
                return TreeFile(path, mode, size, digest, pieces=tuple(cut), aimed=aimed)
            pack, at = places[digest]
            return TreeFile(path, mode, size, digest, numbers[pack], at)

        files = {file.path: placed(file) for file in self._files}
        storing = None if self._threads is None else self._threads.storing
        return store_manifest(self._objects, packs, files, content, self._packs.wait, storing)

    def _taken(self, entry: Entry) -> TreeFile:
        if entry.digest is not None and (same := self._by_digest.get(entry.digest)) is not None:
            return self._again(entry, same, _mode(entry, os.stat(entry.file)))
        descriptor = os.open(entry.file, READ)
        try:
            status = os.fstat(descriptor)
            mode = _mode(entry, status)
            if status.st_size < SMALL_BYTES:
                data = _whole(descriptor, status.st_size)
                return self._small(entry, digest_of(data), data, mode)
            if self._threads is not None:
                with open(descriptor, "rb", buffering=0, closefd=False) as opened:
                    return self._large_cut(entry, opened, status, mode, self._threads)
        finally:
            os.close(descriptor)
        return TreeFile(entry.path, mode, status.st_size, self._large(entry.file, entry.digest), _OWN, 0)

    def _again(self, entry: Entry, same: TreeFile, mode: int) -> TreeFile:
        """A file whose digest the known tree has."""
        if same.is_object:
            self._large(entry.file, same.digest)
            return TreeFile(entry.path, mode, same.size, same.digest, _OWN, 0)
        if same.pieces:
            at = 0
            for piece in same.pieces:
                if piece.pack is not None:
                    self._wait(piece, entry.file, at)
                elif not self._objects.renew(piece.digest):
                    self._objects.put(_bytes_at(entry.file, at, piece.size, piece.digest))
                at += piece.size
            return TreeFile(entry.path, mode, same.size, same.digest, pieces=same.pieces, aimed=same.aimed)
        self._wait(Piece(same.digest, same.size, same.pack, same.offset), entry.file, 0)
        return TreeFile(entry.path, mode, same.size, same.digest)

    def _wait(self, piece: Piece, file: Path | str, offset: int) -> None:
        assert self._known is not None
        assert piece.pack is not None
        assert piece.offset is not None
        pack = self._known.packs[piece.pack]
        self._waiting.setdefault(piece.digest, _Known(pack, piece.offset, file, offset, piece.size))

    def _small(self, entry: Entry, digest: str, data: bytes, mode: int) -> TreeFile:
        if (same := self._by_digest.get(digest)) is not None and same.pack is not None:
            return self._again(entry, same, mode)
        self._packs.add(digest, data)
        return TreeFile(entry.path, mode, len(data), digest)

    def _large(self, file: Path | str, digest: str | None) -> str:
        if digest is None or not self._objects.renew(digest):
            digest = self._objects.put_file(Path(file))
        return digest

    def _large_cut(
        self, entry: Entry, opened: BinaryIO, before: os.stat_result, mode: int, threads: Threads
    ) -> TreeFile:
        from penstock.objects.cutting import aimed_bytes, pieces

        earlier = None if self._known is None else self._known.files.get(entry.path)
        aimed = aimed_bytes(before.st_size, None if earlier is None else earlier.aimed)
        apart = aimed >= APART_BYTES and not (earlier is not None and packed_digests(earlier))
        cut: list[Piece] = []
        at = 0
        whole = threads.whole()
        stored = threads.storer(self._objects.put)
        for data in pieces(opened, aimed):
            whole.update(data)
            if apart:
                stored.put(data)
            else:
                digest = digest_of(data)
                cut.append(Piece(digest, len(data), 0, 0))
                if (known := self._piece_of.get(digest)) is not None and known.pack is not None:
                    self._wait(known, entry.file, at)
                else:
                    self._packs.add(digest, data)
            at += len(data)
        cut += [Piece(digest, size, None, None) for digest, size in stored.all()]
        digest = whole.digest()
        if (at, os.fstat(opened.fileno()).st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise changed_while_read(Path(entry.file))
        return TreeFile(entry.path, mode, at, digest, pieces=tuple(cut), aimed=aimed)

    def _reused(self) -> dict[str, tuple[str, int]]:
        """Take over places of the known tree; of a pack of which less than half is of use, and of crumbs, only the bytes."""
        if self._known is None:
            return {}
        old: dict[str, tuple[str, int]] = {}
        all_of: dict[str, int] = {}
        wanted: dict[str, int] = {}
        for number, size in packed_sizes(self._known.files.values()):
            pack = self._known.packs[number]
            all_of[pack] = all_of.get(pack, 0) + size
        for known in self._waiting.values():
            wanted[known.pack] = wanted.get(known.pack, 0) + known.size
        crumbs = {pack for pack in wanted if all_of[pack] < CRUMB_BYTES}
        low = crumbs if len(crumbs) > CRUMBS else set()
        worth = {p for p in wanted if p not in low and 2 * wanted[p] >= all_of[p] and self._objects.has(p)}
        for digest, known in self._waiting.items():
            if digest in self._packs:
                continue
            if known.pack in worth:
                old[digest] = (known.pack, known.place)
            else:
                self._packs.add(digest, _bytes_at(known.file, known.offset, known.size, digest))
        return old


def _threads() -> Threads:
    """Where much is to be stored they help; a small tree has no need of them, and does not load them."""
    from penstock.objects.tree.threads import Threads

    return Threads()


def _mode(entry: Entry, status: os.stat_result) -> int:
    if not stat.S_ISREG(status.st_mode):
        raise SourceError(f"{entry.path!r} is no file", why="only regular files can be stored", way_out="leave it out")
    executable = bool(status.st_mode & 0o111) if entry.executable is None else entry.executable
    return 0o755 if executable else 0o644


def _whole(descriptor: int, size: int) -> bytes:
    """All bytes of an open file whose size was `size` just now."""
    data = os.read(descriptor, size + 1)
    if len(data) == size:
        return data
    while more := os.read(descriptor, 1 << 20):  # it says less than it has, as those of /proc do, or gave a part only
        data += more
    return data


def _bytes_at(file: Path | str, offset: int, size: int, digest: str) -> bytes:
    """Bytes of a file, which have a digest."""
    try:
        with open(file, "rb", buffering=0) as opened:
            opened.seek(offset)
            data = opened.read(size)
    except OSError as error:
        raise _unreadable(os.path.basename(file), error) from error
    if digest_of(data) != digest:
        raise changed_while_read(Path(file))
    return data


def _unreadable(path: str, error: OSError) -> SourceError:
    return SourceError(
        f"{path!r} cannot be read", why=error.strerror or str(error), way_out="make it readable, or leave it out"
    )
