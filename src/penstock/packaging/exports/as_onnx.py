"""Export `onnx`: the graph with all that is needed to call it from Python, C++ and JavaScript, and an example to check it by."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np

from penstock.bundle.decoder import Decoder
from penstock.bundle.graph import open_session
from penstock.bundle.packing import pack
from penstock.bundle.runtime import TOLERANCE
from penstock.packaging.exports.closure import functions_of, pinned
from penstock.packaging.exports.exporter import Shipment, copy_bundle
from penstock.packaging.exports.in_browser import MODULES, PREPARATIONS
from penstock.packaging.exports.templating import fill

_SNIPPETS = ("predict.py", "predict.cpp", "example.hpp", "CMakeLists.txt", "README.md")
_JAVASCRIPT = ("predict.mjs", "package.json")
_TYPES = {"tensor(float)": "float32", "tensor(string)": "string", "tensor(int64)": "int64", "tensor(bool)": "bool"}


@final
class Onnx:
    """``graph.onnx`` beside its decoder and signature, with programs that run it and compare with ``example.json``."""

    name: ClassVar[str] = "onnx"
    takes_key: ClassVar[bool] = True

    def write(self, shipment: Shipment, folder: Path) -> list[str]:
        bundle = shipment.bundle
        copy_bundle(shipment, folder, lambda name: name != "reference.json")
        session = open_session(bundle.read("graph.onnx"))
        packaged = json.loads(bundle.read("examples.json"))
        rows = packaged["rows"]
        frame, _ = Decoder.from_json(json.loads(bundle.read("decoder.json"))).decode_rows(rows)
        feeds = pack(frame, bundle.signature.layout)
        names = [output.name for output in session.get_outputs()]
        outputs = dict(zip(names, session.run(names, feeds), strict=True))
        example = {
            "rows": len(rows),
            "tolerance": packaged.get("tolerance", TOLERANCE),
            "inputs": _plain(feeds),
            "outputs": _plain(outputs),
        }
        (folder / "example.json").write_text(json.dumps(example), encoding="utf-8")
        layout = bundle.signature.layout
        in_javascript = functions_of(layout) <= PREPARATIONS
        if in_javascript:
            (folder / "decoder").mkdir()
            for name in MODULES:
                if name != "local.mjs":
                    content = files(__package__).joinpath("browser", name).read_bytes()
                    (folder / "decoder" / name).write_bytes(content)
        values = {
            "model": shipment.model,
            "example": example,
            "inputs": [(node.name, _TYPES[node.type], len(layout.slots(node.name))) for node in session.get_inputs()],
            "offsets": layout.offsets,
            "slots": {name: layout.slots(name) for name in layout.inputs},
            "outputs": [(node.name, _TYPES[node.type], list(node.shape)) for node in session.get_outputs()],
            "classes": list(bundle.signature.target.classes),
            "runtime": pinned(("onnxruntime",))[0].partition("==")[2],
            "in_javascript": in_javascript,
            "refuse": sorted(bundle.signature.fields_that("refuse")),
            "fallback": sorted(bundle.signature.fields_that("fallback")),
            **_needs(bundle.read("graph.onnx")),
        }
        for name in (*_SNIPPETS, *(_JAVASCRIPT if in_javascript else ())):
            (folder / name).write_text(fill(f"onnx/{name}", **values), encoding="utf-8")
        told = [
            "README.md says what goes in and what comes out",
            "python predict.py runs it and compares with example.json",
        ]
        if bundle.signature.missing:
            told.append("what becomes of rows that lack a field is for the caller to see to: README.md says how")
        return told


def _plain(arrays: dict[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    """Tensors as JSON: type, shape and the values in one list; NaN as null, 64-bit integers as text."""
    plain = {}
    for name, array in arrays.items():
        flat: list[Any] = array.ravel().tolist()
        if array.dtype == np.int64:
            flat = [str(value) for value in flat]
        elif array.dtype.kind == "f":
            flat = [None if value != value else value for value in flat]
        kind = "string" if array.dtype == object else str(array.dtype)
        plain[name] = {"type": kind, "shape": list(array.shape), "values": flat}
    return plain


def _needs(graph: bytes) -> dict[str, Any]:
    """The operator sets and the operators of a graph."""
    import onnx

    model = onnx.load_from_string(graph)
    names = {f"{node.domain}.{node.op_type}".removeprefix(".") for node in _nodes(model.graph)}
    return {"opsets": {e.domain or "ai.onnx": e.version for e in model.opset_import}, "operators": sorted(names)}


def _nodes(graph: Any) -> Iterator[Any]:
    """The nodes of a graph, also within loops and branches."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _nodes(attribute.g)
