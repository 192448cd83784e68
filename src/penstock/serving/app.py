"""The HTTP app. `POST /predict` is answered by a plain ASGI path, because there every microsecond counts; the rest by Starlette."""

from __future__ import annotations

import asyncio
import logging
from time import perf_counter_ns, time_ns
from typing import TYPE_CHECKING, Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from penstock.bundle.runtime import Bundle
from penstock.errors import PenstockError, RequestError, StoreFull
from penstock.serving.bodies import parse_object, read_body, refuse_strange_pages
from penstock.serving.door import Door, Rows
from penstock.serving.follower import Loaded, Serving
from penstock.serving.metrics import (
    ABSTENTIONS,
    JOURNAL_BYTES,
    LABELS,
    MISSING_FIELDS,
    NOVEL_ROWS,
    PREDICTED,
    ROWS,
    UNKNOWN_VALUES,
)
from penstock.serving.openapi import describe
from penstock.serving.page import page
from penstock.serving.protocols import mlflow, open_inference, tensorflow
from penstock.serving.refusals import refused
from penstock.serving.worker import Worker

if TYPE_CHECKING:
    from penstock.serving.protocols.grpc_service import GrpcServer

log = logging.getLogger("penstock.serving")

_JSON = (b"content-type", b"application/json")
_IN_THREAD_ROWS = 100  # more rows than these are predicted beside the event loop, so that others need not wait
_CLOSED = 499

_ROUTE_OF = {
    "/predict": "predict",
    "/labels": "labels",
    "/model": "model",
    "/openapi.json": "model",
    "/metrics": "metrics",
    "/healthz": "health",
    "/readyz": "health",
    "/": "page",
}


