"""The files of an item as they are on the disk."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, final

from penstock.errors import SourceError
from penstock.experiments.capture.ignore import Patterns

IGNORE_FILE = ".penstockignore"
_KIND, _FILE, _FOLDER = 0o170000, 0o100000, 0o040000
UNFINISHED = ".unfinished"
"""Ending of the names of files that a checkout was writing: as in `penstock.objects.files`, which takes longer to load."""
SHARED_FILES, SHARED_FOLDERS = 1000, 8
"""Where there were so many files already, and so many folders are still to be looked into, two processes are faster than one."""
MANY_FOLDERS, MANY_NAMES_BYTES = 16, 2**16
"""Of links to a folder (one from each folder in it) and bytes of its list of names: a sign that looking into it takes longer than the start
of a process."""
NEVER = frozenset({".penstock", ".git"})
"""Folders that are no data: the stores themselves, and those of Git."""


@final
@dataclass
class Scan:
    """What was found: columns of one row per file, in the order of their paths.

    Attributes
    ----------
    kind : ``file``, ``folder``, or ``absent``.
    paths : with ``/``, relative to the folder; of a file its name. sizes : bytes. times : of the last change that the file claims, ns.
    changes : of the last one that the file system saw (of its bytes, name or mode), which nobody can set. modes : 0o644 or 0o755.
    left_out : path -> why, of what is no regular file.
    """

    kind: str
    paths: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    changes: list[int] = field(default_factory=list)
    modes: list[int] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        return sum(self.sizes)

    def stats(self) -> dict[str, tuple[int, int, int, int]]:
        """Path -> size, time, change, mode."""
        return dict(zip(self.paths, zip(self.sizes, self.times, self.changes, self.modes, strict=True), strict=True))

    def columns(self) -> tuple[list[Any], ...]:
        """What is known of each file, in this order."""
        return self.paths, self.sizes, self.times, self.changes, self.modes

    def file_of(self, root: Path, path: str) -> Path:
        """Where a file of it is."""
        return root if self.kind == "file" else root / path


def scan(root: Path) -> Scan:
    """Look at a file, or at all files below a folder that no ``.penstockignore`` in it leaves out.

    Links and other things that are no files are left out and told. Empty folders are not kept, as in Git.

    Raises
    ------
    SourceError : the path is neither a file nor a folder, or a folder cannot be looked into.
    """
    try:
        status = os.stat(root)
    except (FileNotFoundError, NotADirectoryError):
        return Scan("absent")
    except OSError as error:
        raise _unreadable(str(root), error) from error
    if stat.S_ISREG(status.st_mode):
        mode = 0o755 if status.st_mode & 0o111 else 0o644
        name = os.path.basename(os.path.abspath(root))
        return Scan("file", [name], [status.st_size], [status.st_mtime_ns], [status.st_ctime_ns], [mode])
    if not stat.S_ISDIR(status.st_mode):
        raise SourceError(
            f"{root} is neither a file nor a folder", why="it is a device, a pipe or a socket", way_out="name a file"
        )
    found = Scan("folder")
    _walk([Folder(str(root), "", ())], found, alone=False)
    if len(found.paths) > 1 and found.paths != sorted(found.paths):
        order = sorted(range(len(found.paths)), key=found.paths.__getitem__)
        found.paths = [found.paths[i] for i in order]
        numbers = (found.sizes, found.times, found.changes, found.modes)
        found.sizes, found.times, found.changes, found.modes = ([column[i] for i in order] for column in numbers)
    found.left_out = dict(sorted(found.left_out.items()))
    return found


@contextmanager
def scanning(root: Path) -> Iterator[Callable[[], Scan]]:
    """Begin to look at a folder that seems to hold much in another process, so that this one can load what it needs meanwhile.

    Gives what gives the `scan`.
    """
    if not _seems_much(root):
        yield lambda: scan(root)
        return
    from penstock.objects.second import second

    with second(lambda answer: _send(scan(root), answer)) as answer:
        yield lambda: _received(answer) or scan(root)


def _seems_much(root: Path) -> bool:
    try:
        status = os.stat(root)
    except OSError:  # `scan` tells
        return False
    many = status.st_nlink >= MANY_FOLDERS or status.st_size >= MANY_NAMES_BYTES
    return stat.S_ISDIR(status.st_mode) and many


def _send(found: Scan, answer: BinaryIO) -> None:
    import marshal

    answer.write(marshal.dumps((found.columns(), found.left_out)))


def _received(answer: BinaryIO | None) -> Scan | None:
    """What `_send` sent; None where there was no second process, or it met something that this one shall tell."""
    import marshal

    try:
        (paths, sizes, times, changes, modes), left_out = marshal.loads(b"" if answer is None else answer.read())
    except (EOFError, ValueError, TypeError):
        return None
    return Scan("folder", paths, sizes, times, changes, modes, left_out)


class Folder(NamedTuple):
    """A folder to look into: where it is, its path in the item (with a ``/`` at its end where it is not empty), and what is ignored in it."""

    place: str
    below: str
    rules: tuple[tuple[int, Patterns], ...]


def _walk(waiting: list[Folder], found: Scan, *, alone: bool) -> None:
    """Files below the folders that wait. Not `alone`: a second process looks into half of them, where there are many."""
    while waiting:
        if not alone and len(found.paths) >= SHARED_FILES and len(waiting) >= SHARED_FOLDERS:
            _walk_in_two(waiting[::2], waiting[1::2], found)
            return
        waiting += _look(waiting.pop(), found)


def _walk_in_two(ours: list[Folder], theirs: list[Folder], found: Scan) -> None:
    from penstock.objects.second import second

    def other_half(answer: BinaryIO) -> None:
        part = Scan("folder")
        _walk(list(theirs), part, alone=True)
        _send(part, answer)

    with second(other_half) as answer:
        _walk(ours, found, alone=answer is not None)
        part = _received(answer)
    if part is None:
        _walk(theirs, found, alone=True)
        return
    for column, more in zip(found.columns(), part.columns(), strict=True):
        column += more
    found.left_out.update(part.left_out)


def _look(folder: Folder, found: Scan) -> list[Folder]:
    """Take in the files of a folder, and give the folders in it."""
    place, below, rules = folder
    folders = []
    try:
        with os.scandir(place) as listed:
            entries = list(listed)
    except OSError as error:
        raise _unreadable(below or place, error) from error
    if any(entry.name == IGNORE_FILE for entry in entries) and (own := _patterns(os.path.join(place, IGNORE_FILE))):
        rules = (*rules, (len(below), own))
    paths, sizes, times, changes, modes = found.paths, found.sizes, found.times, found.changes, found.modes
    for entry in entries:  # one look at each, and few steps: there may be a million
        name = entry.name
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:  # gone since it was listed
            continue
        path, mode = below + name, status.st_mode
        kind = mode & _KIND
        if rules and _ignored(path, rules, folder=kind == _FOLDER):
            continue
        if kind == _FILE:
            if name[0] == "." and name.endswith(UNFINISHED):
                continue
            paths.append(path)
            sizes.append(status.st_size)
            times.append(status.st_mtime_ns)
            changes.append(status.st_ctime_ns)
            modes.append(0o755 if mode & 0o111 else 0o644)
        elif kind == _FOLDER:
            if name not in NEVER:
                folders.append(Folder(entry.path, path + "/", rules))
        else:
            found.left_out[path] = "it is a link" if stat.S_ISLNK(mode) else "it is no regular file"
    return folders


def _ignored(path: str, rules: tuple[tuple[int, Patterns], ...], *, folder: bool) -> bool:
    for length, patterns in reversed(rules):  # the nearest file decides
        told = patterns.match(path[length:], folder=folder)
        if told is not None:
            return told
    return False


def _patterns(file: str) -> Patterns | None:
    try:
        with open(file, encoding="utf-8", errors="surrogateescape") as opened:
            return Patterns(opened.read().splitlines())
    except OSError as error:
        raise _unreadable(file, error) from error


def _unreadable(path: str, error: OSError) -> SourceError:
    return SourceError(
        f"{path!r} cannot be read",
        why=error.strerror or str(error),
        way_out=f"make it readable, or leave it out: a line in {IGNORE_FILE}",
    )
