"""Which files of the source have changed since an earlier copy, of those that may change what a program does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.errors import NotFound
from penstock.experiments.capture.matters import may_change_a_program
from penstock.experiments.capture.places import place_of
from penstock.objects.tree import TreeFile, read_tree

if TYPE_CHECKING:
    from penstock.experiments.capture.source import Snapshot
    from penstock.experiments.capture.target import Target
    from penstock.project.workspace import Workspace

NAMED = 5
"""So many files are named."""


def source_changes(workspace: Workspace, target: Target, before: str, now: Snapshot, *, since: str) -> str:
    """What has changed between two copies of the source, in one line; "" where nothing has.

    Counted are the program itself, code and configuration. A text that a program has written beside it, such as a log, is not.

    Parameters
    ----------
    before : digest of the earlier tree. since : when that was, in words.
    """
    if before == now.digest:
        return ""
    try:
        earlier = read_tree(workspace.objects, before)
    except NotFound:
        return f"the source since {since} cannot be compared: its copy was purged"
    if earlier.content == now.content:
        return ""
    files = (earlier.files, read_tree(workspace.objects, now.digest).files)
    own = None if target.path is None else place_of(workspace.root, target.path)
    changed = [
        path
        for path in sorted({*files[0], *files[1]})
        if (path == own or may_change_a_program(path)) and _bytes(files[0].get(path)) != _bytes(files[1].get(path))
    ]
    if not changed:
        return ""
    more = f" and {len(changed) - NAMED} more" if len(changed) > NAMED else ""
    return f"the source has changed since {since}: {', '.join(changed[:NAMED])}{more}"


def _bytes(file: TreeFile | None) -> str | None:
    return None if file is None else file.digest
