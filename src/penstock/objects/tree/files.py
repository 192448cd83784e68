"""The files of a tree: what shall be stored, what is stored, and which paths a tree may have."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.errors import SourceError
from penstock.objects.digests import digest_of_json

if TYPE_CHECKING:
    from penstock.objects.tree.reading import Tree


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


def digests_of(file: TreeFile) -> list[str]:
    return [piece.digest for piece in file.pieces] or [file.digest]


def all_pieces(tree: Tree) -> Iterator[Piece]:
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


def entries_of(folder: Path) -> Iterator[Entry]:
    """All regular files below a folder. Links are not followed; what JSON cannot name is refused by `store_tree`."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            file = Path(place, name)
            if file.is_file() and not file.is_symlink():
                yield Entry(file.relative_to(folder).as_posix(), file)


def check_paths(paths: list[str]) -> None:
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
