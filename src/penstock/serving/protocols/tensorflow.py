"""TensorFlow Serving's REST interface: predictions by rows or by columns, status, metadata.

Source: https://www.tensorflow.org/tfx/serving/api_rest. Labels name slots, `champion`, or what the shelf calls a version.
"""

from __future__ import annotations

import base64
from functools import partial
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from penstock.bundle.signature import Signature
from penstock.errors import RequestError
from penstock.serving.asked import Rows
from penstock.serving.beside import beside
from penstock.serving.bodies import parse_object
from penstock.serving.door import Door, Handler, answering, in_words
from penstock.serving.follower import Loaded
from penstock.serving.models import Offered
from penstock.serving.protocols.columns import columns_of_answers, rows_of_columns, rows_of_lists
from penstock.serving.protocols.datatypes import BYTES
from penstock.serving.protocols.tensors import inputs_of, outputs_of
from penstock.serving.refusals import refused
from penstock.serving.told import Told, joined

_TYPES = {"FP32": "DT_FLOAT", "FP64": "DT_DOUBLE", BYTES: "DT_STRING"}
SIGNATURE = "serving_default"


def routes(door: Door) -> list[Route]:
    """The addresses under ``/v1/models``."""

    models = door.worker.models

    async def loaded_of(request: Request) -> Loaded:
        params = request.path_params
        return await models.find(params["model"], params.get("label", params.get("version")))

    async def predict(request: Request) -> Response:
        loaded = await loaded_of(request)
        signature, most = loaded.bundle.signature, door.worker.settings.max_rows
        body = await door.body(request)
        rows, by_rows = await beside(len(body), partial(_read, body, signature, most=most))
        told = await door.answers(request, loaded, rows)
        content = await beside(len(told.answers), partial(_written, told, signature, by_rows=by_rows))
        return Response(content, media_type="application/json")

    async def status(request: Request) -> Response:
        params = request.path_params
        named = models.states_of(params["model"], params.get("label", params.get("version")))
        return _json({"model_version_status": [_status(one) for one in reversed(named)]})

    async def metadata(request: Request) -> Response:
        params = request.path_params
        known = await models.known(params["model"], params.get("label", params.get("version")))
        return _json(describe(known.entry.model, known.entry.version, known.bundle.signature))

    def at(path: str, handler: Handler, method: str = "GET") -> Route:
        note = door.note if handler is predict else None
        return Route(path, answering(handler, refuse, note), methods=[method])

    model = "/v1/models/{model}"
    places = (model, model + "/versions/{version}", model + "/labels/{label}")
    return [
        *(at(f"{place}:predict", predict, "POST") for place in places),
        *(at(f"{place}/metadata", metadata) for place in places),
        *(at(place, status) for place in places),
    ]


_STATES = {"ready": "AVAILABLE", "loading": "LOADING", "offered": "START", "unloaded": "END", "failed": "END"}
"""What TensorFlow Serving calls the states of a version. START: it is known, and loaded when first asked."""


def _status(one: Offered) -> dict[str, Any]:
    failed = one.state == "failed"
    status = {"error_code": "UNAVAILABLE" if failed else "OK", "error_message": one.reason}
    return {"version": str(one.version), "state": _STATES[one.state], "status": status}


def describe(model: str, version: int, signature: Signature) -> dict[str, Any]:
    """What `/metadata` says: the one signature that there is."""
    inputs = {name: _info(name, datatype, 0) for name, datatype in inputs_of(signature)}
    outputs = {name: _info(name, datatype, width) for name, datatype, width in outputs_of(signature)}
    default = {"inputs": inputs, "outputs": outputs, "method_name": "tensorflow/serving/predict"}
    return {
        "model_spec": {"name": model, "signature_name": "", "version": str(version)},
        "metadata": {"signature_def": {"signature_def": {SIGNATURE: default}}},
    }


def _info(name: str, datatype: str, width: int) -> dict[str, Any]:
    sizes = ["-1", str(width)] if width else ["-1"]
    shape = {"dim": [{"size": size, "name": ""} for size in sizes], "unknown_rank": False}
    return {"dtype": _TYPES[datatype], "tensor_shape": shape, "name": name}


def _read(body: bytes, signature: Signature, *, most: int) -> tuple[Rows, bool]:
    """The rows of a request, and whether it has them one by one, as its answer then has."""
    asked = parse_object(body, with_nan=True)
    return _rows(asked, signature, most=most), "instances" in asked


def _written(told: Told, signature: Signature, *, by_rows: bool) -> bytes:
    columns = columns_of_answers(told.rows(), signature)
    if not by_rows:
        return orjson.dumps({"outputs": columns})
    names = list(columns)
    rows = zip(*columns.values(), strict=True)
    return b'{"predictions":%b}' % joined([orjson.dumps(dict(zip(names, row, strict=True))) for row in rows])


def _rows(asked: dict[str, Any], signature: Signature, *, most: int) -> Rows:
    named = asked.get("signature_name", SIGNATURE)
    if named not in ("", SIGNATURE):
        raise _wrong(
            f"there is no signature {named!r}", f"the model has {SIGNATURE!r}", "leave it out", "signature_name"
        )
    if ("instances" in asked) == ("inputs" in asked):
        raise _wrong(
            'the request has neither or both of "instances" and "inputs"',
            "instances are rows, inputs are columns",
            'send {"instances": [{"field": value}]}',
        )
    if "inputs" in asked:
        inputs = asked["inputs"]
        if not isinstance(inputs, dict):
            raise _wrong('"inputs" are no object', "the model has several inputs", 'send {"inputs": {"field": [..]}}')
        columns = {name: _column(values, f"inputs.{name}") for name, values in inputs.items()}
        return rows_of_columns(columns, path="inputs", most=most)
    instances = asked["instances"]
    if not isinstance(instances, list):
        raise _wrong(
            '"instances" are no list', "each is one row", 'send {"instances": [{"field": value}]}', "instances"
        )
    if all(isinstance(row, dict) for row in instances):
        return [
            {name: _value(value, f"instances[{i}].{name}") for name, value in row.items()}
            for i, row in enumerate(instances)
        ]
    return rows_of_lists(instances, signature, path="instances")


def _column(values: Any, path: str) -> list[Any]:
    if not isinstance(values, list):
        raise _wrong(f"{path} is no list", "a column has a value for each row", "send a list", path)
    return [_value(value, path) for value in values]


def _value(value: Any, path: str) -> Any:
    """A value as it may be written there: a list of one, or bytes as base64."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, dict) and set(value) == {"b64"}:
        try:
            return base64.b64decode(value["b64"], validate=True).decode()
        except (ValueError, TypeError) as error:  # no base64, not even ASCII, no text, or the bytes of none
            raise _wrong(f"{path} is no text in base64", str(error), "send the text itself", path) from None
    return value


def _json(content: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")


def refuse(error: Exception) -> Response:
    """An error in the shape that clients of this protocol read."""
    status, said = refused(error)
    return _json({"error": in_words(said), "code": said["code"], "path": said["path"]}, status)


def _wrong(what: str, why: str, way_out: str, path: str = "") -> RequestError:
    return RequestError(what, why=why, way_out=way_out, path=path)
