"""What is told of each request while it is answered: a line of the log, a trace. Where neither is wanted, no request comes here."""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import count
from time import perf_counter_ns, time_ns
from typing import TYPE_CHECKING, Any

from starlette.types import Message, Receive, Scope, Send

from penstock.serving.callers import ASKING
from penstock.serving.heads import Heads, naming, request_id_of
from penstock.serving.logs import told
from penstock.serving.settings import ServeSettings

if TYPE_CHECKING:
    from penstock.serving.traces import Span, Traces

log = logging.getLogger("penstock.serving")

Answer = Callable[[Scope, Receive, Send], Awaitable[None]]

STEPS: ContextVar[Steps | None] = ContextVar("steps", default=None)
"""Of the request that is being answered, where it is traced."""


@dataclass(slots=True)
class Seen:
    """What came of a request."""

    status: int = 499  # as long as nothing is answered: the client may go away


class Steps:
    """The parts of a request's time, one after the other. Instants in nanoseconds since 1970."""

    def __init__(self) -> None:
        self.last_ns = time_ns()
        self.found: list[tuple[str, int, int]] = []

    def mark(self, name: str) -> None:
        """What was done since the last mark."""
        now = time_ns()
        self.found.append((name, self.last_ns, now))
        self.last_ns = now


def watching_of(settings: ServeSettings) -> Watching | None:
    """None where nothing is to be told of requests.

    Raises
    ------
    MissingExtra : traces are wanted, and OpenTelemetry is not installed.
    """
    lines = settings.logs.level in ("info", "debug")
    if settings.traces:
        from penstock.serving.traces import Traces  # an extra

        return Watching(settings.logs.sample if lines else 0.0, Traces.by_environment())
    return Watching(settings.logs.sample) if lines else None


class Watching:
    """Tells of requests.

    Parameters
    ----------
    sample : the share of requests that get a line of the log; a fault of ours always does, and is an error.
    """

    def __init__(self, sample: float, traces: Traces | None = None) -> None:
        self._sample, self._traces = sample, traces
        self._prefix, self._numbers = os.urandom(6).hex(), count()

    async def watch(self, answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an HTTP request, and tell of it. One without an id gets one, as if its client had given it."""
        heads = naming(scope["headers"])
        if request_id_of(heads) is None:
            heads[b"x-request-id"] = self._new_id()
            others = [(name, value) for name, value in scope["headers"] if name != b"x-request-id"]
            scope["headers"] = [*others, (b"x-request-id", heads[b"x-request-id"])]
        with self.request(scope["method"], scope["path"], heads) as seen:

            async def seeing(message: Message) -> None:
                if message["type"] == "http.response.start":
                    seen.status = message["status"]
                await send(message)

            await answer(scope, receive, seeing)

    def name(self, heads: dict[bytes, bytes]) -> None:
        """Give a request of another protocol its id where it has none."""
        if request_id_of(heads) is None:
            heads[b"x-request-id"] = self._new_id()

    @contextmanager
    def request(self, method: str, path: str, heads: Heads) -> Iterator[Seen]:
        """Tell of what is answered inside."""
        seen = Seen()
        started_ns = perf_counter_ns()
        span: Span | None = None
        if self._traces is not None:
            steps = Steps()
            STEPS.set(steps)
            span = self._traces.begin(method, path, heads.get(b"traceparent"), steps.last_ns)
        try:
            yield seen
        finally:
            who = ASKING.get()
            if span is not None:
                said = {
                    "request_id": "" if who is None else who.request_id,
                    "consumer": "" if who is None else who.consumer,
                }
                span.end(seen.status, steps.found, said)
            # A refusal for lack of time or room (503) is no fault, and comes by the thousand when there is least to spare for lines.
            is_fault = seen.status >= 500 and seen.status != 503
            if is_fault or (self._sample and random.random() < self._sample):
                more: dict[str, Any] = {} if span is None else {"trace_id": span.trace_id}
                ms = round((perf_counter_ns() - started_ns) / 1_000_000, 3)
                log.log(
                    logging.ERROR if is_fault else logging.INFO,
                    "request",
                    extra=told(method=method, path=path[:200], status=seen.status, ms=ms, **more),
                )

    def close(self) -> None:
        """Send the traces that wait."""
        if self._traces is not None:
            self._traces.close()

    def _new_id(self) -> bytes:
        return f"{self._prefix}-{next(self._numbers):x}".encode()
