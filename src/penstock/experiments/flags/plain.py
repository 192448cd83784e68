"""Arithmetic on values that stand in a file: what the reader of a tree computes itself."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any

from penstock.experiments.flags.things import UNKNOWN

_LARGE = 10_000
BUILTINS = frozenset((
    "int", "float", "str", "bool", "list", "tuple", "dict", "set", "sorted", "range", "len", "enumerate", "zip", "min", "max",
    "sum", "type", "round", "abs", "reversed", "print", "super", "open", "vars", "eval", "bytes", "isinstance", "getattr",
    "hasattr", "setattr", "map", "filter", "any", "all", "object", "property", "staticmethod", "classmethod", "Exception",
    "frozenset", "repr", "complex", "exit", "quit", "input", "iter", "next", "callable", "__import__",
))  # fmt: skip
_COMPUTED: dict[str, Callable[..., Any]] = {
    "int": int, "float": float, "str": str, "bool": bool, "list": list, "tuple": tuple, "dict": dict, "set": list,
    "sorted": sorted, "range": range, "len": len, "min": min, "max": max, "sum": sum, "round": round, "abs": abs,
    "enumerate": lambda *a: list(enumerate(*a)), "zip": lambda *a: list(zip(*a, strict=False)),
    "reversed": lambda a: list(reversed(a)),
}  # fmt: skip
_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Pow: operator.pow, ast.LShift: operator.lshift,
}  # fmt: skip
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge, ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
    ast.Is: lambda a, b: a is b, ast.IsNot: lambda a, b: a is not b,
}  # fmt: skip
_METHODS: dict[type, tuple[str, ...]] = {
    str: ("replace", "lower", "upper", "strip", "lstrip", "rstrip", "split", "join", "format", "title", "startswith", "endswith", "capitalize"),
    dict: ("get",),
    list: (),
    tuple: (),
}  # fmt: skip


def is_plain(value: Any) -> bool:
    """Whether a value is known as a whole."""
    if value is None or isinstance(value, bool | int | float | str | range):
        return True
    if isinstance(value, list | tuple):
        return all(is_plain(item) for item in value)
    return isinstance(value, dict) and all(is_plain(item) for item in value.values())


def binary(op: ast.operator, left: Any, right: Any) -> Any:
    """Arithmetic on plain values that stays small; UNKNOWN otherwise."""
    if not (is_plain(left) and is_plain(right)) or type(op) not in _BINARY:
        return UNKNOWN
    if isinstance(op, ast.Pow | ast.LShift):
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        if not numbers or abs(left) > 2**64 or abs(right) > 64:
            return UNKNOWN
    numbers = isinstance(left, int | float) and isinstance(right, int | float)
    if isinstance(op, ast.Mult) and not numbers and any(isinstance(s, int) and s > _LARGE for s in (left, right)):
        return UNKNOWN
    return _tried(_BINARY[type(op)], left, right)


def compare(op: ast.cmpop, left: Any, right: Any) -> Any:
    """A comparison of plain values."""
    return _tried(_COMPARE[type(op)], left, right) if is_plain(left) and is_plain(right) else UNKNOWN


def computed(name: str, args: list[Any]) -> Any:
    """A call of a built-in function on plain values."""
    if name not in _COMPUTED or not all(is_plain(arg) for arg in args):
        return UNKNOWN
    found = _tried(_COMPUTED[name], *args)
    return UNKNOWN if isinstance(found, range | list | tuple) and len(found) > _LARGE else found


def method_of(value: Any, name: str, args: list[Any]) -> Any:
    """A call of a method of a plain value."""
    if isinstance(value, list) and name in ("append", "extend") and len(args) == 1:
        value.append(args[0]) if name == "append" else value.extend(
            args[0] if isinstance(args[0], list | tuple) else [UNKNOWN]
        )
        return None
    if isinstance(value, dict) and name in ("keys", "values", "items") and not args:
        return list(getattr(value, name)())
    if not is_plain(value) or not all(is_plain(arg) for arg in args) or name not in _METHODS.get(type(value), ()):
        return UNKNOWN
    return _tried(getattr(value, name), *args)


def _tried(function: Callable[..., Any], *args: Any) -> Any:
    try:
        return function(*args)
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError):
        return UNKNOWN  # the file would fail there: it is not for us to say so


def unary(op: ast.unaryop, value: Any) -> Any:
    """A sign, or ``not``."""
    if isinstance(op, ast.Not):
        return UNKNOWN if value is UNKNOWN or not is_plain(value) else not value
    if isinstance(value, int | float):
        return -value if isinstance(op, ast.USub) else +value if isinstance(op, ast.UAdd) else UNKNOWN
    return UNKNOWN


def boolean(op: ast.boolop, values: list[Any]) -> Any:
    """``a or b``: the first that decides, as far as those before it are known."""
    for value in values[:-1]:
        if value is UNKNOWN or not is_plain(value):
            return UNKNOWN
        if bool(value) == isinstance(op, ast.Or):
            return value
    return values[-1]
