"""Raw values: what they are called in messages, and how a reader says that it cannot read one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

Reader = Callable[[object], Any]
"""raw value -> decoded value, or None when it is missing; raises `Unreadable` when it is neither."""


class Unreadable(Exception):
    """A value that is not what its column declares."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(code, why)
        self.code, self.why = code, why


class HiddenValue(Unreadable):
    """A personal value that cannot be read: neither its words nor whoever catches it may show it."""


def simple_value(value: object) -> object:
    """A numpy scalar or a subclass of str, int or float as the plain Python value; anything else as it is."""
    numpy = sys.modules.get("numpy")  # a value of its types needs it to be loaded; nothing else here does
    if numpy is not None and isinstance(value, numpy.generic):
        value = value.item()
    if type(value) in (str, bool, int, float):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, int):
        return int.__int__(value)
    return value


def describe(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"the number {value}" if abs(value) < 1e30 else "a huge number"
    if isinstance(value, (list, tuple)):
        return "an array"
    if isinstance(value, dict):
        return "an object"
    return f"a {type(value).__name__}"


def short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
