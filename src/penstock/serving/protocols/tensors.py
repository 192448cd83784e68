"""Tensors of the Open Inference Protocol, version 2: in JSON, and as bytes behind it; to rows, and from answers.

Source: https://github.com/kserve/open-inference-protocol, `specification/protocol/inference_rest.md` and the binary tensor
data extension of Triton.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from penstock.bundle.kinds import Kind
from penstock.bundle.signature import Signature
from penstock.bundle.values import class_text
from penstock.errors import RequestError
from penstock.serving.bodies import parse_object
from penstock.serving.protocols.columns import Answer, Row, columns_of_answers, rows_of_columns
from penstock.serving.protocols.datatypes import BYTES, DTYPES, from_bytes, held_to, malformed
from penstock.serving.urgency import HIGH, LOW, NORMAL, deadline_of


@dataclass(frozen=True)
class Wanted:
    """An output that a request asks for, and whether as bytes."""

    name: str
    binary: bool


@dataclass(frozen=True)
class Inference:
    """A request, read: its rows, its id, and what is wanted of the answer. No `outputs` means all.

    `deadline_ms` is what the parameter ``timeout`` leaves, which Triton counts in microseconds; 0 stands for none.
    """

    rows: list[Row]
    id: str | None
    outputs: tuple[Wanted, ...]
    all_binary: bool
    deadline_ms: float | None = None
    priority: int | None = None


@dataclass(frozen=True)
class Tensor:
    """One tensor: its name, type, shape and values in one list."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: list[Any]

    def to_bytes(self) -> bytes:
        """Little-endian values; texts with their length before them."""
        if self.datatype == BYTES:
            encoded = [str(value).encode() for value in self.values]
            return b"".join(struct.pack("<I", len(text)) + text for text in encoded)
        numbers = [float("nan") if value is None else value for value in self.values]
        return np.array(numbers, dtype=DTYPES[self.datatype]).tobytes()


def read_inference(body: bytes, header_length: int | None, signature: Signature, *, most: int) -> Inference:
    """A request of `infer`.

    Parameters
    ----------
    most : rows that it may have.
    header_length : bytes of JSON at the start of the body; the rest are binary tensors. None where all of it is JSON.

    Raises
    ------
    RequestError : status 400, with the path of what is wrong; 413, too many rows.
    """
    if header_length is not None and not 0 <= header_length <= len(body):
        raise malformed(
            f"Inference-Header-Content-Length is {header_length}", f"the body has {len(body)} bytes", "send both right"
        )
    head = parse_object(body if header_length is None else body[:header_length], with_nan=True)
    rest = memoryview(b"" if header_length is None else body[header_length:])
    inputs = head.get("inputs")
    if not isinstance(inputs, list) or not inputs:
        raise malformed(
            'the request has no "inputs"', "each input of the model is one tensor", _example(signature), "inputs"
        )
    columns: dict[str, Sequence[Any]] = {}
    for number, given in enumerate(inputs):
        path = f"inputs[{number}]"
        name, datatype, shape, parameters = _described(given, path)
        size = parameters.get("binary_data_size")
        if size is None:
            values = held_to(datatype, _flat(given.get("data"), path), path)
        else:
            if type(size) is not int or not 0 <= size <= len(rest):
                raise malformed(
                    f"{path} says that its data are {size!r} bytes",
                    f"{len(rest)} bytes are left behind the JSON",
                    "send the data of the tensors one behind the other, in their order",
                    path,
                )
            values, rest = from_bytes(rest[:size], datatype, path), rest[size:]
        refuse_second(name, columns, path)
        columns[name] = shaped(name, shape, values, path)
    if len(rest):
        raise malformed(f"{len(rest)} bytes belong to no tensor", "the sizes do not add up", "correct binary_data_size")
    of_request = head.get("parameters")
    all_binary = isinstance(of_request, dict) and bool(of_request.get("binary_data_output"))
    outputs = head.get("outputs") or []
    if not isinstance(outputs, list):
        raise malformed('"outputs" are no list', "each is an object with a name", 'send [{"name": ...}]', "outputs")
    wanted = tuple(_wanted(output, number) for number, output in enumerate(outputs))
    refuse_strange_outputs([output.name for output in wanted], signature)
    said = of_request if isinstance(of_request, dict) else {}
    return Inference(
        rows_of_columns(columns, path="inputs", most=most),
        head.get("id") if isinstance(head.get("id"), str) else None,
        wanted,
        all_binary,
        deadline_of_timeout(said.get("timeout")),
        priority_of(said.get("priority")),
    )


