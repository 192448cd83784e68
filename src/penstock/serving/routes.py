"""Every address but `POST /predict`: labels, what is live, metrics, health, the page, other tools' protocols."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from penstock.errors import PenstockError, RequestError
from penstock.serving.bodies import parse_object
from penstock.serving.callers import take
from penstock.serving.door import CLOSED, Door, Gone, Refusal, refusing
from penstock.serving.known import Known
from penstock.serving.metrics import LABELS
from penstock.serving.models import Offered
from penstock.serving.openapi import describe
from penstock.serving.page import page
from penstock.serving.protocols import mlflow, open_inference, tensorflow
from penstock.serving.refusals import refusal

ROUTE_OF = {
    "/predict": "predict",
    "/labels": "labels",
    "/model": "model",
    "/models": "model",
    "/openapi.json": "model",
    "/objectives": "model",
    "/metrics": "metrics",
    "/healthz": "health",
    "/readyz": "health",
    "/": "page",
}
"""The server's own addresses, and what metrics call them."""

_PROTOCOLS = {"v2": "open-inference", "v1": "tensorflow", "invocations": "mlflow", "ping": "mlflow"}


_STARTS = ("/v2", "/v1/models/{model}", "/invocations", "/ping")
"""Where the addresses of the protocols begin."""


def protocol_of(path: str) -> str:
    """The protocol that an address belongs to, as metrics name it."""
    return _PROTOCOLS.get(path[1:].partition("/")[0], "other")


def refuse_of(route: str) -> Refusal:
    """How an error is told to clients of a route, as metrics name it."""
    return _REFUSALS.get(route, _refuse)


def routes(door: Door) -> Starlette:
    """The app behind `/predict`."""
    worker = door.worker

    async def labels(request: Request) -> Response:
        items = _label_items(parse_object(await door.body(request)))
        take(len(items))
        result = await worker.take_labels(items)
        worker.metrics.values[LABELS] += result.accepted
        return _json(result.to_json())

    async def healthz(_: Request) -> Response:
        return _json({"status": "live"})

    async def readyz(_: Request) -> Response:
        serving = worker.serving
        return _json({"status": "ready", "version": serving.live.entry.version, "epoch": serving.epoch})

    async def named(request: Request) -> Known:
        """What `?model=` and `?version=` name; what is live, where they are not there."""
        return await worker.models.known(request.query_params.get("model"), request.query_params.get("version"))

    async def model(request: Request) -> Response:
        return _json(_described(await named(request), worker.serving.epoch))

    async def models(_: Request) -> Response:
        return _json({"models": [_listed(one) for one in worker.models.offered()], "shelf": worker.models.shelf.epoch})

    async def metrics(_: Request) -> Response:
        text = await asyncio.to_thread(worker.metrics.render, worker.serving_or_none)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def objectives(_: Request) -> Response:
        return _json({"objectives": await asyncio.to_thread(worker.metrics.levels.to_json)})

    async def openapi(request: Request) -> Response:
        return _json(describe(await named(request), worker.models.offered(), worker.callers.answers_without))

    async def home(_: Request) -> Response:
        return HTMLResponse(page(), headers={"content-security-policy": _PAGE_POLICY})

    app = Starlette(
        routes=[
            Route("/", home),
            Route("/predict", _answered_before, methods=["POST"]),
            Route("/labels", labels, methods=["POST"]),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/model", model),
            Route("/models", models),
            Route("/objectives", objectives),
            Route("/metrics", metrics),
            Route("/openapi.json", openapi),
            *open_inference.routes(door),
            *tensorflow.routes(door),
            *mlflow.routes(door),
        ],
        exception_handlers={
            HTTPException: _http_error,
            Gone: _gone,
            PenstockError: _any_error,
            Exception: _any_error,
        },
    )
    app.router.redirect_slashes = False  # "/model/" is another address, and says so in the one shape of errors
    return app


_PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:"
)


def _listed(one: Offered) -> dict[str, Any]:
    """An entry of the answer of `/models`."""
    return {
        "model": one.model,
        "version": one.version,
        "slot": one.place,
        "labels": list(one.labels),
        "state": one.state,
        "reason": one.reason,
        "memory_bytes": one.memory_bytes,
    }


def _described(known: Known, epoch: int) -> dict[str, Any]:
    """The answer of `/model`."""
    entry, bundle = known.entry, known.bundle
    manifest = bundle.manifest
    return {
        "model": entry.model,
        "version": entry.version,
        "slot": known.slot,
        "epoch": epoch,
        "signature": bundle.signature.to_json(),
        "card": bundle.card,
        "deployment": entry.deployment,
        "release": None if known.arms is None else known.arms.to_json(),
        "lineage": {
            "bundle": bundle.digest,
            "created_by": manifest["created_by"],
            "audit_head": manifest["audit_head"],
            "files": {name: entry["digest"] for name, entry in manifest["files"].items()},
            **bundle.card.get("lineage", {}),
        },
    }


def _label_items(request: dict[str, Any]) -> list[Any]:
    items = request.get("labels")
    if not isinstance(items, list) or len(request) != 1:
        raise RequestError(
            "the request holds no list of labels" if not isinstance(items, list) else "the request has unknown fields",
            why='it must be an object with "labels" alone',
            way_out='write {"labels": [{"id": "...", "label": value}]}',
            path="labels",
            code="bad-request",
        )
    return items


def _json(content: Any) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")


async def _answered_before(_: Request) -> Response:
    raise AssertionError("POST /predict is answered before the routes; this one is here for the other methods")


def _refuse(error: Exception) -> Response:
    status, content = refusal(error)
    return Response(content, status, media_type="application/json")


_REFUSALS: dict[str, Refusal] = {
    "open-inference": open_inference.refuse,
    "tensorflow": tensorflow.refuse,
    "mlflow": mlflow.refuse,
}


async def _any_error(_: Request, error: Exception) -> Response:
    return refusing(error, _refuse)


async def _gone(_: Request, error: Exception) -> Response:
    return Response(status_code=CLOSED)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path
    route = ROUTE_OF.get(path) or protocol_of(path)
    headers = dict(error.headers or {})
    if error.status_code == 405:
        told = RequestError(
            f"{request.method} is not possible for {path}",
            why="this address takes " + headers.get("Allow", "another method"),
            way_out="use that method; /openapi.json describes all addresses",
            code="method-not-allowed",
            status=405,
            headers=headers,
        )
    else:
        of_protocol = [one.path for one in request.app.routes if protocol_of(one.path) == route != "other"]
        told = RequestError(
            f"there is nothing at {path}",
            why=f"this server has {', '.join(of_protocol or [*ROUTE_OF, *_STARTS])}",
            way_out="use one of these; /openapi.json describes them",
            code="not-found",
            status=error.status_code,
            headers=headers,
        )
    return refusing(told, refuse_of(route))  # in the shape that the clients of that address read
