"""The HTTP app. `POST /predict` is answered by a plain ASGI path, because there every microsecond counts; the rest by Starlette."""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import orjson
from starlette.types import Receive, Scope, Send

from penstock.errors import PenstockError
from penstock.serving.asked import Asked, Rows, chosen, read_asked
from penstock.serving.bodies import read_body, refuse_strange_pages
from penstock.serving.door import CLOSED, Door
from penstock.serving.follower import Loaded
from penstock.serving.metrics import PREDICTED
from penstock.serving.predicting import Predicting
from penstock.serving.refusals import refusal, refused
from penstock.serving.routes import ROUTE_OF, protocol_of, routes
from penstock.serving.worker import Worker

if TYPE_CHECKING:
    from penstock.serving.protocols.grpc_service import GrpcServer

_JSON = (b"content-type", b"application/json")


class App:
    """The ASGI application of one worker."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._predicting = Predicting(worker)
        door = Door(worker, self.ask)
        self._rest = routes(door)
        self.grpc = _grpc_of(door)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = scope["path"]
            if path == "/predict" and scope["method"] == "POST":
                await self._predict(scope, receive, send)
            else:
                await self._other(ROUTE_OF.get(path) or protocol_of(path), scope, receive, send)
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
                worker.metrics.request("predict", CLOSED)
                return
            asked = read_asked(body)
            loaded = chosen(asked, worker.serving)
            content = b"%b%b}" % (loaded.opening, await self._predicting.answer(loaded, asked, started_ns))
            worker.metrics.values[PREDICTED] += 1
        except Exception as error:  # noqa: BLE001  # the outermost door: told to the client and to the log
            status, content = refusal(error)
            worker.metrics.request("predict", status)
            self._predicting.journal_error(status, error)
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [_JSON, (b"content-length", b"%d" % len(content))],
            }
        )
        await send({"type": "http.response.body", "body": content})

    async def ask(self, loaded: Loaded, rows: Rows) -> Rows:
        """Answers with their ids, journalled and counted, for protocols whose requests are no rows by themselves."""
        started_ns = perf_counter_ns()
        try:
            told: Rows = orjson.loads(await self._predicting.answer(loaded, Asked(rows), started_ns))
        except PenstockError as error:
            self._predicting.journal_error(refused(error)[0], error)
            raise
        return told

    async def _other(self, route: str, scope: Scope, receive: Receive, send: Send) -> None:
        async def counting(message: Any) -> None:
            if message["type"] == "http.response.start":
                self._worker.metrics.request(route, message["status"])
            await send(message)

        await self._rest(scope, receive, counting)


def _grpc_of(door: Door) -> GrpcServer | None:
    settings = door.worker.settings
    if settings.grpc_port is None:
        return None
    from penstock.serving.protocols.grpc_service import GrpcServer  # an extra; and not every server wants it

    return GrpcServer(door, settings.grpc_host, settings.grpc_port)
