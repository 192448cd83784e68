"""What the server's JSON files hold, held against the types that were declared, before anything relies on it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
"""What reading a file that is not as we write it may raise, for whoever turns it into an error of ours."""


def sound(*values: DataclassInstance | None) -> None:
    """
    Raises
    ------
    ValueError : a field, at any depth, has a value of another type than it declares.
    """
    for value in values:
        if value is None:
            continue
        try:
            msgspec.convert(asdict(value), type(value))
        except msgspec.ValidationError as error:
            raise ValueError(f"{type(value).__name__}: {error}") from None


def is_count(value: Any) -> bool:
    """Whether a value is a whole number from 0 on."""
    return type(value) is int and value >= 0
