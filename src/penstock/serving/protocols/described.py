"""What `/openapi.json` says of the other protocols' addresses."""

from __future__ import annotations

from typing import Any

from penstock.bundle.signature import Signature
from penstock.serving.protocols.tensors import inputs_of

_TEXT_ERROR: dict[str, Any] = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
_MLFLOW_ERROR: dict[str, Any] = {
    "type": "object",
    "required": ["error_code", "message"],
    "properties": {"error_code": {"type": "string"}, "message": {"type": "string"}},
}


def protocol_paths(models: list[str], signature: Signature) -> dict[str, Any]:
    """OpenAPI's `paths` of the Open Inference Protocol, TensorFlow Serving's and MLflow's; tensors are those of `signature`."""
    name = {"name": "model", "in": "path", "required": True, "schema": {"enum": models}}
    return {
        "/v2": {"get": _get("Open Inference Protocol 2: the server.")},
        "/v2/health/live": {"get": _get("The process is alive.")},
        "/v2/health/ready": {"get": _get("A slot is live.", "503")},
        "/v2/models/{model}": {"get": {**_get("Inputs and outputs as tensors.", "404", "503"), "parameters": [name]}},
        "/v2/models/{model}/ready": {"get": {**_get("It is loaded.", "404", "503"), "parameters": [name]}},
        "/v2/models/{model}/infer": {
            "post": {**_post("Predict columns.", _tensors(signature), _TEXT_ERROR), "parameters": [name]}
        },
        "/v2/repository/index": {"post": _post("Every version and its state.", _INDEX, _TEXT_ERROR, gives="array")},
        "/v2/repository/models/{model}/load": {
            "post": {**_post("Load a model of the shelf ahead.", _LOAD, _TEXT_ERROR), "parameters": [name]}
        },
        "/v2/repository/models/{model}/unload": {
            "post": {**_post("Unload a model of the shelf, and refuse it.", _LOAD, _TEXT_ERROR), "parameters": [name]}
        },
        "/v1/models/{model}": {"get": {**_get("TensorFlow Serving: status.", "404", "503"), "parameters": [name]}},
        "/v1/models/{model}/metadata": {"get": {**_get("The signature.", "404", "503"), "parameters": [name]}},
        "/v1/models/{model}:predict": {
            "post": {**_post("Predict rows or columns.", _instances(), _TEXT_ERROR), "parameters": [name]}
        },
        "/invocations": {"post": _post("MLflow: predict rows.", _frames(), _MLFLOW_ERROR, "415")},
        "/ping": {"get": _get("MLflow: a slot is live.", "404", media="text/plain")},
    }


_INDEX: dict[str, Any] = {"type": "object", "properties": {"ready": {"type": "boolean"}}}
_LOAD: dict[str, Any] = {"type": "object", "properties": {"parameters": {"type": "object", "maxProperties": 0}}}


def _tensors(signature: Signature) -> dict[str, Any]:
    tensor = {
        "type": "object",
        "required": ["name", "datatype", "shape", "data"],
        "properties": {
            "name": {"enum": [name for name, _ in inputs_of(signature)]},
            "datatype": {"type": "string"},
            "shape": {"type": "array", "items": {"type": "integer"}},
            "data": {"type": "array"},
        },
    }
    inputs = {"type": "array", "minItems": 1, "items": tensor}
    return {"type": "object", "required": ["inputs"], "properties": {"id": {"type": "string"}, "inputs": inputs}}


def _instances() -> dict[str, Any]:
    rows = {"type": "array", "items": {"$ref": "#/components/schemas/Row"}}
    return {"type": "object", "required": ["instances"], "properties": {"instances": rows}}


def _frames() -> dict[str, Any]:
    rows = {"type": "array", "items": {"$ref": "#/components/schemas/Row"}}
    return {"type": "object", "required": ["dataframe_records"], "properties": {"dataframe_records": rows}}


def _content(text: str, schema: dict[str, Any], media: str = "application/json") -> dict[str, Any]:
    return {"description": text, "content": {media: {"schema": schema}}}


def _get(text: str, *refused: str, media: str = "application/json") -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object"} if media == "application/json" else {}
    responses = {status: _content("Not so.", {}, media) for status in refused}
    return {"summary": text, "responses": {"200": _content(text, schema, media), **responses}}


def _post(text: str, asked: dict[str, Any], error: dict[str, Any], *more: str, gives: str = "object") -> dict[str, Any]:
    refused = {status: _content("Refused.", error) for status in ("400", "403", "404", "413", *more, "503")}
    return {
        "summary": text,
        "requestBody": {"required": True, "content": {"application/json": {"schema": asked}}},
        "responses": {"200": _content(text, {"type": gives}), **refused},
    }
