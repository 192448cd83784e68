"""The command line of a step: its parameters put in, and the files of the folder that it names."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import Any

from penstock.errors import StepError
from penstock.project.sections.runs import StepSection

_PLACE = re.compile(r"(?<!\$)\{([A-Za-z_][\w.-]*)\}")
_CONTROL = re.compile(r"[;&|()<>\n]")


def line_of(section: StepSection) -> str:
    """The line for the shell: ``{name}`` is replaced by the parameter, quoted; the others follow as ``--name value``.

    Raises
    ------
    StepError : a parameter would have to follow a line of several commands, where nobody knows which one it is for.

    >>> line_of(StepSection(name="train", run="python train.py {data}", params={"data": "my set.csv", "lr": 0.1}))
    "python train.py 'my set.csv' --lr 0.1"
    """
    placed = {found for found in _PLACE.findall(section.run) if found in section.params}
    rest = {name: value for name, value in section.params.items() if name not in placed}
    if rest and _several_commands(section.run):
        first = next(iter(rest))
        raise StepError(
            f"step {section.name!r} has a parameter {first!r} without a place",
            why="its line is more than one command, so it cannot just be added at the end",
            way_out=f"write {{{first}}} where it belongs, such as --{first} {{{first}}}",
        )
    line = _PLACE.sub(
        lambda place: _word(section.params[place[1]]) if place[1] in section.params else place[0], section.run
    )
    return " ".join([line.strip(), *(f"{shlex.quote(f'--{name}')} {_word(value)}" for name, value in rest.items())])


def _word(value: Any) -> str:
    """A value as one word of the shell."""
    return shlex.quote(("true" if value else "false") if isinstance(value, bool) else str(value))


def _several_commands(line: str) -> bool:
    """Whether a line has a pipe, a redirection or a second command outside of quotes."""
    try:
        words = list(shlex.shlex(line.strip(), posix=True, punctuation_chars=True))
    except ValueError:
        return True  # an open quote: the shell will say so
    return "\n" in line.strip() or any(word and set(word) <= set("();<>|&") for word in words)


def words_of(section: StepSection, root: Path) -> list[str]:
    """Files and folders that a step's line names: existing ones below `root` and, word by word, what may be made first.

    ``-m pkg.mod`` names the module's file. Words with a sign of the shell in them, and numbers, name nothing.
    """
    line = line_of(section)
    try:
        words = list(shlex.shlex(line, posix=True, punctuation_chars="();<>|&"))
        words = shlex.split(line, comments=False) if not _several_commands(line) else words
    except ValueError:
        words = line.split()
    found: dict[str, None] = {}
    for before, word in zip(["", *words], words, strict=False):
        if before == "-m" and re.fullmatch(r"[\w.]+", word):
            candidates = [f"{word.replace('.', '/')}.py", f"{word.replace('.', '/')}/__main__.py"]
        elif word.startswith("-"):
            candidates = [word.partition("=")[2]]
        else:
            candidates = [word]
        for candidate in candidates:
            if (path := _below(candidate, root)) is not None:
                found[path] = None
    return list(found)


def _below(word: str, root: Path) -> str | None:
    """A word as a path below `root`, where it can be one: a file that exists, or that has the look of a path."""
    if not word or len(word) > 1024 or "\0" in word or "://" in word or _CONTROL.search(word):
        return None
    place = Path(os.path.normpath(root / word))  # links stay as they are written
    if not place.is_relative_to(root) or place == root or ".penstock" in place.relative_to(root).parts:
        return None
    if "/" in word or re.fullmatch(r"[\w-]+\.[A-Za-z]\w{0,9}", word) or place.is_file():
        return place.relative_to(root).as_posix()
    return None
