"""The HTTP app. `POST /predict` is answered by `fast_lane` or, where it is no plain request, by a plain ASGI path; the rest by
Starlette."""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from starlette.types import Receive, Scope, Send

from penstock.errors import RequestError
from penstock.serving.asked import Asked, Rows, read_asked
from penstock.serving.bodies import read_body, refuse_unwanted
from penstock.serving.callers import ASKING, Asking, Caller, is_turned_away, scope_of, take
from penstock.serving.dealt import answer_dealt
from penstock.serving.door import CLOSED, Door, came_of, refusing
from penstock.serving.fast_lane import FastLane
from penstock.serving.follower import Loaded
from penstock.serving.heads import Heads, heads_of, request_id_of
from penstock.serving.meant import MEANT
from penstock.serving.metrics import PREDICTED
from penstock.serving.predicting import Predicting
from penstock.serving.refusals import headers_of, status_of
from penstock.serving.routes import ROUTE_OF, protocol_of, refuse_of, routes
from penstock.serving.told import Told, told_by
from penstock.serving.urgency import USUAL, Urgency, urgency_of
from penstock.serving.worker import Worker

if TYPE_CHECKING:
    from penstock.serving.protocols.grpc_service import GrpcServer

_JSON = (b"content-type", b"application/json")


class App:
    """The ASGI application of one worker."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._callers, self._watching = worker.callers, worker.watching
        self._predicting = Predicting(worker)
        door = Door(worker, self.ask, self.note)
        self._rest = routes(door)
        self.lane = FastLane(worker, self._predicting)
        self.grpc = _grpc_of(door)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            answer = self._predict if scope["path"] == "/predict" and scope["method"] == "POST" else self._other
            if self._watching is None:
                await answer(scope, receive, send)
            else:
                await self._watching.watch(answer, scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._worker.lifespan(receive, send, self.grpc)

    async def _predict(self, scope: Scope, receive: Receive, send: Send) -> None:
        worker = self._worker
        status = 200
        caller = None
        more: list[tuple[bytes, bytes]] = []
        try:
            heads = heads_of(scope)
            if heads:
                more = _named(heads)
            caller = self._admit(heads, "predict")
            urgency = USUAL
            if heads:
                refuse_unwanted(scope, heads, worker.hosts)
                urgency = urgency_of(heads)
            body = await read_body(scope, receive, worker.settings.max_body_bytes)
            if body is None:
                worker.metrics.request("predict", CLOSED)
                return
            asked = read_asked(body)
            take(len(asked.rows))
            loaded, answers = await self.lane.answer(asked, came_of(scope), urgency)
            content = b"%b%b}" % (loaded.opening, answers)
            worker.metrics.values[PREDICTED] += 1
        except Exception as error:  # noqa: BLE001  # the outermost door: told to the client and to the log
            status, content = self.lane.refused(error, ASKING.get())
            more += [(name.encode(), value.encode()) for name, value in headers_of(error).items()]
        if caller is not None:
            self._callers.counts.add(caller.name, status)
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [_JSON, (b"content-length", b"%d" % len(content)), *more],
            }
        )
        await send({"type": "http.response.body", "body": content})

    def _admit(self, heads: Heads, scope: str | None) -> Caller | None:
        """Who asks, if they may; journal and log know from here on. Raises as `Callers.admit`."""
        named = request_id_of(heads) if heads else None
        if named is not None:
            ASKING.set(Asking.of(None, named))  # also where it is turned away
        caller = self._callers.admit(heads, scope)
        if caller is not None:
            ASKING.set(Asking.of(caller, named))
        return caller

    async def ask(self, loaded: Loaded, rows: Rows, came_ns: int | None = None, urgency: Urgency = USUAL) -> Told:
        """Answers with their ids, journalled and counted, for protocols whose requests are no rows by themselves."""
        came_ns = perf_counter_ns() if came_ns is None else came_ns
        arms = loaded.arms
        take(len(rows))
        if arms is None:
            return Told(await self._predicting.answer(loaded, Asked(rows), came_ns, urgency))
        by, answers = await answer_dealt(self._predicting, arms, Asked(rows), came_ns, urgency)
        return Told(answers, b"" if by.entry is loaded.entry else told_by(by.entry.version, by.slot))

    def note(self, error: Exception) -> None:
        """Journal that a request of another protocol was refused, as `/predict` does."""
        if not is_turned_away(error):
            self._predicting.journal_error(status_of(error), error, ASKING.get(), MEANT.get())

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        route = ROUTE_OF.get(path) or protocol_of(path)
        status = 0
        more: list[tuple[bytes, bytes]] = []
        caller: Caller | None = None

        async def counting(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._worker.metrics.request(route, message["status"])
                if caller is not None:
                    self._callers.counts.add(caller.name, message["status"])
                if more:
                    message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        try:
            heads = heads_of(scope)
            more = _named(heads)
            needed = scope_of(scope["method"], path)
            if needed is not None:
                self._worker.hosts.refuse_others(scope["headers"])
            caller = self._admit(heads, needed)
        except RequestError as error:
            await refusing(error, refuse_of(route))(scope, receive, counting)
            return
        try:
            await self._rest(scope, receive, counting)
        except Exception:
            if not status:  # Starlette raises again what it has answered, for servers that log it; here that is done
                raise


def _named(heads: Heads) -> list[tuple[bytes, bytes]]:
    """The id of a request, as its answer repeats it."""
    given = request_id_of(heads)
    return [] if given is None else [(b"x-request-id", given.encode())]


def _grpc_of(door: Door) -> GrpcServer | None:
    settings = door.worker.settings
    if settings.grpc_port is None:
        return None
    from penstock.serving.protocols.grpc_service import GrpcServer  # an extra; and not every server wants it

    return GrpcServer(door, settings.host, settings.grpc_port)
