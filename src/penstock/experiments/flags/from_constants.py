"""Flags from the constants of a file that has no parser, and of notebooks."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

from penstock.experiments.flags.files import CannotRead
from penstock.experiments.flags.flag import Flag, FlagType, How
from penstock.experiments.inside import penstock_constants


def flags_of_constants(tree: ast.Module, source: bytes, label: str) -> list[Flag]:
    """The constants of a file, in their order. What is written behind one in its line is its help."""
    found = penstock_constants.constants(tree)
    lines = source.splitlines()
    return [
        _flag(name, value, f"global, {label}:{line}", "global", _comment(node, lines))
        for name, (node, value, line) in sorted(found.items(), key=lambda item: item[1][2])
    ]


def flags_of_notebook(path: Path, label: str) -> tuple[list[Flag], str]:
    """The constants of a notebook: of its cell tagged `parameters`, or of all of its cells; and which of the two.

    Raises
    ------
    CannotRead : it is no notebook.
    """
    import json

    try:
        body = json.loads(path.read_bytes())
        cells = penstock_constants.cells_of(body)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CannotRead(f"{label} is no notebook: {error}") from error
    entries, tagged = penstock_constants.constants_of_cells(cells)
    where = "parameters cell" if tagged else "cell"
    lines = {index: source.encode().splitlines() for index, source, _ in cells}
    flags = [
        _flag(name, value, f"{where}, {label}, cell {cell + 1}", "cell", _comment(node, lines[cell]))
        for name, (cell, node, value) in entries.items()
    ]
    return flags, "the parameters cell" if tagged else "constants of the cells"


def language_of(path: Path) -> str:
    """The language of a notebook's cells, in small letters."""
    import json

    try:
        metadata = json.loads(path.read_bytes()).get("metadata", {})
    except (ValueError, AttributeError):
        return "python"
    name = metadata.get("kernelspec", {}).get("language") or metadata.get("language_info", {}).get("name") or "python"
    return re.sub(r"[^a-z+#]", "", str(name).lower())


def _comment(node: ast.expr, lines: list[bytes]) -> str:
    """The comment behind a value, in its line."""
    last = node.end_lineno or 0
    if not 0 < last <= len(lines):
        return ""
    rest = lines[last - 1][node.end_col_offset :].decode("utf-8", "replace").lstrip(" \t),")
    return (
        rest.lstrip("# ").strip()
        if rest.startswith("#") and not re.match(r"#\s*(type:|noqa|pylint|fmt:)", rest)
        else ""
    )


def _flag(name: str, value: Any, origin: str, how: How, help_: str) -> Flag:
    arity = "list" if isinstance(value, list) else "tuple" if isinstance(value, tuple) else ""
    if arity:
        kinds = {_type(item) for item in value}
        type_: FlagType = kinds.pop() if len(kinds) == 1 else "float" if kinds == {"int", "float"} else "any"
        return Flag(name, type_, list(value), help=help_, origin=origin, how=how, multiple=True, arity=arity)
    return Flag(name, _type(value), value, help=help_, origin=origin, how=how)


def _type(value: Any) -> FlagType:
    if value is None:
        return "any"
    return (
        "bool"
        if isinstance(value, bool)
        else "int"
        if isinstance(value, int)
        else "float"
        if isinstance(value, float)
        else "str"
    )
