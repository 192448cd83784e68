"""The files of a tree: what shall be stored, what is stored, and which paths a tree may have."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any, NamedTuple

from penstock.errors import SourceError
from penstock.objects.digests import digest_of

_OUTSIDE = re.compile(r"(?:^|/)\.{0,2}(?:/|\Z)|[\0\\]|^[A-Za-z]:")
"""A part that is empty or of dots only, letters that separate elsewhere, a drive."""


class Entry(NamedTuple):
    """A file that shall be part of a tree.

    Attributes
    ----------
    path : its place in the tree, with ``/``, as `is_inside` allows.
    file : where its bytes are now.
    digest : of its bytes, where the caller knows it: a file that is stored already is then not read.
    executable : whether it may be run; None to look. size : bytes that it was seen to have; None to look.
    """

    path: str
    file: Path | str
    digest: str | None = None
    executable: bool | None = None
    size: int | None = None


class Piece(NamedTuple):
    """A part of a file that was cut: `size` bytes at `offset` of the pack with the number `pack`, or an object of its own without."""

    digest: str
    size: int
    pack: int | None
    offset: int | None


class TreeFile(NamedTuple):
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
    if _OUTSIDE.search(path):
        return False
    if path.isascii():
        return True
    try:
        path.encode()
    except UnicodeEncodeError:  # a name that is no UTF-8: JSON cannot hold it
        return False
    return True


def content_of(files: Iterable[tuple[str, int, str]]) -> str:
    """The digest of (path, mode, digest) of all files, in the order of their paths: equal for equal files.

    That of ``{"format": 1, "kind": "tree-content", "files": [[path, mode, digest], ...]}`` as canonical JSON, which is put together here: a tree may
    have a million files.
    """
    modes = {0o644: "644", 0o755: "755"}  # there are no others
    listed = ",".join([f'[{encode_basestring(p)},"{modes[m]}","{d}"]' for p, m, d in sorted(files)])
    return digest_of(f'{{"files":[{listed}],"format":1,"kind":"tree-content"}}'.encode())


def packed_digests(file: TreeFile) -> list[str]:
    """Digests of what of a file lies in packs; of a file that was not cut its own, wherever it lies."""
    return [piece.digest for piece in file.pieces if piece.pack is not None] if file.pieces else [file.digest]


def own_objects(files: Iterable[TreeFile]) -> Iterator[str]:
    """Digests of files and pieces that are objects of their own."""
    for file in files:
        pieces = file.pieces
        if file.pack is None and not pieces:
            yield file.digest
        for piece in pieces:
            if piece.pack is None:
                yield piece.digest


def packed_sizes(files: Iterable[TreeFile]) -> Iterator[tuple[int, int]]:
    """(number of a pack, bytes) of all that files have in packs, once each."""
    seen: set[str] = set()
    for file in files:
        if file.pack is not None and file.digest not in seen:
            seen.add(file.digest)
            yield file.pack, file.size
        for piece in file.pieces:
            if piece.pack is not None and piece.digest not in seen:
                seen.add(piece.digest)
                yield piece.pack, piece.size


def reading_order(file: TreeFile) -> tuple[int, str]:
    """Files of one pack one after the other."""
    first = file.pieces[0].pack if file.pieces else file.pack
    return -1 if first is None else first, file.path


def entries_of(folder: Path) -> Iterator[Entry]:
    """All regular files below a folder. Links are not followed; what JSON cannot name is refused by `store_tree`."""
    waiting = [("", str(folder))]
    while waiting:
        below, place = waiting.pop()
        try:
            with os.scandir(place) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError:  # it is not there, or not for us to read
            continue
        inner = []
        for entry in entries:
            path = below + entry.name
            if entry.is_dir(follow_symlinks=False):
                inner.append((f"{path}/", entry.path))
            elif entry.is_file(follow_symlinks=False):
                yield Entry(path, entry.path)
        waiting += reversed(inner)


def _are_plain(paths: Sequence[str]) -> bool:
    """Whether no path has anything that `is_inside` may refuse: all are looked at together, as there may be a million."""
    text = f"/{'/'.join(paths)}/"
    if any(part in text for part in ("//", "/./", "/../", "\\", ":", "\0")):
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _folders(paths: Sequence[str]) -> set[str]:
    """All folders that paths lie in."""
    folders = {path.rpartition("/")[0] for path in paths}
    waiting = list(folders)
    while waiting:
        above = waiting.pop().rpartition("/")[0]
        if above not in folders:
            folders.add(above)
            waiting.append(above)
    return folders - {""}


def check_paths(paths: Sequence[str]) -> None:
    """Paths stay in the tree, none is there twice, and none is a folder of another."""
    seen = set(paths)
    if len(seen) == len(paths) and _are_plain(paths) and seen.isdisjoint(_folders(paths)):
        return
    fine = {""}  # folders that were looked at
    for path in paths:
        if not is_inside(path):
            raise SourceError(
                f"{path!r} cannot be part of a tree of files",
                why="a path is relative, in UTF-8, and without '..', '\\' and drive letters",
                way_out="rename or leave out the file",
            )
        folder = path.rpartition("/")[0]
        while folder not in fine:
            if folder in seen:
                raise SourceError(
                    f"{folder!r} is both a file and a folder", why=f"{path!r} lies in it", way_out="keep one"
                )
            fine.add(folder)
            folder = folder.rpartition("/")[0]
    if len(seen) != len(paths):
        counts = Counter(paths)
        twice = next(path for path in paths if counts[path] > 1)
        raise SourceError(f"{twice!r} is given twice", why="a tree has one file of each path", way_out="name it once")
