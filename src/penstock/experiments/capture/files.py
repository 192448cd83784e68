"""The files of a run: those that it read, by digest and kept where they are not too large, and those that it wrote.

Both are kept as trees (`penstock.objects.tree`), so that fifty thousand files are few objects.
"""

from __future__ import annotations

import itertools
import os
import stat
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from penstock.experiments.capture.matters import secret_file
from penstock.experiments.capture.places import name_of, record_name, tree_path
from penstock.experiments.capture.secrets import Masker
from penstock.objects.files import naming_full_disk
from penstock.objects.store import ObjectStore
from penstock.objects.tree import SMALL_BYTES, Entry, entries_of, is_inside, read_tree, write_tree
from penstock.project.workspace import Workspace

SYSTEM = ("/proc/", "/sys/", "/dev/", "/etc/", "/usr/", "/lib/", "/lib64/", "/bin/", "/sbin/", "/System/", "/Library/")
"""Files of the system are no inputs: the environment tells of it."""
LOOKED_AT_BYTES = 16 * 2**20
"""Text files up to this size are looked through for secrets."""
NO_SECRETS = Masker()
TOLD = 200
"""Of the files that are left out, so many are told."""


@dataclass(frozen=True)
class Inputs:
    """What a run read.

    Attributes
    ----------
    files : name -> digest, named as `penstock.experiments.capture.places.name_of` says.
    tree : digest of the tree of those that were kept; None where none was.
    left_out : ``{"path", "why"}`` of what has no digest.
    of_source : names of those that are in the source snapshot, which has their digests.
    size_bytes : of those that were kept, together.
    """

    files: dict[str, str] = field(default_factory=dict)
    tree: str | None = None
    left_out: list[dict[str, Any]] = field(default_factory=list)
    of_source: list[str] = field(default_factory=list)
    size_bytes: int = 0


def take_inputs(
    workspace: Workspace,
    paths: Iterable[str | Path],
    *,
    source: str | None = None,
    stamps: Mapping[str, tuple[int, ...]] | None = None,
    prefixes: Iterable[str] = (),
    sealed: Iterable[str | Path] = (),
    masker: Masker = NO_SECRETS,
) -> Inputs:
    """Digests of the files that a run has read, and a copy of each that is not larger than ``[run] keep_inputs_bytes``.

    Not inputs are: what lies in ``.penstock``, in folders of packages, or belongs to the system. What is in the source snapshot is
    only named.

    Parameters
    ----------
    source : digest of the run's source snapshot.
    stamps : path -> size, time of change (ns) and inode when it was opened. A file that has another now is not what was read, and
        is left out. What its time is, the clock of another machine may have said: it is only compared with itself.
    prefixes : folders of the interpreter, such as its prefix and where its packages lie.
    sealed : files that are told by digest, but never copied. So are files that look like keys or passwords.
    masker : knows values that are secret. A text file that holds one is never copied either; one whose name does is
        left out.

    Raises
    ------
    StoreFull, StoreError : as the object store.
    """
    root, state = workspace.root, str(workspace.state) + os.sep
    keep_bytes = workspace.declaration.run.keep_inputs_bytes
    apart = (state, *SYSTEM, *(str(p).rstrip(os.sep) + os.sep for p in prefixes if p))
    never = {os.path.realpath(p) for p in sealed}
    in_source = set() if source is None else set(read_tree(workspace.objects, source).files)
    files: dict[str, str] = {}
    left = _Left()
    entries: dict[str, Entry] = {}
    of_source: dict[str, None] = {}
    for path in paths:
        file = os.path.abspath(path)
        if file.startswith(apart):
            continue
        plain = name_of(root, Path(file))
        name = masker.mask(plain)
        place = tree_path(name)
        if place in entries or name in files:
            continue
        try:
            status = os.stat(file)
        except OSError:  # it was there when it was read: a file of passage
            left.add(name, "it is gone")
            continue
        if not stat.S_ISREG(status.st_mode):
            continue
        stamp = None if stamps is None else stamps.get(file)
        if stamp is not None and stamp != (status.st_size, status.st_mtime_ns, status.st_ino):
            left.add(name, "it changed during the run")
            continue
        if tree_path(plain) in in_source:
            of_source[_shown(name)] = None
            continue
        if name != plain:
            left.add(name, "its name holds a secret")
            continue
        apart_from_store = status.st_size > keep_bytes or secret_file(file) or os.path.realpath(file) in never
        try:
            apart_from_store = apart_from_store or without_secrets(file, masker) is not None
            known = apart_from_store or status.st_size >= SMALL_BYTES
            digest = workspace.ledger.digests.of(Path(file)) if known else None
        except OSError as error:
            left.add(name, f"it cannot be read: {error.strerror}")
            continue
        if digest is not None and (apart_from_store or not is_inside(place)):
            files[_shown(name)] = digest
        elif not is_inside(place):
            left.add(name, "its name cannot be stored")
        else:
            entries[place] = Entry(place, Path(file), digest)
    if not entries:
        return Inputs(dict(sorted(files.items())), None, left.told, sorted(of_source))
    tree = write_tree(
        workspace.objects, entries.values(), leave=lambda entry, why: left.add(record_name(entry.path), why)
    )
    files |= {record_name(path): file.digest for path, file in tree.files.items()}
    digest = tree.digest if tree.files else None
    return Inputs(dict(sorted(files.items())), digest, left.told, sorted(of_source), tree.size_bytes)


