"""The user's own files behind an import, found without importing anything."""

from __future__ import annotations

import ast
import re
import threading
from pathlib import Path
from typing import final

from penstock.experiments.flags.module import Module

_MAY_PARSE = re.compile(rb"argparse|ArgumentParser|add_argument|parse_args|click|typer")
_PARSING = threading.Lock()
"""Two threads that parse at once make CPython 3.11 fail ("AST constructor recursion depth mismatch"); workers of a queue do."""
_LARGEST = 2 * 2**20
_KNOWN = ("argparse", "click", "typer", "rich_click")  # what they do is known; nobody writes their own


class CannotRead(Exception):
    """A file is no Python that this interpreter reads; the text says where."""


@final
class Files:
    """The files of a script: itself, and those that it imports from beside it.

    Parameters
    ----------
    places : folders in which imports of the user's own begin.
    cwd : files below it are named from there.
    """

    def __init__(self, places: list[Path], cwd: Path) -> None:
        self.places = places
        self.cwd = cwd
        self.read: dict[Path, Module] = {}

    def module(self, path: Path, package: Path | None = None) -> Module:
        """A file, parsed once.

        Raises
        ------
        CannotRead : it is no Python, as far as this interpreter knows the language.
        """
        if path not in self.read:
            data = path.read_bytes()
            if len(data) > _LARGEST:
                raise CannotRead(f"{self.label(path)} has {len(data):,} bytes: too many for source that a person wrote")
            try:
                with _PARSING:
                    tree = ast.parse(data, str(path))
            except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                line = getattr(error, "lineno", None)
                where = f"{self.label(path)}, line {line}" if line else self.label(path)
                raise CannotRead(f"{where}: {getattr(error, 'msg', None) or error}") from error
            self.read[path] = Module(path, tree, self.label(path), package or path.parent)
        return self.read[path]

    def label(self, path: Path) -> str:
        """How a file is named to a person: from the folder that they are in."""
        return path.relative_to(self.cwd).as_posix() if path.is_relative_to(self.cwd) else path.name

    def find(self, dotted: str, *, base: Path | None = None) -> Path | None:
        """The user's own file of a module; None where it is none of theirs. `base`: where a relative import begins."""
        parts = [part for part in dotted.split(".") if part]
        if base is None and parts[:1] and parts[0] in _KNOWN:
            return None
        for place in [base] if base is not None else self.places:
            found = place.joinpath(*parts)
            if parts and found.with_name(found.name + ".py").is_file():
                return found.with_name(found.name + ".py")
            if (found / "__init__.py").is_file():
                return found / "__init__.py"
        return None

    def may_parse(self, path: Path) -> bool:
        """Whether a file may have to do with flags: not worth reading otherwise."""
        if path in self.read or path.name == "__init__.py":
            return True
        return _MAY_PARSE.search(path.read_bytes()) is not None