class App:
    """The ASGI application of one worker."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        door = Door(worker, self.ask)
        self._rest = _rest_of(worker, door)
        self.grpc = _grpc_of(door)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = scope["path"]
            if path == "/predict" and scope["method"] == "POST":
                await self._predict(scope, receive, send)
            else:
                await self._other(_ROUTE_OF.get(path) or _protocol_of(path), scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._worker.lifespan(receive, send, self.grpc)

    async def _predict(self, scope: Scope, receive: Receive, send: Send) -> None:
        started_ns = perf_counter_ns()
        worker = self._worker
        status = 200
        try:
            refuse_strange_pages(scope)
            body = await read_body(scope, receive, worker.settings.max_body_bytes)
            if body is None:
                worker.metrics.request("predict", _CLOSED)
                return
            loaded, rows, body = self._ask(body)
            loaded.bundle.refuse_broken_images(rows)
            kept, answers = await self._answers(loaded, rows)
            if kept is not rows:
                body = orjson.dumps({"rows": kept})  # what is journalled: nobody behind this line sees the plain values
            content = b"%b%b}" % (loaded.opening, self._keep(loaded, body, answers, started_ns))
            worker.metrics.values[PREDICTED] += 1
        except Exception as error:  # noqa: BLE001  # the outermost door: told to the client and to the log
            status, content = refusal(error)
            worker.metrics.request("predict", status)
            self._journal_error(status, error)
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [_JSON, (b"content-length", b"%d" % len(content))],
            }
        )
        await send({"type": "http.response.body", "body": content})

    def _ask(self, body: bytes) -> tuple[Loaded, list[dict[str, Any]], bytes]:
        """Which bundle is asked, and for which rows; and what is journalled: where a history came along, the rows as it fills them."""
        request = parse_object(body)
        serving = self._worker.serving
        rows = request.get("rows")
        if type(rows) is not list:
            raise _wrong_rows(request)
        if len(request) > 1:
            loaded = _chosen(request, serving)
        else:
            loaded = serving.live
        if "history" not in request:
            if not self._remembers(loaded):
                return loaded, rows, body
            self._refuse_many(rows)
            filled = list(self._worker.remembered.fill(loaded.bundle.decoder, rows))
            return loaded, filled, orjson.dumps({"rows": filled})
        self._refuse_many(rows)
        filled = _filled(loaded, rows, request["history"])
        return loaded, filled, orjson.dumps({"rows": filled})

    def _remembers(self, loaded: Loaded) -> bool:
        return bool(self._worker.settings.history.rows) and loaded.bundle.decoder.history is not None

    async def ask(self, loaded: Loaded, rows: Rows) -> Rows:
        """Answers with their ids, journalled and counted, for protocols whose requests are no rows by themselves."""
        started_ns = perf_counter_ns()
        try:
            if self._remembers(loaded):
                self._refuse_many(rows)
                rows = list(self._worker.remembered.fill(loaded.bundle.decoder, rows))
            kept, answers = await self._answers(loaded, rows)
            body = orjson.dumps({"rows": kept})
            told: Rows = orjson.loads(self._keep(loaded, body, answers, started_ns))
        except PenstockError as error:
            self._journal_error(refused(error)[0], error)
            raise
        return told

    async def _answers(self, loaded: Loaded, rows: Rows) -> tuple[Rows, Rows]:
        """The rows as they may be kept (themselves, where none is personal), and the answers to them."""
        self._refuse_many(rows)
        bundle = loaded.bundle
        if len(rows) > _IN_THREAD_ROWS:
            return await asyncio.to_thread(_predicted, bundle, rows)
        return _predicted(bundle, rows)

    def _refuse_many(self, rows: Rows) -> None:
        if len(rows) > self._worker.settings.max_rows:
            raise RequestError(
                f"{len(rows):,} rows in one request",
                why=f"a request holds at most {self._worker.settings.max_rows:,}",
                way_out="send several requests, or use `penstock predict` for whole files",
                path="rows",
                code="too-large",
                status=413,
            )

    def _keep(self, loaded: Loaded, body: bytes, answers: list[dict[str, Any]], started_ns: int) -> bytes:
        """Journal, then count what will be answered, in one go on the event loop: the ids name the place in the journal."""
        worker = self._worker
        values, journal = worker.metrics.values, worker.journal
        latency_ns = perf_counter_ns() - started_ns
        predictions = journal.predictions(
            loaded.origin, body, answers, at_ns=time_ns(), latency_ms=latency_ns / 1_000_000
        )
        limit = loaded.novelty_limit
        for answer in answers:
            if answer["missing"]:
                values[MISSING_FIELDS] += len(answer["missing"])
            if answer["unknown"]:
                values[UNKNOWN_VALUES] += len(answer["unknown"])
            if answer["novelty"] > limit:
                values[NOVEL_ROWS] += 1
            if answer["decision"] != "answer":
                values[ABSTENTIONS] += 1
        values[ROWS] += len(answers)
        values[JOURNAL_BYTES] = journal.bytes_written
        worker.metrics.prediction(latency_ns / 1_000_000_000)
        return predictions

    def _journal_error(self, status: int, error: Exception) -> None:
        code = error.code if isinstance(error, PenstockError) else "internal"
        try:
            self._worker.journal.error(status, code)
        except StoreFull as full:
            log.error("%s", full)

    async def _other(self, route: str, scope: Scope, receive: Receive, send: Send) -> None:
        async def counting(message: Any) -> None:
            if message["type"] == "http.response.start":
                self._worker.metrics.request(route, message["status"])
            await send(message)

        await self._rest(scope, receive, counting)


def _predicted(bundle: Bundle, rows: Rows) -> tuple[Rows, Rows]:
    kept: Any = bundle.protect(rows) if bundle.is_private else rows
    return kept, bundle.predict(kept)


def refusal(error: Exception) -> tuple[int, bytes]:
    """Status and body for an error, in the one shape of the server's own addresses."""
    status, said = refused(error)
    return status, _error_body(said)


def _error_body(error: dict[str, str]) -> bytes:
    return orjson.dumps({"error": error})


def _chosen(request: dict[str, Any], serving: Serving) -> Loaded:
    for name in request:
        if name not in ("rows", "version", "history"):
            raise RequestError(
                f"unknown field {name!r}",
                why='a request has "rows" and optionally "version" and "history"',
                way_out="leave it out; fields of a row go inside the row",
                path=name,
                code="unknown-field",
            )
    version = request.get("version")
    if version is None:
        return serving.live
    if type(version) is not int:
        raise RequestError(
            f"version is {_kind(version)}",
            why="a version is a whole number",
            way_out=f'write "version": {serving.live.entry.version}, or leave it out to ask the live one',
            path="version",
            code="wrong-type",
        )
    loaded = serving.by_version.get(version)
    if loaded is None:
        raise RequestError(
            f"version {version} is in no slot of this server",
            why=f"it holds: {', '.join(str(v) for v in sorted(serving.by_version))}",
            way_out="ask one of these, or leave the version out to ask the live one",
            path="version",
            code="unknown-version",
            status=404,
        )
    return loaded


