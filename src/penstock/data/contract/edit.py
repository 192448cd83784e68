"""Edits of a contract's text that leave everything else as a person wrote it, comments and order too."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any

from penstock.data.contract.breach import Edit, header, literal
from penstock.errors import ContractError
from penstock.project.toml_positions import Positions

_PIECE = re.compile(
    r"""(?P<comment>\#[^\n]*) | (?P<text>\"{3}(?:\\.|[^\\])*?\"{3,5} | '{3}.*?'{3,5} | \"(?:\\.|[^\"\\\n])*\" | '[^'\n]*')
      | (?P<open>[\[{]) | (?P<close>[\]}]) | (?P<comma>,) | (?P<line>\n) | (?P<other>[^\#\"'\[\]{},\n]+)""",
    re.VERBOSE | re.DOTALL,
)


def apply_edits(text: str, edit: Edit, note: str = "", *, name: str = "contract.toml") -> str:
    """The text with new values; `note` stands in a comment behind each line that changed.

    Raises
    ------
    ContractError : the text is written in a way in which the change cannot be made; it says what to write by hand.

    >>> print(apply_edits("[columns.age]\\nat_most = 98  # of all\\n", {("columns", "age", "at_most"): 99.0}, "as told"), end="")
    [columns.age]
    at_most = 99  # of all; as told
    """
    for path, value in edit.items():
        changed = _set(text, path, value, note)
        if changed is None or _at(changed, path) != _plain(value):
            raise ContractError(
                f"{name}: {'.'.join(path)} cannot be changed in place",
                why="its table is written on one line, or in a way that is not edited by a program",
                way_out=f"write it by hand: [{header(path[:-1])}] {path[-1]} = {literal(value) if value is not None else '(remove)'}",
            )
        text = changed
    return text


def _set(text: str, path: tuple[str, ...], value: Any, note: str) -> str | None:
    places = Positions(text)
    if isinstance(value, dict):  # a table of its own
        comment = f"  # {note}" if note else ""
        return text if path in places.keys else f"{text.rstrip()}\n\n[{header(path)}]{comment}\n"
    if value is None and path in places.keys and _is_header(text, places.keys[path].at):
        return _without_table(text, places, path)
    if path in places.keys:
        start = places.keys[path].at
        begin = text.index("=", start + len(_key_at(text, start))) + 1
        end = _value_end(text, begin)
        if value is None:
            line_start = text.rfind("\n", 0, start) + 1
            if text[line_start:start].strip():
                return None  # within an inline table
            line_end = text.find("\n", end)
            return text[:line_start] + (text[line_end + 1 :] if line_end >= 0 else "")
        return _noted(text[:begin] + f" {literal(value)}", text[end:], note)
    if value is None:
        return text
    table = path[:-1]
    line = f"{header(path[-1:])} = {literal(value)}" + (f"  # {note}" if note else "")
    if table not in places.keys:
        return f"{text.rstrip()}\n\n[{header(table)}]\n{line}\n"
    at = places.keys[table].at
    line_start, line_end = text.rfind("\n", 0, at) + 1, text.find("\n", at)
    if not text[line_start:at].lstrip().startswith("["):
        return None
    if line_end < 0:
        return f"{text}\n{line}\n"
    return f"{text[: line_end + 1]}{line}\n{text[line_end + 1 :]}"


def _is_header(text: str, at: int) -> bool:
    return text[text.rfind("\n", 0, at) + 1 : at].lstrip().startswith("[")


def _without_table(text: str, places: Positions, path: tuple[str, ...]) -> str:
    """The text without a table; comments that stand above the next one stay."""
    headers = sorted(text.rfind("\n", 0, key.at) + 1 for key in places.keys.values() if _is_header(text, key.at))
    start = text.rfind("\n", 0, places.keys[path].at) + 1
    end = next((at for at in headers if at > start), len(text))
    lines = text[start:end].splitlines(keepends=True)
    above = len(lines)
    while end < len(text) and lines[above - 1].lstrip().startswith("#"):
        above -= 1
    return text[:start].rstrip() + ("\n\n" + "".join(lines[above:]) + text[end:] if end < len(text) else "\n")


def _key_at(text: str, at: int) -> str:
    """The key that stands here, as it is written."""
    found = re.compile(r"\"(?:\\.|[^\"\\\n])*\"|'[^'\n]*'|[A-Za-z0-9_-]+").match(text, at)
    return found.group() if found else ""


def _value_end(text: str, at: int) -> int:
    """Where the value that begins here ends: before a comma, a bracket, a comment or a line end that is not its own."""
    depth, end = 0, at
    for piece in _PIECE.finditer(text, at):
        kind = piece.lastgroup
        if kind == "open":
            depth += 1
        elif kind == "close":
            if depth == 0:
                break
            depth -= 1
        elif depth == 0 and kind in ("comma", "line", "comment"):
            break
        if kind not in ("line", "comment"):
            end = piece.start() + len(piece.group().rstrip())
    return end


def _noted(before: str, after: str, note: str) -> str:
    line, newline, rest = after.partition("\n")
    if not note or line.lstrip().startswith((",", "}")):
        return before + after
    told = f"{line.rstrip()}; {note}" if "#" in line else f"{line.rstrip()}  # {note}"
    return before + told + newline + rest


def _at(text: str, path: tuple[str, ...]) -> Any:
    found: Any = tomllib.loads(text)
    for key in path:
        if not isinstance(found, Mapping) or key not in found:
            return None
        found = found[key]
    return found


def _plain(value: Any) -> Any:
    """What TOML reads of a value that was written."""
    return None if value is None else {} if isinstance(value, dict) else tomllib.loads(f"v = {literal(value)}")["v"]
