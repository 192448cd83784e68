"""What a call of gRPC asks: its inputs as columns, how soon and how much it matters, what its metadata say."""

from __future__ import annotations

from typing import Any

from penstock.errors import RequestError
from penstock.serving.heads import Heads
from penstock.serving.protocols.datatypes import BYTES, DTYPES, from_bytes, held_to
from penstock.serving.protocols.tensors import deadline_of_timeout, priority_of, refuse_second, shaped
from penstock.serving.urgency import Urgency, urgency_of

_WAY_BACK_MS = 5.0
"""Of the time that a call has left, for its answer to arrive; a tenth of it at the most."""
_CONTENTS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    BYTES: "bytes_contents",
}


def metadata_of(context: Any) -> list[tuple[bytes, bytes]]:
    """The metadata of a call, as headers of HTTP are."""
    said = context.invocation_metadata() or ()
    return [(str(name).encode(), value if isinstance(value, bytes) else value.encode()) for name, value in said]


def urgency_of_call(request: Any, heads: Heads, context: Any) -> Urgency:
    """By the noted metadata, the deadline of the call, and the parameters ``timeout`` and ``priority``."""
    urgency = urgency_of(heads)
    left_s = context.time_remaining()
    if left_s is not None:  # what is there when it strikes has not arrived yet
        left_ms = left_s * 1000
        urgency = urgency.within(max(left_ms - min(left_ms / 10, _WAY_BACK_MS), 0.001))
    said = {
        name: getattr(given, given.WhichOneof("parameter_choice") or "int64_param")
        for name, given in request.parameters.items()
        if name in ("timeout", "priority")
    }
    return urgency.within(deadline_of_timeout(said.get("timeout"))).of_priority(priority_of(said.get("priority")))


def columns_of(request: Any) -> dict[str, Any]:
    """The inputs of a call, by their names.

    Raises
    ------
    RequestError : there are none, a datatype that is none, or contents that do not fit it.
    """
    if not request.inputs:
        raise RequestError(
            "the request has no inputs",
            why="each input of the model is one tensor",
            way_out="send at least one",
            path="inputs",
        )
    raw = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        raise RequestError(
            f"there are {len(request.inputs)} inputs and {len(raw)} raw contents",
            why="where contents are raw, those of all inputs are",
            way_out="send one for each input, in their order",
            path="raw_input_contents",
        )
    columns: dict[str, Any] = {}
    for number, tensor in enumerate(request.inputs):
        path = f"inputs[{number}]"
        refuse_second(tensor.name, columns, path)
        if tensor.datatype not in DTYPES and tensor.datatype != BYTES:
            raise RequestError(
                f"{path} ({tensor.name!r}) has the datatype {tensor.datatype!r}",
                why=f"there are {', '.join([*DTYPES, BYTES])}",
                way_out="send one of these",
                path=path,
            )
        if raw:
            values = from_bytes(memoryview(raw[number]), tensor.datatype, path)
        else:
            values = _contents(tensor, path)
        columns[tensor.name] = shaped(tensor.name, list(tensor.shape), values, path)
    return columns


def _contents(tensor: Any, path: str) -> list[Any]:
    field = _CONTENTS.get(tensor.datatype)
    if field is None:
        raise RequestError(
            f"{path} ({tensor.name!r}) has the datatype {tensor.datatype!r}, which has no typed contents",
            why="the protocol sends it as raw contents alone",
            way_out="use raw_input_contents",
            path=path,
        )
    values = list(getattr(tensor.contents, field))
    if tensor.datatype == BYTES:
        try:
            return [value.decode() for value in values]
        except UnicodeDecodeError as error:
            raise RequestError(
                f"{path} holds a text that is not UTF-8", why=str(error), way_out="send texts in UTF-8", path=path
            ) from None
    return held_to(tensor.datatype, values, path)  # small integers come in wider ones