def _filled(loaded: Loaded, rows: list[dict[str, Any]], history: object) -> list[dict[str, Any]]:
    """Rows with the columns that look back, from the history of the request."""
    declared = loaded.bundle.decoder.history
    if declared is None:
        raise RequestError(
            'the request has "history"',
            why="the model has no column that looks back at earlier rows",
            way_out="leave it out; such columns are declared as [history] in penstock.toml",
            path="history",
            code="unknown-field",
        )
    return declared.fill(rows, history)


def _wrong_rows(request: dict[str, Any]) -> RequestError:
    if "rows" not in request:
        return RequestError(
            'the field "rows" is missing',
            why="there is nothing to predict",
            way_out='write {"rows": [{"field": value, ...}]}',
            path="rows",
            code="missing-field",
        )
    return RequestError(
        f'"rows" is {_kind(request["rows"])}',
        why="it must be a list of objects",
        way_out='write {"rows": [{"field": value, ...}]}',
        path="rows",
        code="wrong-type",
    )


def _kind(value: Any) -> str:
    """What a JSON value is, in words."""
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _grpc_of(door: Door) -> GrpcServer | None:
    settings = door.worker.settings
    if settings.grpc_port is None:
        return None
    from penstock.serving.protocols.grpc_service import GrpcServer  # an extra; and not every server wants it

    return GrpcServer(door, settings.grpc_host, settings.grpc_port)


_PROTOCOLS = {"v2": "open-inference", "v1": "tensorflow", "invocations": "mlflow", "ping": "mlflow"}


def _protocol_of(path: str) -> str:
    """The protocol that an address belongs to, as metrics name it."""
    return _PROTOCOLS.get(path[1:].partition("/")[0], "other")


def _rest_of(worker: Worker, door: Door) -> Starlette:
    """Everything but `/predict`."""

    async def labels(request: Request) -> Response:
        refuse_strange_pages(request.scope)
        body = await read_body(request.scope, request.receive, worker.settings.max_body_bytes)
        if body is None:
            return Response(status_code=_CLOSED)
        items = _label_items(parse_object(body))
        result = await worker.take_labels(items)
        worker.metrics.values[LABELS] += result.accepted
        return _json(result.to_json())

    async def healthz(_: Request) -> Response:
        return _json({"status": "live"})

    async def readyz(_: Request) -> Response:
        serving = worker.serving
        return _json({"status": "ready", "version": serving.live.entry.version, "epoch": serving.epoch})

    async def model(_: Request) -> Response:
        serving = worker.serving
        return _json(_described(serving))

    async def metrics(_: Request) -> Response:
        text = await asyncio.to_thread(worker.metrics.render, worker.serving_or_none)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def openapi(_: Request) -> Response:
        return _json(describe(worker.serving.live))

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
            Route("/metrics", metrics),
            Route("/openapi.json", openapi),
            *open_inference.routes(door),
            *tensorflow.routes(door),
            *mlflow.routes(door),
        ],
        exception_handlers={HTTPException: _http_error, PenstockError: _any_error, Exception: _any_error},
    )
    app.router.redirect_slashes = False  # "/model/" is another address, and says so in the one shape of errors
    return app


_PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:"
)


def _described(serving: Serving) -> dict[str, Any]:
    """The answer of `/model`."""
    entry, bundle = serving.live.entry, serving.live.bundle
    manifest = bundle.manifest
    return {
        "model": entry.model,
        "version": entry.version,
        "slot": serving.live.slot,
        "epoch": serving.epoch,
        "signature": bundle.signature.to_json(),
        "card": bundle.card,
        "deployment": entry.deployment,
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


async def _any_error(_: Request, error: Exception) -> Response:
    status, content = refusal(error)
    return Response(content, status, media_type="application/json")


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path
    if error.status_code == 405:
        what = {
            "code": "method-not-allowed",
            "what": f"{request.method} is not possible for {path}",
            "why": "this address takes " + (error.headers or {}).get("Allow", "another method"),
            "try": "use that method; /openapi.json describes all addresses",
        }
    else:
        what = {
            "code": "not-found",
            "what": f"there is nothing at {path}",
            "why": f"this server has {', '.join(_ROUTE_OF)}",
            "try": "use one of these; /openapi.json describes them",
        }
    return Response(
        _error_body({**what, "path": ""}), error.status_code, headers=error.headers, media_type="application/json"
    )
