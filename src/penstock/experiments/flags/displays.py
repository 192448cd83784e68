"""Displays, as the reader of a tree follows them: lists, dictionaries, f-strings, what is picked out of them, comprehensions."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from penstock.experiments.flags.module import Env
from penstock.experiments.flags.plain import is_plain
from penstock.experiments.flags.things import NO_CALL, UNKNOWN, Called, Named

if TYPE_CHECKING:
    from penstock.experiments.flags.reader import Reader


def items(reader: Reader, elements: list[ast.expr], env: Env) -> Any:
    """The items of a list, with starred ones unpacked; UNKNOWN where one of these is not known."""
    items: list[Any] = []
    for element in elements:
        value = reader.plainly(element, env)
        if isinstance(element, ast.Starred):
            if not isinstance(value, list | tuple | range):
                return UNKNOWN
            items += value
        else:
            items.append(value)
    return items


def dictionary(reader: Reader, node: ast.Dict, env: Env) -> Any:
    """``{...}``."""
    found: dict[Any, Any] = {}
    for key_node, value_node in zip(node.keys, node.values, strict=True):
        value = reader.plainly(value_node, env)
        key = UNKNOWN if key_node is None else reader.plainly(key_node, env)
        if key_node is None and isinstance(value, dict):
            found.update(value)
        elif key is UNKNOWN or not isinstance(key, str | int | float | bool | tuple | Named):
            return UNKNOWN
        else:
            found[key] = value
    return found


def joined(reader: Reader, node: ast.JoinedStr, env: Env) -> Any:
    """An f-string."""
    text = ""
    for part in node.values:
        if isinstance(part, ast.FormattedValue):
            value = reader.plainly(part.value, env)
            if part.format_spec is not None or part.conversion != -1 or not isinstance(value, str | int | float | bool):
                return UNKNOWN
            text += str(value)
        elif isinstance(part, ast.Constant):
            text += str(part.value)
    return text


def subscript(reader: Reader, node: ast.Subscript, env: Env) -> Any:
    """``owner[key]``."""
    owner, key = reader.plainly(node.value, env), reader.plainly(node.slice, env)
    if isinstance(owner, dict) and isinstance(key, str | int | bool | tuple):
        return owner.get(key, UNKNOWN)
    if isinstance(owner, list | tuple | str) and isinstance(key, int) and -len(owner) <= key < len(owner):
        return owner[key]
    if isinstance(owner, Named):  # Optional[int]
        return Called(owner.name, list(key) if isinstance(key, tuple) else [key], {}, NO_CALL, env)
    return UNKNOWN


def comprehension(reader: Reader, node: ast.ListComp | ast.SetComp | ast.GeneratorExp, env: Env) -> Any:
    """A comprehension over one source that is known."""
    source = reader.plainly(node.generators[0].iter, env)
    source = list(source) if isinstance(source, dict) else source
    plain = len(node.generators) == 1 and isinstance(source, list | tuple | range) and len(source) <= 1000
    if not plain:
        return UNKNOWN
    found: list[Any] = []
    for item in source:
        inner = Env(env.module, {}, env)
        reader.bind(node.generators[0].target, item, inner)
        tests = [reader.plainly(test, inner) for test in node.generators[0].ifs]
        if any(test is UNKNOWN or not is_plain(test) for test in tests):
            return UNKNOWN
        if all(tests):
            found.append(reader.plainly(node.elt, inner))
    return found
