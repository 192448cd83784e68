"""A clean folder in which a run can be done again: its source, and its inputs by digest, at the same relative places."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.errors import NotFound, ProjectError
from penstock.experiments.capture.places import levels_of, record_name, tree_path
from penstock.objects.tree import Tree, read_tree
from penstock.project.workspace import Workspace

if TYPE_CHECKING:
    from penstock.ledger.record import RunRecord


@dataclass(frozen=True)
class CleanFolder:
    """What was brought back.

    Attributes
    ----------
    root : in the place of the workspace's root. cwd : where the program is to be run.
    not_restored : inputs that are not there, or not as they were: ``{"path", "why"}``.
    """

    root: Path
    cwd: Path
    not_restored: list[dict[str, str]] = field(default_factory=list)


def restore(workspace: Workspace, record: RunRecord, into: Path) -> CleanFolder:
    """Bring the source and the inputs of a run back, in an empty folder.

    Inputs come from the copies that the run kept, or else from where they were, as far as they are still the same. Nothing is
    written outside of `into`: a file that the run read by an absolute path is only checked.

    Raises
    ------
    ProjectError : `into` is not empty, or the run has no snapshot of its source. NotFound : the snapshot was purged.
    """
    digest = record.inputs.get("source")
    if not isinstance(digest, str):
        raise ProjectError(
            f"run {record.id} has no snapshot of its source",
            why=f"it is a {record.operation}, whose source was not recorded",
            way_out="name a run of a script",
        )
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise ProjectError(
            f"{into} is not an empty folder", why="what is in it would mix with the run", way_out="name a new folder"
        )
    source = read_tree(workspace.objects, digest)
    inputs: Mapping[str, str] = record.inputs.get("files") or {}
    below = str(record.inputs.get("target", {}).get("cwd") or ".")
    levels = levels_of([*(record_name(path) for path in source.files), *inputs, f"{below}/"])
    root = into.resolve().joinpath(*_names(workspace.root, levels))
    root.mkdir(parents=True)
    inside = [path for path in source.files if record_name(path) == path]
    source.extract(root, inside)
    for path in source.files.keys() - set(inside):
        _put(source, path, root, into)
    not_restored = _inputs(workspace, record, inputs, root, into, source)
    cwd = Path(os.path.normpath(root / below))
    if not cwd.is_relative_to(into.resolve()):
        cwd = root
    cwd.mkdir(parents=True, exist_ok=True)
    return CleanFolder(root, cwd, not_restored)


def _names(root: Path, levels: int) -> list[str]:
    """The last parts of the workspace's path: so many folders up as its files need, and itself."""
    parts = [part for part in root.parts if part != root.anchor]
    found = parts[-levels - 1 :]
    return ["up"] * (levels + 1 - len(found)) + found


def _inputs(
    workspace: Workspace, record: RunRecord, inputs: Mapping[str, str], root: Path, into: Path, source: Tree
) -> list[dict[str, str]]:
    not_restored = []
    kept = _kept(workspace, record)
    for name, digest in inputs.items():
        path = tree_path(name)
        known = None if kept is None else kept.files.get(path)
        place = _place(root, name, into)
        was_there = Path(os.path.normpath(workspace.root / name))
        there = workspace.ledger.digests.of(was_there) if was_there.is_file() else None
        if place is None:
            if there != digest:
                not_restored.append({"path": name, "why": _why(there)})
        elif path in source.files:
            continue
        elif known is not None and known.digest == digest and kept is not None:
            _put(kept, path, root, into)
        elif workspace.objects.has(digest):
            workspace.objects.get_file(digest, place)
        else:
            if there is not None:
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(was_there, place)
            if there != digest:
                not_restored.append({"path": name, "why": _why(there)})
    return not_restored


def _why(there: str | None) -> str:
    return (
        "it is not there any more, and no copy was kept"
        if there is None
        else "it has changed since, and no copy was kept"
    )


def _kept(workspace: Workspace, record: RunRecord) -> Tree | None:
    artifact: dict[str, Any] | None = record.artifacts.get("inputs")
    if artifact is None:
        return None
    try:
        return read_tree(workspace.objects, artifact["digest"])
    except NotFound:  # purged: the originals may still be where they were
        return None


def _place(root: Path, name: str, into: Path) -> Path | None:
    """Where a file of this name belongs; None where that is outside of the clean folder."""
    place = Path(os.path.normpath(root / name))
    return place if place.is_relative_to(into.resolve()) else None


def _put(tree: Tree, path: str, root: Path, into: Path) -> None:
    place = _place(root, record_name(path), into)
    if place is not None:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(tree.read(path))
        place.chmod(tree.files[path].mode)
