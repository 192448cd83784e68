"""Weights of a model as they lie in a ``.safetensors`` file: a JSON head, then plain numbers. Nothing in it can run."""

from __future__ import annotations

import json
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from penstock.errors import RecipeError

_TYPES: dict[str, Any] = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4"}
_MOST_HEAD = 100_000_000


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file, by name; floating-point ones as float32, bfloat16 among them.

    Raises
    ------
    RecipeError : it is no such file, or it is cut off.
    """
    body = path.read_bytes()
    try:
        size = int.from_bytes(body[:8], "little")
        if not 2 <= size <= min(_MOST_HEAD, len(body) - 8):
            raise ValueError("its head does not fit into it")
        head = json.loads(body[8 : 8 + size])
        return {
            name: _array(memoryview(body)[8 + size :], entry) for name, entry in head.items() if name != "__metadata__"
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecipeError(
            f"the weights {path.name} cannot be read",
            why=f"{type(error).__name__}: {error}",
            way_out="copy the model again: the file is damaged, or no .safetensors file",
        ) from error


def _array(data: memoryview, entry: dict[str, Any]) -> np.ndarray:
    start, stop = entry["data_offsets"]
    shape, kind = tuple(entry["shape"]), entry["dtype"]
    part = data[start:stop]
    if len(part) != stop - start:
        raise ValueError("it ends too early")
    if kind == "BF16":  # the upper half of a float32
        halves = np.frombuffer(part, dtype="<u2").astype(np.uint32) << 16
        return halves.view(np.float32).reshape(shape)
    numbers = np.frombuffer(part, dtype=_TYPES[kind])
    if len(numbers) != prod(shape):
        raise ValueError("an array has another size than its shape says")
    return (numbers.astype(np.float32) if numbers.dtype.kind == "f" else numbers).reshape(shape)
