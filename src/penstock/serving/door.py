"""What every protocol asks through: a request's rows go in, answers come out, journalled and counted, as `/predict` does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from penstock.serving.asked import Rows
from penstock.serving.bodies import read_body, refuse_unwanted
from penstock.serving.follower import Loaded
from penstock.serving.heads import heads_of
from penstock.serving.refusals import headers_of
from penstock.serving.told import Told
from penstock.serving.urgency import USUAL, Urgency, urgency_of
from penstock.serving.worker import Worker

CAME = "penstock.came_ns"
"""In the scope of a request: when the socket had it, by `perf_counter_ns`; told by `fast_lane`."""

CLOSED = 499
"""The status of a request whose client went away."""


class Ask(Protocol):
    """Rows to answers with their ids; raises what `/predict` refuses. An answer of a release's candidate carries `version` and `slot`.

    `came_ns` is when the request was there, by `perf_counter_ns`; default: now.
    """

    def __call__(
        self, loaded: Loaded, rows: Rows, came_ns: int | None = None, urgency: Urgency = USUAL
    ) -> Awaitable[Told]: ...


class Gone(Exception):
    """The client went away before its request was whole."""


@dataclass(frozen=True)
class Door:
    """The worker that answers, and how it is asked."""

    worker: Worker
    ask: Ask
    note: Callable[[Exception], None]
    """Writes into the journal that a request for answers was refused, whatever of it could not be read."""

    async def answers(
        self,
        request: Request,
        loaded: Loaded,
        rows: Rows,
        deadline_ms: float | None = None,
        priority: int | None = None,
    ) -> Told:
        """The answers to an HTTP request that was read, in the time that its headers and its body leave; the priority that the body names
        counts before that of a header."""
        urgency = urgency_of(heads_of(request.scope)).within(deadline_ms).of_priority(priority)
        return await self.ask(loaded, rows, came_of(request.scope), urgency)

    async def body(self, request: Request) -> bytes:
        """The body of a request, within the server's limits.

        Raises
        ------
        RequestError : a stranger's page sends it, or it is too large. Gone : the client went away.
        """
        refuse_unwanted(request.scope, heads_of(request.scope), self.worker.hosts)
        body = await read_body(request.scope, request.receive, self.worker.settings.max_body_bytes)
        if body is None:
            raise Gone
        return body


def version_told(loaded: Loaded, answers: Sequence[Mapping[str, Any]]) -> int:
    """Which version a response in columns names: the one that answered every row, else the one that was asked."""
    versions = {answer.get("version", loaded.entry.version) for answer in answers}
    return int(versions.pop()) if len(versions) == 1 else loaded.entry.version


Handler = Callable[[Request], Awaitable[Response]]
Refusal = Callable[[Exception], Response]
"""An error in the shape that a protocol's clients read."""


def answering(handler: Handler, refuse: Refusal, note: Callable[[Exception], None] | None = None) -> Handler:
    """A handler whose errors are told in the protocol's own shape, and to `note` (`Door.note`) where it is asked for answers."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except Gone:
            return Response(status_code=CLOSED)
        except Exception as error:  # noqa: BLE001  # told to the client, and to the log where it is ours
            if note is not None:
                note(error)
            return refusing(error, refuse)

    return answer


def refusing(error: Exception, refuse: Refusal) -> Response:
    """A refusal in a protocol's shape, with the headers that belong to it."""
    response = refuse(error)
    response.headers.update(headers_of(error))
    return response


def in_words(error: dict[str, Any]) -> str:
    """An error of ours in one sentence, for clients that show no more."""
    said = f"{error['what']}: {error['why']}; try: {error['try']}"
    return f"{error['path']}: {said}" if error["path"] else said


def came_of(scope: Scope) -> int:
    """When a request was there; now, where its server does not say."""
    came: int | None = scope.get(CAME)
    return perf_counter_ns() if came is None else came
