"""What the server's JSON files hold, held against the types that were declared, before anything relies on it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from penstock.errors import ServingError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
"""What reading a file that is not as we write it may raise, for whoever turns it into an error of ours."""

Stored = TypeVar("Stored")


def read_stored(path: Path, from_json: Callable[[dict[str, Any]], Stored], empty: Stored, way_out: str) -> Stored:
    """What a file holds; `empty` where there is none.

    Raises
    ------
    NewerFormat : `from_json` says that a later release of Penstock wrote it.
    ServingError : it is no such file. `way_out` is what to do then.
    """
    try:
        return from_json(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return empty
    except UNREADABLE as error:
        raise ServingError(
            f"{path} cannot be read",
            why=f"it is not what Penstock writes there ({type(error).__name__}: {error})",
            way_out=way_out,
        ) from error


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
