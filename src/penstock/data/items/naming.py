"""What a data item is called, and where it lies."""

from __future__ import annotations

import os
from pathlib import Path

from penstock.errors import BadParameter, NotFound
from penstock.ledger.items import ItemVersion
from penstock.project.workspace import Workspace

LONGEST = 300


def place_of(workspace: Workspace, path: Path) -> str:
    """A path relative to the workspace where it lies in it, else absolute; with ``/``."""
    absolute = os.path.normpath(os.path.abspath(path))  # links stay links: what they point to may move
    root = os.path.normpath(workspace.root)
    for candidate in (absolute, os.path.join(os.path.realpath(os.path.dirname(absolute)), os.path.basename(absolute))):
        if candidate != root and candidate.startswith(root + os.sep):
            return os.path.relpath(candidate, root).replace(os.sep, "/")
        if candidate == root:
            return "."
    return absolute.replace(os.sep, "/")


def path_of(workspace: Workspace, place: str) -> Path:
    """Where a place is."""
    return workspace.root / place


def name_for(place: str, name: str | None) -> str:
    """The name of an item: as given, or its place in the workspace; of what lies elsewhere the last part of its path.

    Raises
    ------
    BadParameter : a name that could not be written down again.
    """
    if name is None:
        name = place.rpartition("/")[2] if place.startswith("/") or place[1:2] == ":" else place
        if name == ".":
            raise BadParameter(
                "the folder of the workspace has no name of its own",
                why="the name of an item is its place in the workspace",
                way_out="give --name NAME, or add the folders inside it",
            )
    why = None
    if not name or len(name) > LONGEST:
        why = f"a name has 1 to {LONGEST} letters"
    elif "@" in name:
        why = "'@' stands before the number of a version"
    elif not name.isprintable() or name != name.strip():
        why = "it has letters that cannot be seen"
    if why:
        raise BadParameter(f"{name[:80]!r} cannot be the name of an item", why=why, way_out="give another with --name")
    return name


def find_item(workspace: Workspace, reference: str, *, removed: bool = False) -> ItemVersion:
    """The version of ``NAME[@VERSION]``, where the name may also be the path of the item as seen from the working folder.

    `removed`: of those in the bin.

    Raises
    ------
    NotFound : there is none.
    """
    items = workspace.ledger.items
    try:
        return items.get(reference, removed=removed)
    except NotFound:
        name, at, which = reference.rpartition("@")
        place = place_of(workspace, Path(name if at else reference))
        for version in items.log(removed=removed):
            if version.place == place:
                return items.get(f"{version.name}@{which}" if at else version.name, removed=removed)
        raise


def names_version(workspace: Workspace, reference: str, found: ItemVersion) -> bool:
    """Whether a reference that led to `found` names a version, and not the item alone, whose path may hold an ``@``."""
    return reference != found.name and place_of(workspace, Path(reference)) != found.place
