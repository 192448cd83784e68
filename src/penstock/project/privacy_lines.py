"""`[privacy.columns]` as text: the lines that `penstock new` writes, and what accepting proposals changes in a file."""

from __future__ import annotations

import re
from collections.abc import Mapping

from penstock.errors import DeclarationError
from penstock.project.scaffold import toml
from penstock.project.sections.privacy import UNDECIDED

HEADER = "[privacy.columns]"
_TABLE = re.compile(r"\s*\[\s*privacy\s*\.\s*columns\s*\]\s*(?:#.*)?")
_ANY_TABLE = re.compile(r"\s*\[")
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def line_of(column: str, action: str | list[str], why: str = "") -> str:
    """One line of the table, or of another one of columns.

    >>> line_of("e mail", "undecided:hash", "100 % are e-mail addresses")
    '"e mail" = "undecided:hash"    # 100 % are e-mail addresses'
    """
    key = column if _BARE.fullmatch(column) else toml(column)
    told = " ".join(why.split())
    return f"{key} = {toml(action)}" + (f"    # {told}" if told else "")


def accept(text: str, proposed: Mapping[str, str]) -> str:
    """The text of a declaration in which every proposal is decided, and those in `proposed` are written, too.

    Raises
    ------
    DeclarationError : a proposal is written in a form that is not found; it has to be edited by hand.
    """
    lines = text.split("\n")
    start = next((i for i, line in enumerate(lines) if _TABLE.fullmatch(line)), None)
    if start is None:
        body = [line_of(column, action) for column, action in proposed.items()]
        lines = [*text.rstrip("\n").split("\n"), "", HEADER, *body, ""] if proposed else lines
    else:
        end = next((i for i in range(start + 1, len(lines)) if _ANY_TABLE.match(lines[i])), len(lines))
        lines[start + 1 : end] = [_decided(line) for line in lines[start + 1 : end]]
        while end > start + 1 and not lines[end - 1].strip():
            end -= 1
        lines[end:end] = [line_of(column, action) for column, action in proposed.items()]
    made = "\n".join(lines)
    _check(made, proposed)
    return made


def _decided(line: str) -> str:
    return re.sub(rf"""(=\s*["'])\s*{UNDECIDED}\s*""", r"\1", line, count=1)


def _check(text: str, proposed: Mapping[str, str]) -> None:
    from penstock.project.declaration import parse_declaration

    privacy = parse_declaration(text, needs_data=False).privacy
    missing = [column for column in proposed if column not in privacy.decided]
    if privacy.undecided or missing:
        raise DeclarationError(
            f"the decision on {', '.join([*privacy.undecided, *missing])} cannot be written into penstock.toml",
            why=f"it is not one line each in a table {HEADER}",
            way_out=f'edit it by hand: take "{UNDECIDED}" away from what you accept',
        )
