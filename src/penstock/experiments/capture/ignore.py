"""Patterns as in a ``.gitignore``, and the files of a folder that they leave.

Where there is a repository, Git itself is asked (`penstock.experiments.capture.git.listed`); this is for folders without one, and for the
globs of ``[run.source]``. The rules are those of gitignore(5); a test holds them against Git.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import final

FILE = ".gitignore"


@dataclass(frozen=True, slots=True)
class Rule:
    """One line. `path` is relative to the folder of the file that holds it."""

    regex: re.Pattern[str]
    negated: bool
    folders_only: bool


@final
class Patterns:
    """An ordered list of rules: the last that matches decides.

    >>> patterns = Patterns(["*.log", "!keep.log", "/build/", "data/**/raw"])
    >>> [patterns.match(p) for p in ("a/x.log", "a/keep.log", "src/build", "data/a/b/raw")]
    [True, False, None, True]
    >>> patterns.match("build", folder=True)
    True
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self._rules = [rule for line in lines if (rule := _rule(line)) is not None]

    def __bool__(self) -> bool:
        return bool(self._rules)

    def match(self, path: str, *, folder: bool = False) -> bool | None:
        """True: ignored. False: taken back by a ``!``. None: no rule is about it."""
        for rule in reversed(self._rules):
            if (folder or not rule.folders_only) and rule.regex.fullmatch(path):
                return not rule.negated
        return None

    def match_below(self, path: str) -> bool:
        """Whether the rules take a file, by its own path or by that of a folder around it."""
        parts = path.split("/")
        return any(self.match("/".join(parts[:i]), folder=True) for i in range(1, len(parts))) or bool(self.match(path))


def walk(root: str, enter: Callable[[str, str], bool], *, ignore: bool = True) -> Iterator[str]:
    """Files below a folder that no ``.gitignore`` in it ignores, by relative path; links to folders are not followed.

    Parameters
    ----------
    enter : told the relative path and the name of a folder; False keeps the walk out of it.
    ignore : False to give all files.
    """
    yield from _walk(root, "", [], enter, ignore)


def _walk(
    root: str, below: str, rules: list[tuple[str, Patterns]], enter: Callable[[str, str], bool], ignore: bool
) -> Iterator[str]:
    place = os.path.join(root, below) if below else root
    try:
        with os.scandir(place) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:  # not for us to read: whatever runs here cannot read it either
        return
    own = next((entry for entry in entries if entry.name == FILE), None)
    if ignore and own is not None and (patterns := _read(own.path)):
        rules = [*rules, (below, patterns)]
    for entry in entries:
        path = f"{below}/{entry.name}" if below else entry.name
        folder = entry.is_dir(follow_symlinks=False)
        if rules and _ignored(path, rules, folder):
            continue
        if not folder:
            yield path
        elif enter(path, entry.name):
            yield from _walk(root, path, rules, enter, ignore)


def _ignored(path: str, rules: list[tuple[str, Patterns]], folder: bool) -> bool:
    for below, patterns in reversed(rules):  # the nearest file decides
        told = patterns.match(path[len(below) + 1 :] if below else path, folder=folder)
        if told is not None:
            return told
    return False


def _read(path: str) -> Patterns | None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return Patterns(file.read().splitlines())
    except OSError:
        return None


def _rule(line: str) -> Rule | None:
    line = line.rstrip("\n\r")
    while line.endswith(" ") and not line.endswith("\\ "):
        line = line[:-1]
    if not line or line.startswith("#"):
        return None
    negated = line.startswith("!")
    line = line[negated:]
    folders_only = line.endswith("/")
    line = line.rstrip("/") if folders_only else line
    anchored = "/" in line
    line = line.removeprefix("/")
    if not line:
        return None
    try:
        regex = re.compile(("" if anchored else "(?:.*/)?") + _translated(line), re.DOTALL)
    except re.error:  # such as an open bracket: Git matches nothing by it
        return None
    return Rule(regex, negated, folders_only)


def _translated(glob: str) -> str:
    out, i = "", 0
    while i < len(glob):
        if glob.startswith("**/", i) and (i == 0 or glob[i - 1] == "/"):
            out += "(?:.*/)?"
            i += 3
        elif glob[i:] == "**" and (i == 0 or glob[i - 1] == "/"):
            out += ".+"
            i += 2
        elif glob[i] == "*":
            out += "[^/]*"
            i += 1
        elif glob[i] == "?":
            out += "[^/]"
            i += 1
        elif glob[i] == "[":
            piece, i = _class(glob, i)
            out += piece
        else:
            if glob[i] == "\\" and i + 1 < len(glob):
                i += 1
            out += re.escape(glob[i])
            i += 1
    return out


def _class(glob: str, start: int) -> tuple[str, int]:
    """``[a-z]`` from `start` as a regular expression, and the place behind it."""
    i = start + 1
    negated = glob[i : i + 1] in ("!", "^")
    i += negated
    first, inner = i, ""
    while i < len(glob) and (glob[i] != "]" or i == first):
        if glob[i] == "\\" and i + 1 < len(glob):
            i += 1
            inner += "\\" + glob[i]
        else:
            inner += "\\" + glob[i] if glob[i] in "[]^&~|\\" else glob[i]
        i += 1
    if i >= len(glob):
        raise re.error("an open bracket")
    return f"(?!/)[{'^' if negated else ''}{inner}]", i + 1
