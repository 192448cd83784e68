"""The modules of the folder that a script imports, and those that these import, found in their source without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

LARGEST_BYTES = 2 * 2**20
"""A larger file is no source that a person wrote."""


def imported(root: Path, scripts: Iterable[str]) -> list[str]:
    """Files below `root` that Python scripts import, directly or not, as paths from `root`.

    Looked for are modules beside the script, in `root` and in ``src/``. What is imported under a name that is made at run time
    is not seen.
    """
    found: dict[Path, None] = {}
    queue = [root / script for script in scripts if script.endswith(".py")]
    places = list(dict.fromkeys([*(script.parent for script in queue), root, root / "src"]))
    first = set(queue)
    while queue:
        file = queue.pop()
        for module in _modules(file, places):
            if module not in found and module not in first and module.is_relative_to(root):
                found[module] = None
                queue.append(module)
    return sorted(module.relative_to(root).as_posix() for module in found)


def _modules(file: Path, places: list[Path]) -> Iterator[Path]:
    """Files of the modules that one file imports."""
    try:
        if file.stat().st_size > LARGEST_BYTES:
            return
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return  # no Python that we can read: the step itself will say so, if it is none
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _files(places, alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            base = [_up(file, node.level)] if node.level else places
            parts = node.module.split(".") if node.module else []
            yield from _files(base, parts)
            for alias in node.names:  # a name may be a module of its own
                yield from _files(base, [*parts, alias.name])


def _up(file: Path, level: int) -> Path:
    folder = file.parent
    for _ in range(level - 1):
        folder = folder.parent
    return folder


def _files(places: list[Path], parts: list[str]) -> Iterator[Path]:
    """The module of a dotted name and the packages that it lies in, where the first place has them."""
    for place in places:
        inner = [place.joinpath(*parts[:count]) for count in range(1, len(parts) + 1)]
        module = inner[-1].with_name(inner[-1].name + ".py") if inner else place / "__init__.py"
        packages = [folder / "__init__.py" for folder in inner]
        there = [file for file in (*packages, module) if file.is_file()]
        if there:
            yield from there
            return
