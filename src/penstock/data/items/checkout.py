"""`penstock data checkout`: a version is on the disk again, exactly."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from penstock.data.items.adding import Tell
from penstock.data.items.index import load_index, now_ns, save_index
from penstock.data.items.naming import find_item, path_of, place_of
from penstock.data.items.scan import Scan, scan
from penstock.data.items.state import digest_of_file
from penstock.errors import NotFound, ProjectError, SourceError
from penstock.experiments.looking.run_files import size_text
from penstock.ledger.items import ItemVersion
from penstock.objects.files import UNFINISHED, naming_full_disk
from penstock.project.workspace import Workspace

if TYPE_CHECKING:
    from penstock.objects.tree import Tree, TreeFile

SHOWN = 5


@dataclass(frozen=True)
class CheckedOut:
    """What was done at `place`: files that were written, removed, and were right already."""

    version: ItemVersion
    place: str
    written: int
    removed: int
    kept: int
    size_bytes: int

    exit_code = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.version.name,
            "number": self.version.number,
            "digest": self.version.digest,
            "place": self.place,
            "written": self.written,
            "removed": self.removed,
            "kept": self.kept,
            "size_bytes": self.size_bytes,
        }

    def to_text(self) -> str:
        done = (
            f"{self.written} written ({size_text(self.size_bytes)}), {self.removed} removed, {self.kept} as they were"
        )
        return f"{self.version.reference} is in {self.place}: {done}"


def checkout(
    workspace: Workspace, reference: str, *, to: Path | None = None, force: bool = False, tell: Tell | None = None
) -> CheckedOut:
    """Restore a version at its place, or at `to`: the same files, bytes and modes, and no others but ignored ones.

    Each file is written whole or not at all, those that are right already are left alone, and the same command given again after it
    was stopped goes on from there.

    Parameters
    ----------
    force : also over changes that no version of the item holds.

    Raises
    ------
    NotFound : there is no such version, or its objects are stored no more. AccessError : it is restricted to others.
    ProjectError : something that would be lost is in the way, and `force` is not given; nothing was changed.
    DamagedStore, StoreFull : as the object store; what was written by then is whole.
    """
    from penstock.objects.tree import read_tree

    version = find_item(workspace, reference)
    ledger = workspace.ledger
    ledger.access.read(version.digest, part="files", rows=version.files, verb="checkout", name=version.reference)
    tree = read_tree(workspace.objects, version.digest)
    target = _target(workspace, version, to)
    place = place_of(workspace, target)
    with ledger.lock(f"data {version.name}", wait_s=3600.0):
        found = scan(target)
        right, wrong, beyond = _against(workspace, version, tree, target, found)
        if not force:
            _refuse_to_lose(workspace, version, target, found, [*wrong, *beyond])
        if found.kind not in ("absent", version.kind):
            _make_way(target, found)
        began = now_ns()
        missing = [file for file in tree.files.values() if file.path not in right]
        for path in beyond:
            if any(str(parent) in tree.files for parent in PurePosixPath(path).parents):
                _remove(target, path)  # in a folder where the version has a file
        size = _write(tree, missing, target, version.kind, tell)
        for path in beyond if version.kind == "folder" else ():
            _remove(target, path)
        if version.kind == "folder":
            target.mkdir(parents=True, exist_ok=True)
        after = scan(target)
        if set(after.paths) == set(tree.files) or version.kind == "file":
            save_index(workspace, version.name, place, after, version.digest, read_at_ns=began)
    return CheckedOut(version, str(target), len(missing), len(beyond), len(right), size)


def _target(workspace: Workspace, version: ItemVersion, to: Path | None) -> Path:
    if to is None:
        return path_of(workspace, version.place)
    to = to.absolute()
    if version.kind == "file" and to.is_dir():
        return to / PurePosixPath(version.place).name
    return to


def _against(
    workspace: Workspace, version: ItemVersion, tree: Tree, target: Path, found: Scan
) -> tuple[set[str], list[str], list[str]]:
    """Files that are right, those that are there and differ, and those that the version does not have."""
    if found.kind != version.kind:
        return set(), [], list(found.paths)
    index = load_index(workspace, version.name, place_of(workspace, target))
    known = index.stats() if index is not None else {}
    indexed = known and _digests(workspace, index.digest if index is not None else "")
    right: set[str] = set()
    wrong, beyond = [], []
    for name, stats in found.stats().items():
        file = tree.files.get(name) if version.kind == "folder" else next(iter(tree.files.values()))
        if file is None:
            beyond.append(name)
            continue
        if known.get(name) == stats and indexed:
            same = indexed.get(name) == file.digest
        else:
            same = stats[0] == file.size and digest_of_file(workspace, found.file_of(target, name)) == file.digest
        if same and stats[3] == file.mode:
            right.add(file.path)
        else:
            wrong.append(name)
    return right, wrong, beyond


def _digests(workspace: Workspace, digest: str) -> dict[str, str]:
    """Path -> digest of the version that an index is of; nothing where it is stored no more."""
    from penstock.objects.tree import read_tree

    try:
        return {path: file.digest for path, file in read_tree(workspace.objects, digest).files.items()}
    except NotFound:
        return {}


def _refuse_to_lose(workspace: Workspace, version: ItemVersion, target: Path, found: Scan, paths: list[str]) -> None:
    """Refuse where a file that would go is in no version of the item."""
    if not paths:
        return
    present = {path: digest_of_file(workspace, found.file_of(target, path)) for path in paths}
    unsaved = set(present.values())
    for other in workspace.ledger.items.log(version.name):
        unsaved -= set(_digests(workspace, other.digest).values())
        if not unsaved:
            return
    lost = [path for path, digest in present.items() if digest in unsaved]
    shown = ", ".join(lost[:SHOWN]) + (f" and {len(lost) - SHOWN} others" if len(lost) > SHOWN else "")
    raise ProjectError(
        f"changes in {target} would be lost",
        why=f"no version of {version.name!r} holds {shown}",
        way_out="keep them with `penstock data add`, check out elsewhere with --to, or give --force",
    )


def _make_way(target: Path, found: Scan) -> None:
    """Where a file was there is to be a folder, or the other way round; ignored files stay, and are then in the way."""
    if found.kind == "file":
        target.unlink()
    else:
        for path in found.paths:
            _remove(target, path)


def _write(tree: Tree, missing: list[TreeFile], target: Path, kind: str, tell: Tell | None) -> int:
    from penstock.objects.tree import reading_order

    missing.sort(key=reading_order)
    total, done = sum(file.size for file in missing), 0
    made: set[Path] = set()
    for number, file in enumerate(missing):
        place = target if kind == "file" else target / file.path
        _make_folder(target.parent if kind == "file" else target, place.parent, made)
        with naming_full_disk(place), _replacing(place, file.mode) as descriptor:
            for data in tree.stream(file):
                _write_all(descriptor, data)
        done += file.size
        if tell is not None:
            tell(number + 1, done, len(missing), total)
    return total


class _replacing:  # noqa: N801 - reads as a statement
    """A new file that takes the place of another one, or of nothing, when the block has ended."""

    def __init__(self, place: Path, mode: int) -> None:
        self._place, self._mode = place, mode
        self._aside = place.with_name(f".{os.urandom(6).hex()}{UNFINISHED}")

    def __enter__(self) -> int:
        if self._place.is_dir() and not self._place.is_symlink():
            _empty_folder(self._place)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        self._descriptor = os.open(self._aside, flags, self._mode)
        return self._descriptor

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        os.close(self._descriptor)
        if kind is None:
            os.replace(self._aside, self._place)
        else:
            with suppress(FileNotFoundError):
                os.unlink(self._aside)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _empty_folder(place: Path) -> None:
    """Remove a folder in which there is no file, where a file is to be."""
    for folder, _, names in os.walk(place, topdown=False):
        if names:
            raise SourceError(
                f"{place} is a folder, and the version has a file there",
                why=f"it holds files that are no part of the item, such as {names[0]!r}",
                way_out="move them away, or check out elsewhere with --to",
            )
        os.rmdir(folder)


def _make_folder(root: Path, folder: Path, made: set[Path]) -> None:
    """Make the folders of a file; never through a link inside the item, nor where a file lies."""
    if folder in made:
        return
    if folder != root:
        _make_folder(root, folder.parent, made)
        if folder.is_symlink():
            raise SourceError(
                f"{folder} is a link",
                why="files of the version would be written outside of the item",
                way_out="remove the link, or check out elsewhere with --to",
            )
        if folder.is_file():
            folder.unlink()  # it was told above whether it would be lost
    folder.mkdir(parents=folder == root, exist_ok=True)
    made.add(folder)


def _remove(target: Path, path: str) -> None:
    """Remove a file that the version does not have, and the folders that are empty then."""
    if (target / path).is_dir():  # where the file was, the version has a folder
        return
    with suppress(FileNotFoundError, NotADirectoryError):
        (target / path).unlink()
    for folder in _above(target, path):
        try:
            folder.rmdir()
        except OSError:  # not empty, or gone
            return


def _above(target: Path, path: str) -> Iterator[Path]:
    for parent in list(PurePosixPath(path).parents)[:-1]:
        yield target / parent