@dataclass(frozen=True)
class Outputs:
    """What a run wrote.

    Attributes
    ----------
    tree : digest of the tree, None where there is nothing.
    files : their number. size_bytes : of all together.
    left_out : ``{"path", "why"}`` of what could not be kept.
    masked : text files that hold a secret, which are kept with ``***`` in its place.
    """

    tree: str | None = None
    files: int = 0
    size_bytes: int = 0
    left_out: list[dict[str, Any]] = field(default_factory=list)
    masked: list[str] = field(default_factory=list)


def keep_outputs(
    workspace: Workspace,
    folder: Path,
    declared: Iterable[Path] = (),
    *,
    masker: Masker = NO_SECRETS,
    tell: Callable[[int, int], None] | None = None,
) -> Outputs:
    """Keep what a run wrote. Values that are secret are kept out of names, and of text files unless ``[run] mask_files`` is false.

    Parameters
    ----------
    folder : the run's own folder of files (``PENSTOCK_OUTPUT``), which may be missing. Its files keep their names.
    declared : others, such as `penstock.experiments.capture.declared.DeclaredOutputs.written` gives; named relative to the workspace.
    tell : told how many files have been read, and of how many, after each.

    Raises
    ------
    StoreFull, StoreError : as the object store.
    """
    objects: ObjectStore = workspace.objects
    left = _Left()
    entries: dict[str, Entry] = {}
    for entry in entries_of(folder):
        if is_inside(entry.path):
            place = _free(masker.mask(entry.path), entries)
            entries[place] = entry._replace(path=place)
        else:
            left.add(masker.mask(entry.path), "its name cannot be stored")
    inside = os.path.realpath(folder) + os.sep
    for file in declared:
        if os.path.realpath(file).startswith(inside):
            continue
        path = tree_path(masker.mask(name_of(workspace.root, file)))
        place = _free(path, entries)  # the run's own folder may have a file of this name
        if is_inside(place):
            entries[place] = Entry(place, file)
        else:
            left.add(path, "its name cannot be stored")
    _without_clashes(entries, left)
    if not entries:
        return Outputs(left_out=left.told)
    with _masked(entries, masker, workspace) as masked:
        chosen = {**entries, **masked}.values()
        done = itertools.count(1)
        tree = write_tree(
            objects,
            chosen,
            leave=lambda entry, why: left.add(entry.path, why),
            tell=None if tell is None else lambda *_: tell(next(done), len(chosen)),
        )
    return Outputs(tree.digest if tree.files else None, len(tree.files), tree.size_bytes, left.told, sorted(masked))


@contextmanager
def _masked(entries: Mapping[str, Entry], masker: Masker, workspace: Workspace) -> Iterator[dict[str, Entry]]:
    """In the place of files that hold a secret, copies without it, which are there while the block runs."""
    found: dict[str, Entry] = {}
    if not (masker.values and workspace.declaration.run.mask_files):
        yield found
        return
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="masked-", dir=workspace.state) as folder:
        for path, entry in entries.items():
            try:
                data = without_secrets(entry.file, masker)
            except OSError:
                continue  # it cannot be read: whoever stores it says so
            if data is not None:
                copy = Path(folder, str(len(found)))
                with naming_full_disk(copy):
                    copy.write_bytes(data)
                executable = os.access(entry.file, os.X_OK) if entry.executable is None else entry.executable
                found[path] = Entry(path, copy, executable=executable)
        yield found


def without_secrets(file: Path | str, masker: Masker) -> bytes | None:
    """The bytes of a text file without the values that are known to be secret; None where it holds none, is no text, or is too
    large to be looked at."""
    if not masker.values:
        return None
    status = os.stat(file)
    if not stat.S_ISREG(status.st_mode) or status.st_size > LOOKED_AT_BYTES:
        return None
    with open(file, "rb") as opened:
        data = opened.read(8192)
        if b"\0" in data:
            return None
        data += opened.read()
    masked = masker.mask_values(data)
    return None if masked is data else masked


def _free(path: str, taken: Container[str]) -> str:
    """A path that no other file has."""
    place, number = path, 1
    while place in taken:
        number += 1
        place = f"{path}.{number}"
    return place


def _without_clashes(entries: dict[str, Entry], left: _Left) -> None:
    """A file and a folder of one name, from two places: the folder stays."""
    folders = {path[:i] for path in entries for i, letter in enumerate(path) if letter == "/"}
    for path in folders & entries.keys():
        del entries[path]
        left.add(path, "there is a folder of this name too")


@final
class _Left:
    """What was left out; of very many, the first ones."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    def add(self, name: str, why: str) -> None:
        if len(self.told) < TOLD:
            self.told.append({"path": _shown(name), "why": why})
        elif "count" not in self.told[-1]:
            self.told.append({"path": "...", "why": "and others", "count": 1})
        else:
            self.told[-1]["count"] += 1


def _shown(name: str) -> str:
    """A name as JSON can hold it."""
    return name.encode("utf-8", "backslashreplace").decode()


__all__ = ["Inputs", "Outputs", "keep_outputs", "take_inputs"]
