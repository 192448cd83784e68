"""A tree that is stored: its files, and their bytes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, final

from penstock.errors import DamagedStore, NotFound, SourceError
from penstock.objects.digests import digest_of
from penstock.objects.files import naming_full_disk
from penstock.objects.store import ObjectStore
from penstock.objects.tree.files import Piece, TreeFile, own_objects, reading_order

PACKS_READ = 4
"""So many packs are held while files are read: the pieces of a file lie in the packs of several versions."""


@final
class Tree:
    """Files as they were stored. Made by `read_tree`.

    Attributes
    ----------
    digest : of the manifest. content : of the files alone, see the module.
    files : path -> file, in the order of their paths. parts : digests of the parts of a manifest that is split.
    """

    def __init__(
        self,
        objects: ObjectStore,
        digest: str,
        content: str,
        packs: list[str],
        files: dict[str, TreeFile],
        parts: Sequence[str] = (),
    ) -> None:
        self.digest = digest
        self.content = content
        self.packs = packs
        self.parts = parts
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
            if piece.pack is None or piece.offset is None:
                yield self._objects.get(piece.digest)
                continue
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
        return {self.digest, *self.parts, *self.packs, *own_objects(self.files.values())}

    def to_json(self) -> dict[str, Any]:
        """The manifest, as it is where it is not split."""
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