def deadline_of_timeout(timeout_us: Any) -> float | None:
    """Milliseconds of the parameter ``timeout``, which Triton counts in microseconds; None and 0 stand for none.

    Raises
    ------
    RequestError : it is no such number.
    """
    if timeout_us is None or timeout_us == 0:
        return None
    is_number = isinstance(timeout_us, int | float) and not isinstance(timeout_us, bool)
    return deadline_of(timeout_us / 1000 if is_number else timeout_us, "the parameter timeout", timeout_us)


def priority_of(level: Any) -> int | None:
    """What the parameter ``priority`` stands for: Triton counts from 1, what matters most, and 0 is what is usual. Here there are three.

    Raises
    ------
    RequestError : it is no such number.

    >>> priority_of(1), priority_of(2), priority_of(7), priority_of(0)
    (0, 1, 2, None)
    """
    if level is None or (level == 0 and not isinstance(level, bool)):
        return None
    if not isinstance(level, int) or isinstance(level, bool) or level < 0:
        raise RequestError(
            f"the parameter priority is {str(level)[:40]!r}",
            why="it is a whole number: 1 is what the header x-priority calls high, 2 normal, from 3 on low; 0 says nothing",
            way_out="write one of these, or leave it out",
            path="parameters.priority",
            code="bad-priority",
        )
    return (HIGH, NORMAL, LOW)[min(level, 3) - 1]


def shaped(name: str, shape: Sequence[int], values: Sequence[Any], path: str) -> Sequence[Any]:
    """The values of one column, whose tensor is [rows] or [rows, 1].

    Raises
    ------
    RequestError : another shape, or as many values as the shape does not say.
    """
    if (len(shape) == 2 and shape[1] != 1) or len(shape) not in (1, 2) or any(size < 0 for size in shape):
        raise malformed(
            f"{path} ({name!r}) has the shape {list(shape)}",
            "each input is one column: [rows] or [rows, 1]",
            "send one tensor for each column, all of as many rows",
            path,
        )
    if shape[0] != len(values):
        raise malformed(
            f"{path} ({name!r}) has {len(values)} values, its shape says {shape[0]}",
            "they must agree",
            "correct the shape, or the data",
            path,
        )
    return values


def tensors_of(answers: Sequence[Answer], signature: Signature) -> list[Tensor]:
    """The outputs of the model."""
    rows = len(answers)
    columns = columns_of_answers(answers, signature)
    made = []
    for name, datatype, width in outputs_of(signature):
        values = columns[name]
        flat = [share for shares in values for share in shares] if width else values
        made.append(Tensor(name, datatype, (rows, width) if width else (rows,), flat))
    return made


def refuse_second(name: str, columns: Mapping[str, Any], path: str) -> None:
    """
    Raises
    ------
    RequestError : an input of that name was read before: which of the two is meant is not known.
    """
    if name in columns:
        raise malformed(f"{path} is {name!r} for the second time", "each input is one tensor", "send it once", path)


def refuse_strange_outputs(names: Sequence[str], signature: Signature) -> None:
    """To be called before the model is asked, so that nothing is journalled as answered that is refused.

    Raises
    ------
    RequestError : there is no output of that name, or it is named twice.
    """
    known = [name for name, _, _ in outputs_of(signature)]
    for number, name in enumerate(names):
        if name not in known:
            raise malformed(f"there is no output {name!r}", f"there are {', '.join(known)}", "ask for these", "outputs")
        if name in names[:number]:
            raise malformed(f"the output {name!r} is asked for twice", "each is told once", "name it once", "outputs")


def chosen(tensors: list[Tensor], names: Sequence[str]) -> list[Tensor]:
    """Those of these names, in their order; all where none is named."""
    of = {tensor.name: tensor for tensor in tensors}
    return [of[name] for name in names] if names else tensors


def write_inference(model: str, version: int, asked: Inference, tensors: list[Tensor]) -> tuple[bytes, int | None]:
    """The body of an answer, and the length of its JSON where bytes follow it."""
    wanted = {output.name: output.binary for output in asked.outputs}
    head: dict[str, Any] = {"model_name": model, "model_version": str(version)}
    if asked.id is not None:
        head["id"] = asked.id
    head["outputs"], tail = [], b""
    for tensor in chosen(tensors, list(wanted)):
        plain: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)}
        if wanted.get(tensor.name, asked.all_binary):
            data = tensor.to_bytes()
            plain["parameters"] = {"binary_data_size": len(data)}
            tail += data
        else:
            plain["data"] = tensor.values
        head["outputs"].append(plain)
    start = orjson.dumps(head)
    is_binary = any("parameters" in output for output in head["outputs"])
    return start + tail, len(start) if is_binary else None


