"""What `/openapi.json` says of the other protocols' addresses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.bundle.signature import Signature
from penstock.serving.models import Offered
from penstock.serving.operations import Paths, body, content, reading
from penstock.serving.protocols.datatypes import BYTES, DTYPES
from penstock.serving.protocols.tensors import inputs_of

_ROWS = {"type": "array", "items": {"$ref": "#/components/schemas/Row"}}
_ROWS_OR_LISTS = {
    "anyOf": [_ROWS, {"type": "array", "items": {"type": "array"}}],
    "description": "Rows; or of each row a list, in the order of the inputs.",
}


def protocol_paths(signature: Signature, offered: Sequence[Offered]) -> Paths:
    """OpenAPI's `paths` of the Open Inference Protocol, TensorFlow Serving's and MLflow's; tensors are those of `signature`."""
    named = _Names(offered)
    return {
        "/v2": {"get": reading("Open Inference Protocol 2: the server.")},
        "/v2/health/live": {"get": reading("The process is alive.")},
        "/v2/health/ready": {"get": _ready("A slot is live.", "503", "No slot is live, or there is no room.")},
        **named.paths("/v2/models/{model}", ("", "version"), "", "get", reading("Inputs and outputs as tensors.")),
        **named.paths(
            "/v2/models/{model}",
            ("", "version"),
            "/ready",
            "get",
            _ready("It is loaded. Nothing is loaded for the question.", "400", "It is not loaded."),
        ),
        **named.paths(
            "/v2/models/{model}", ("", "version"), "/infer", "post", _asking("Predict columns.", _tensors(signature))
        ),
        "/v2/repository/index": {"post": _asking("Every version and its state.", _INDEX, "array", required=False)},
        **named.paths(
            "/v2/repository/models/{model}",
            ("",),
            "/load",
            "post",
            _asking("Load a model of the shelf ahead.", _LOAD, required=False),
        ),
        **named.paths(
            "/v2/repository/models/{model}",
            ("",),
            "/unload",
            "post",
            _asking("Unload a model of the shelf, and refuse it.", _LOAD, required=False),
        ),
        **named.paths("/v1/models/{model}", _ALL, "", "get", reading("TensorFlow Serving: status.")),
        **named.paths("/v1/models/{model}", _ALL, "/metadata", "get", reading("The signature.")),
        **named.paths(
            "/v1/models/{model}", _ALL, ":predict", "post", _asking("Predict rows or columns.", _instances(signature))
        ),
        "/invocations": {"post": _invocations(signature)},
        "/ping": {"get": _ping()},
    }


_ALL = ("", "version", "label")


class _Names:
    """How addresses name what they are about."""

    def __init__(self, offered: Sequence[Offered]) -> None:
        words = {word for one in offered for word in (one.place, *one.labels)} - {"shelf"}
        self._parameters = {
            "model": {"enum": sorted({one.model for one in offered})},
            "version": _segment(sorted({str(one.version) for one in offered}), "A number; or a word, as for labels."),
            "label": _segment(sorted({"latest", "champion", *words}), "A slot, latest, champion, or a label."),
        }

    def paths(self, start: str, places: Sequence[str], end: str, method: str, operation: dict[str, Any]) -> Paths:
        """One operation at several addresses: of a model, of one version, of one label."""
        paths = {}
        for place in places:
            path = f"{start}/{place}s/{{{place}}}{end}" if place else f"{start}{end}"
            names = ("model", place) if place else ("model",)
            parameters = [
                {"name": name, "in": "path", "required": True, "schema": self._parameters[name]} for name in names
            ]
            paths[path] = {method: {**operation, "parameters": parameters}}
        return paths


def _segment(examples: Sequence[str], text: str) -> dict[str, Any]:
    """A part of an address."""
    return {"type": "string", "pattern": "^[A-Za-z0-9._-]+$", "examples": list(examples), "description": text}


_INDEX: dict[str, Any] = {"type": "object", "properties": {"ready": {"type": "boolean"}}}
_LOAD: dict[str, Any] = {"type": "object", "properties": {"parameters": {"type": "object", "maxProperties": 0}}}


def _tensors(signature: Signature) -> dict[str, Any]:
    tensor = {
        "type": "object",
        "required": ["name", "datatype", "shape", "data"],
        "properties": {
            "name": {"enum": [name for name, _ in inputs_of(signature)]},
            "datatype": {"enum": [*DTYPES, BYTES]},
            "shape": {"type": "array", "items": {"type": "integer"}},
            "data": {"type": "array"},
        },
    }
    inputs = {"type": "array", "minItems": 1, "items": tensor}
    parameters = {
        "type": "object",
        "properties": {
            "timeout": {"type": "integer", "minimum": 0, "description": "Microseconds; 0: none."},
            "priority": {"type": "integer", "minimum": 0, "description": "1: high, 2: normal, from 3: low; 0: none."},
        },
    }
    return {
        "type": "object",
        "required": ["inputs"],
        "properties": {"id": {"type": "string"}, "inputs": inputs, "parameters": parameters},
    }


def _columns(signature: Signature) -> dict[str, Any]:
    names = [name for name, _ in inputs_of(signature)]
    return {"type": "object", "propertyNames": {"enum": names}, "additionalProperties": {"type": "array"}}


def _instances(signature: Signature) -> dict[str, Any]:
    return {
        "type": "object",
        "oneOf": [{"required": ["instances"]}, {"required": ["inputs"]}],
        "properties": {"instances": _ROWS_OR_LISTS, "inputs": _columns(signature)},
    }


def _invocations(signature: Signature) -> dict[str, Any]:
    table = {
        "type": "object",
        "required": ["columns", "data"],
        "properties": {
            "columns": {"type": "array", "items": {"type": "string"}},
            "data": {"type": "array", "items": {"type": "array"}},
        },
    }
    columns = {"anyOf": [_ROWS_OR_LISTS, _columns(signature)]}
    forms = {"dataframe_records": _ROWS, "dataframe_split": table, "instances": _ROWS_OR_LISTS, "inputs": columns}
    asked = {"type": "object", "oneOf": [{"required": [form]} for form in forms], "properties": forms}
    operation = _asking("MLflow: predict rows.", asked)
    return {**operation, "requestBody": body(asked, csv={"type": "string"})}


def _ping() -> dict[str, Any]:
    operation = reading("MLflow: a slot is live.", "text/plain")
    operation["responses"]["404"] = content("No slot is live.", {"type": "string"}, "text/plain")
    return operation


def _ready(text: str, status: str, otherwise: str) -> dict[str, Any]:
    """Whether something is ready; where it is not, the status says so, beside refusals of the usual shapes."""
    ready = {"type": "object", "required": ["ready"], "properties": {"ready": {"type": "boolean"}}}
    errors = [{"$ref": f"#/components/schemas/{shape}"} for shape in ("TextError", "Error")]
    operation = reading(text)
    operation["responses"] = {
        "200": content(text, ready),
        status: content(otherwise, {"anyOf": [ready, *errors]}),
    }
    return operation


def _asking(text: str, asked: dict[str, Any], gives: str = "object", *, required: bool = True) -> dict[str, Any]:
    return {
        "summary": text,
        "requestBody": {**body(asked), "required": required},
        "responses": {"200": content(text, {"type": gives})},
    }
