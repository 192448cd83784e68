"""The row speed: JSON or text values, one row after the other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from penstock.bundle.raw import HiddenValue, Reader, Unreadable
from penstock.bundle.specs import Problem


def read_values(name: str, read: Reader, values: Iterable[object]) -> tuple[list[Any], list[Problem]]:
    """Decoded values of one column, None where missing or unreadable, and what could not be read."""
    decoded: list[Any] = []
    problems: list[Problem] = []
    for row, value in enumerate(values):
        try:
            decoded.append(read(value))
        except Unreadable as error:
            decoded.append(None)
            problems.append(
                Problem(name, row, None if isinstance(error, HiddenValue) else value, error.code, error.why)
            )
    return decoded, problems
