"""Under which name a file outside of the workspace is kept, and where it belongs when it is put back.

In records a file is named relative to the workspace where that makes sense (``data/a.csv``, ``../shared/b.csv``), or else by its
absolute path. In a tree no path may leave its folder: there, ``../shared/b.csv`` is ``_outside/1/shared/b.csv`` and
``/data/c.csv`` is ``_absolute/data/c.csv``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

OUTSIDE, ABSOLUTE = "_outside", "_absolute"
LEVELS = 2
"""So far up a file is still named relative to the workspace."""


def name_of(root: Path, file: Path) -> str:
    """The name of a file in records.

    >>> root = Path("/home/ada/shop")
    >>> [name_of(root, Path(p)) for p in ("/home/ada/shop/a.csv", "/home/ada/data/b.csv", "/data/c.csv")]
    ['a.csv', '../data/b.csv', '/data/c.csv']
    """
    absolute = Path(os.path.abspath(file))
    if absolute.is_relative_to(root):
        return absolute.relative_to(root).as_posix()
    for level, parent in enumerate(root.parents[:LEVELS], start=1):
        if parent != Path(parent.anchor) and absolute.is_relative_to(parent):
            return "../" * level + absolute.relative_to(parent).as_posix()
    return absolute.as_posix()


def tree_path(name: str) -> str:
    """Where a file of this name lies in a tree.

    >>> [tree_path(n) for n in ("data/a.csv", "../../b.csv", "/data/c.csv")]
    ['data/a.csv', '_outside/2/b.csv', '_absolute/data/c.csv']
    """
    if name.startswith("/") or (len(name) > 1 and name[1] == ":"):
        return f"{ABSOLUTE}/{name.lstrip('/').replace(':', '')}"
    level = 0
    while name.startswith("../"):
        name, level = name[3:], level + 1
    return f"{OUTSIDE}/{level}/{name}" if level else name


def record_name(path: str) -> str:
    """The name of a file that lies here in a tree: the other way round.

    >>> [record_name(p) for p in ("data/a.csv", "_outside/2/b.csv", "_absolute/data/c.csv")]
    ['data/a.csv', '../../b.csv', '/data/c.csv']
    """
    parts = path.split("/")
    if parts[0] == ABSOLUTE and len(parts) > 1:
        return "/" + "/".join(parts[1:])
    if parts[0] == OUTSIDE and len(parts) > 2 and parts[1].isdigit():
        return "../" * int(parts[1]) + "/".join(parts[2:])
    return path


def levels_of(names: Iterable[str]) -> int:
    """So many folders above the workspace are needed for all of these names.

    >>> levels_of(["a", "../b", "../../c.csv", "/data/d"])
    2
    """
    return max(((len(name) - len(name.lstrip("./"))) // 3 for name in names if name.startswith("../")), default=0)


def place_of(root: Path, file: Path) -> str:
    """`tree_path` of `name_of`."""
    return tree_path(name_of(root, file))