def inputs_of(signature: Signature) -> list[tuple[str, str]]:
    """Name and type of each input: numbers are FP64 (NaN: missing), all else is text ("": missing)."""
    columns = [(c.name, "FP64" if c.kind is Kind.NUMERIC else BYTES) for c in signature.columns]
    return columns if signature.key is None else [*columns, (signature.key, BYTES)]


def outputs_of(signature: Signature) -> list[tuple[str, str, int]]:
    """Name, type and width (0: one value for a row) of each output."""
    if signature.task.is_classification:
        scores = [("prediction", BYTES, 0), ("probabilities", "FP32", len(signature.target.classes))]
    else:
        bounds = [] if signature.interval is None else [("low", "FP64", 0), ("high", "FP64", 0)]
        scores = [("prediction", "FP64", 0), *bounds]
    return [
        *scores,
        ("decision", BYTES, 0),
        ("reason", BYTES, 0),
        ("novelty", "FP32", 0),
        ("id", BYTES, 0),
        ("fallback", BYTES, 0),
        ("missing", BYTES, 0),
        ("unknown", BYTES, 0),
    ]


def metadata(model: str, versions: Sequence[int], signature: Signature) -> dict[str, Any]:
    """What `GET /v2/models/MODEL` says."""
    classes = [class_text(label) for label in signature.target.classes]
    return {
        "name": model,
        "versions": [str(version) for version in versions],
        "platform": "penstock_onnx",
        "inputs": [{"name": name, "datatype": kind, "shape": [-1]} for name, kind in inputs_of(signature)],
        "outputs": [
            {
                "name": name,
                "datatype": kind,
                "shape": [-1, width] if width else [-1],
                **({"parameters": {"classes": classes}} if name == "probabilities" else {}),
            }
            for name, kind, width in outputs_of(signature)
        ],
    }


def _described(given: Any, path: str) -> tuple[str, str, list[int], dict[str, Any]]:
    if not isinstance(given, dict):
        raise malformed(f"{path} is no object", "a tensor has name, datatype, shape and data", "send these", path)
    name, datatype, shape = given.get("name"), str(given.get("datatype")), given.get("shape")
    if not isinstance(name, str):
        raise malformed(f"{path} has no name", "a tensor is known by its name", 'write "name"', path)
    if datatype != BYTES and datatype not in DTYPES:
        known = ", ".join([*DTYPES, BYTES])
        raise malformed(
            f"{path} ({name!r}) has the datatype {datatype!r}", f"there are {known}", "write one of these", path
        )
    if not isinstance(shape, list) or not all(type(size) is int for size in shape):
        raise malformed(
            f"{path} ({name!r}) has the shape {shape!r}", "a shape is a list of whole numbers", "[rows]", path
        )
    parameters = given.get("parameters")
    return name, datatype, shape, parameters if isinstance(parameters, dict) else {}


def _flat(data: Any, path: str) -> list[Any]:
    """The values of a tensor in JSON, which may be nested as its shape is."""
    if not isinstance(data, list):
        raise malformed(f"{path} has no data", '"data" is a list of values', 'write "data": [...]', path)
    flat = data
    while flat and isinstance(flat[0], list):
        if not all(isinstance(values, list) for values in flat):
            raise malformed(
                f"{path} mixes values and lists", "data are nested evenly or not at all", "send one list", path
            )
        flat = [value for values in flat for value in values]
    return flat


def _wanted(given: Any, number: int) -> Wanted:
    name = given.get("name") if isinstance(given, dict) else None
    if not isinstance(name, str):
        raise malformed(
            f"outputs[{number}] has no name", "an output is asked for by its name", 'write "name"', "outputs"
        )
    parameters = given.get("parameters")
    return Wanted(name, isinstance(parameters, dict) and bool(parameters.get("binary_data")))


def _example(signature: Signature) -> str:
    name, datatype = inputs_of(signature)[0]
    return f'{{"inputs": [{{"name": "{name}", "datatype": "{datatype}", "shape": [1], "data": [...]}}, ...]}}'
