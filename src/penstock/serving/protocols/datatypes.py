"""The datatypes of the Open Inference Protocol: which values they hold, and how these lie in bytes.

Source: https://github.com/kserve/open-inference-protocol, `specification/protocol/inference_rest.md`, "Tensor Data Types", and the binary tensor
data extension of Triton.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from penstock.errors import RequestError

DTYPES: Mapping[str, np.dtype[Any]] = {
    "BOOL": np.dtype("?"),
    "UINT8": np.dtype("<u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("<i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
BYTES = "BYTES"


def held_to(datatype: str, values: list[Any], path: str) -> list[Any]:
    """Values as their datatype has them, so that they are what they would be as bytes. None stands for a missing one.

    Raises
    ------
    RequestError : one is of another kind, or beyond what the datatype can hold.
    """
    kinds: set[type] = {str} if datatype == BYTES else {bool} if datatype == "BOOL" else {int, float}
    found = set(map(type, values)) - {type(None)}
    if not found <= kinds:
        raise _not_held(
            datatype, next(i for i, v in enumerate(values) if v is not None and type(v) not in kinds), values, path
        )
    if int not in kinds or datatype == "FP64":
        return values
    dtype = DTYPES[datatype]
    return (
        _as_floats(dtype, datatype, values, path) if dtype.kind == "f" else _as_integers(dtype, datatype, values, path)
    )


def _as_floats(dtype: np.dtype[Any], datatype: str, values: list[Any], path: str) -> list[Any]:
    given = np.array([np.nan if value is None else _float(value) for value in values])  # (values,)
    with np.errstate(over="ignore"):
        held = given.astype(dtype)
    beyond = np.flatnonzero(np.isinf(held) & ~np.isinf(given))
    if len(beyond):
        raise _not_held(datatype, int(beyond[0]), values, path)
    return [None if value is None else number for value, number in zip(values, held.tolist(), strict=True)]


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer of hundreds of digits: beyond any
        return float(np.finfo(np.float64).max)


def _as_integers(dtype: np.dtype[Any], datatype: str, values: list[Any], path: str) -> list[Any]:
    limits = np.iinfo(dtype)
    for at, value in enumerate(values):
        # NaN is not between any two
        if value is not None and (not limits.min <= value <= limits.max or int(value) != value):
            raise _not_held(datatype, at, values, path)
    return [None if value is None else int(value) for value in values]


def _not_held(datatype: str, at: int, values: Sequence[Any], path: str) -> RequestError:
    value, path = values[at], f"{path}.data[{at}]"
    return malformed(
        f"{path} is {value!r:.40}" if isinstance(value, str | int | float) else f"{path} is no single value",
        f"that is no value of {datatype}",
        "send what it can hold, or name the datatype that it has; null stands for a missing value",
        path,
    )


def from_bytes(data: memoryview, datatype: str, path: str) -> list[Any]:
    """The values of a tensor in bytes: little-endian, texts with their length before them."""
    if datatype == BYTES:
        return split_bytes(data, path)
    dtype = DTYPES[datatype]
    if len(data) % dtype.itemsize:
        raise malformed(
            f"{path} has {len(data)} bytes", f"a value of {datatype} has {dtype.itemsize}", "send whole values", path
        )
    values: list[Any] = np.frombuffer(data, dtype=dtype).tolist()
    return values


def split_bytes(data: memoryview | bytes, path: str) -> list[Any]:
    """Texts with their length before them, four bytes, little-endian."""
    view, texts, at = memoryview(data), [], 0
    while at < len(view):
        end = at + 4
        length = struct.unpack_from("<I", view, at)[0] if end <= len(view) else len(view)
        if end + length > len(view):
            raise malformed(
                f"{path} ends within a text",
                "each text has its length before it, in four bytes",
                "send them whole",
                path,
            )
        texts.append(_text(bytes(view[end : end + length]), path))
        at = end + length
    return texts


def _text(data: bytes, path: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise malformed(f"{path} holds a text that is not UTF-8", str(error), "send texts in UTF-8", path) from None


def malformed(what: str, why: str, way_out: str, path: str = "", *, code: str = "bad-request") -> RequestError:
    """What is wrong with a request of this protocol."""
    return RequestError(what, why=why, way_out=way_out, path=path, code=code)
