"""The Open Inference Protocol, version 2, over REST: what KServe, Triton and MLServer speak.

Source: https://github.com/kserve/open-inference-protocol. `repository` is Triton's extension.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from penstock import __version__
from penstock.errors import RequestError
from penstock.serving.beside import beside
from penstock.serving.bodies import parse_object
from penstock.serving.door import Door, Handler, answering, in_words, version_told
from penstock.serving.follower import Loaded
from penstock.serving.protocols import repository
from penstock.serving.protocols.tensors import Inference, metadata, read_inference, tensors_of, write_inference
from penstock.serving.refusals import refused
from penstock.serving.told import Told

EXTENSIONS = ("binary_tensor_data", "model_repository")
NOT_READY = 400
"""The status of a model that is not loaded: the protocol wants one of 4xx, and Triton answers this."""

_HEADER = "inference-header-content-length"
_DIGITS = 18  # of the largest length that any body has


def routes(door: Door) -> list[Route]:
    """The addresses under ``/v2``."""

    models = door.worker.models

    async def loaded_of(request: Request) -> Loaded:
        return await models.find(request.path_params["model"], request.path_params.get("version"))

    async def server(_: Request) -> Response:
        return _json({"name": "penstock", "version": __version__, "extensions": list(EXTENSIONS)})

    async def live(_: Request) -> Response:
        return _json({"live": True})

    async def ready(_: Request) -> Response:
        is_ready = door.worker.serving_or_none is not None
        return _json({"ready": is_ready}, 200 if is_ready else 503)

    async def model(request: Request) -> Response:
        known = await models.known(request.path_params["model"], request.path_params.get("version"))
        versions = [one.version for one in models.states_of(known.entry.model)]
        return _json(metadata(known.entry.model, versions, known.bundle.signature))

    async def model_ready(request: Request) -> Response:
        model = request.path_params["model"]
        is_ready = models.is_ready(model, request.path_params.get("version"))
        return _json({"name": model, "ready": is_ready}, 200 if is_ready else NOT_READY)

    async def infer(request: Request) -> Response:
        loaded = await loaded_of(request)
        body = await door.body(request)
        signature, most = loaded.bundle.signature, door.worker.settings.max_rows
        length = _header_length(request)
        asked = await beside(len(body), partial(read_inference, body, length, signature, most=most))
        told = await door.answers(request, loaded, asked.rows, asked.deadline_ms, asked.priority)
        content, head = await beside(len(told.answers), partial(_written, told, loaded, asked))
        if head is None:
            return Response(content, media_type="application/json")
        return Response(content, media_type="application/octet-stream", headers={_HEADER: str(head)})

    async def index(request: Request) -> Response:
        body = await door.body(request)
        only_ready = bool(body) and parse_object(body).get("ready") is True
        return _json(repository.index(door.worker, only_ready=only_ready))

    async def load(request: Request) -> Response:
        body = await door.body(request)
        await repository.load(door.worker, request.path_params["model"], parse_object(body) if body else {})
        return _json({})

    async def unload(request: Request) -> Response:
        await door.body(request)
        await repository.unload(door.worker, request.path_params["model"])
        return _json({})

    def at(path: str, handler: Handler, method: str = "GET") -> Route:
        note = door.note if handler is infer else None
        return Route(f"/v2{path}", answering(handler, refuse, note), methods=[method])

    of_model = ("/models/{model}", "/models/{model}/versions/{version}")
    return [
        at("", server),
        at("/health/live", live),
        at("/health/ready", ready),
        at("/repository/index", index, "POST"),
        at("/repository/models/{model}/load", load, "POST"),
        at("/repository/models/{model}/unload", unload, "POST"),
        *(at(path, model) for path in of_model),
        *(at(f"{path}/ready", model_ready) for path in of_model),
        *(at(f"{path}/infer", infer, "POST") for path in of_model),
    ]


def _written(told: Told, loaded: Loaded, asked: Inference) -> tuple[bytes, int | None]:
    answers = told.rows()
    tensors = tensors_of(answers, loaded.bundle.signature)
    return write_inference(loaded.entry.model, version_told(loaded, answers), asked, tensors)


def _header_length(request: Request) -> int | None:
    text = request.headers.get(_HEADER)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise RequestError(
            f"Inference-Header-Content-Length is {text[:40]!r}",
            why="it is the number of bytes of JSON before the binary tensors",
            way_out="send a whole number, or leave it out where all is JSON",
        )
    return int(text)


def _json(content: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")


def refuse(error: Exception) -> Response:
    """An error in the shape that clients of this protocol read."""
    status, said = refused(error)
    return _json({"error": in_words(said), "code": said["code"], "path": said["path"]}, status)
