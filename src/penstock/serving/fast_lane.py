"""`POST /predict` without the detour through ASGI: from the parsed request to the queue, and from there onto the socket.

An ASGI server makes a task, an event and half a dozen of dictionaries for each request, which costs about as much as answering a
row. Here the protocol of uvicorn is told what to do with this one address where the request is a plain one (its length is known
and within the limit, nothing stands before it on its connection); whatever else comes goes the usual way, to the same answers.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from time import perf_counter_ns
from typing import Any, ClassVar, final

from penstock.serving.asked import Asked, at_hand, chosen, read_asked
from penstock.serving.bodies import refuse_unwanted
from penstock.serving.callers import ASKING, Asking, Caller, is_turned_away
from penstock.serving.connections import Connection, Limits
from penstock.serving.dealt import answer_dealt, put_dealt
from penstock.serving.door import CAME, CLOSED
from penstock.serving.follower import Loaded
from penstock.serving.heads import MOST_HEADERS, NOTED, heads_of, request_id_of
from penstock.serving.meant import MEANT, about
from penstock.serving.metrics import PREDICTED
from penstock.serving.predicting import Predicting
from penstock.serving.refusals import headers_of, refusal
from penstock.serving.unfinished import Unfinished
from penstock.serving.urgency import USUAL, Urgency, urgency_of
from penstock.serving.worker import Worker

_AT_ONCE_NS = 50_000
"""What is read so soon after other work may have come during that work; what is read later came just now."""

_HEADS = {status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode()) for status in HTTPStatus}


class FastLane:
    """Takes requests from the protocol, one worker's."""

    def __init__(self, worker: Worker, predicting: Predicting) -> None:
        self.worker, self._predicting = worker, predicting
        self._turns = predicting.turns
        self.largest = worker.settings.max_body_bytes
        self.is_watched = worker.watching is not None  # who tells of requests sees them in one place
        self._tasks: set[asyncio.Task[None]] = set()

    def came_ns(self) -> int:
        """When what the loop reads now was there: as early as it may have been, where the loop was at work until just now."""
        turns, now = self._turns, perf_counter_ns()
        if now - turns.worked_ns > _AT_ONCE_NS:
            turns.looked_ns = now
        turns.worked_ns = now
        return turns.looked_ns

    def admit(self, call: Call, scope: Any) -> None:
        """By its headers, before the body is read.

        Raises
        ------
        RequestError : it is refused.
        """
        heads = heads_of(scope)
        request_id = request_id_of(heads)
        if request_id is not None:
            call.more = b"x-request-id: %b\r\n" % request_id.encode()
        call.caller = self.worker.callers.admit(heads, "predict")
        call.who = Asking.of(call.caller, request_id)
        refuse_unwanted(scope, heads, self.worker.hosts)
        call.urgency = urgency_of(heads)

    def ask(self, call: Call, body: bytes) -> None:
        """Put a whole request into the queue."""
        try:
            asked, came_ns = read_asked(body), self.came_ns()
            if call.who is not None:
                call.who.take(len(asked.rows))
            loaded = at_hand(asked, self.worker)
            if loaded is not None:
                call.meant = about(loaded)
            arms = None if loaded is None else loaded.arms
            if loaded is None or (
                arms is not None and not put_dealt(self._predicting, arms, asked, came_ns, call.urgency, call, call.who)
            ):
                task = asyncio.get_running_loop().create_task(self._ask_later(call, asked, came_ns))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            elif arms is None:
                self._predicting.put(loaded, asked, came_ns, call.urgency, call, call.who)
        except Exception as error:  # noqa: BLE001  # the outermost door: told to the client and to the log
            call.refuse(error)

    async def answer(self, asked: Asked, came_ns: int, urgency: Urgency) -> tuple[Loaded, bytes]:
        """Who answers a request of `/predict`, and the answers as JSON. Raises as `chosen` and `Predicting.answer`."""
        loaded = await chosen(asked, self.worker)
        if loaded.arms is not None:
            return await answer_dealt(self._predicting, loaded.arms, asked, came_ns, urgency)
        return loaded, await self._predicting.answer(loaded, asked, came_ns, urgency)

    async def _ask_later(self, call: Call, asked: Asked, came_ns: int) -> None:
        """A request whose model may have to be loaded first, or whose rows belong to both arms of a release."""
        ASKING.set(call.who)
        try:
            loaded, answers = await self.answer(asked, came_ns, call.urgency)
        except Exception as error:  # noqa: BLE001  # the outermost door: told to the client and to the log
            call.refuse(error)
        else:
            call.answer(loaded, answers)

    def refused(self, error: Exception, who: Asking | None, meant: bytes = b"") -> tuple[int, bytes]:
        """Status and body of a refusal, counted and journalled. `meant`: as `about` says; default: what this task was asked for."""
        status, content = refusal(error)
        self.worker.metrics.request("predict", status)
        if not is_turned_away(error):
            self._predicting.journal_error(status, error, who, meant or MEANT.get())
        return status, content

    def closed(self) -> None:
        """A client went away before its answer."""
        self.worker.metrics.request("predict", CLOSED)


class _Nobody:
    """What uvicorn sets to wake a task; here is none."""

    def set(self) -> None: ...


@final
class Call:
    """One request on its connection. uvicorn knows it as its cycle: it asks whether it is complete and tells when it is cut."""

    __slots__ = (
        "_protocol",
        "body",
        "caller",
        "disconnected",
        "is_whole",
        "keep_alive",
        "meant",
        "more",
        "response_complete",
        "urgency",
        "who",
    )
    message_event: ClassVar[_Nobody] = _Nobody()

    def __init__(self, protocol: PredictProtocol, *, keep_alive: bool) -> None:
        self._protocol = protocol
        self.keep_alive = keep_alive
        self.body: bytes | bytearray = b""
        self.urgency = USUAL
        self.caller: Caller | None = None
        self.who: Asking | None = None
        self.meant = b""
        self.more = b""  # headers of the answer
        self.is_whole = self.response_complete = self.disconnected = False

    @property
    def more_body(self) -> bool:
        """Whether some of the body has not come yet."""
        return not self.is_whole

    @property
    def response_started(self) -> bool:
        """An answer leaves in one piece."""
        return self.response_complete

    @property
    def is_gone(self) -> bool:
        return self.disconnected

    def answer(self, loaded: Loaded, predictions: bytes) -> None:
        self._protocol.lane.worker.metrics.values[PREDICTED] += 1
        self._send(200, b"%b%b}" % (loaded.opening, predictions))

    def refuse(self, error: Exception) -> None:
        status, content = self._protocol.lane.refused(error, self.who, self.meant)
        for name, value in headers_of(error).items():
            self.more += b"%b: %b\r\n" % (name.encode(), value.encode())
        self._send(status, content)

    def drop(self) -> None:
        self._protocol.lane.closed()

    def _send(self, status: int, content: bytes) -> None:
        self.response_complete = True
        if self.caller is not None:
            self._protocol.lane.worker.callers.counts.add(self.caller.name, status)
        if self.disconnected:
            return
        protocol = self._protocol
        close = b"" if self.keep_alive else b"connection: close\r\n"
        protocol.transport.write(
            b"%b%bcontent-type: application/json\r\n%b%bcontent-length: %d\r\n\r\n%b"
            % (_HEADS[status], protocol.usual_headers(), self.more, close, len(content), content)
        )
        if not self.keep_alive:
            protocol.transport.close()
        protocol.on_response_complete()


class PredictProtocol(Connection):
    """HTTP/1.1 on one connection. `lane` is set on a subclass of each worker's own."""

    lane: ClassVar[FastLane]
    _usual: ClassVar[tuple[object, bytes]] = (None, b"")

    def __init__(self, *more: Any, **named: Any) -> None:
        super().__init__(*more, **named)
        self._call: Call | None = None
        self._idle_since: float | None = None

    @classmethod
    def of(cls, lane: FastLane, limits: Limits) -> type[PredictProtocol]:
        """The protocol of a worker."""
        own = {"lane": lane, "limits": limits, "unfinished": Unfinished(limits.unfinished_bytes)}
        return type("WorkerPredictProtocol", (cls,), {**own, "metrics": lane.worker.metrics})

    # ------------------------------------------------------------ told by the parser

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._call = None

    def on_headers_complete(self) -> None:
        names = [name for name, _ in self.headers]
        if self.url != b"/predict" or self.lane.is_watched or not self._is_plain(names):
            super().on_headers_complete()
            return
        self._waits = "body"
        call = Call(self, keep_alive=self.parser.should_keep_alive())
        self._call = self.cycle = call  # type: ignore[assignment]  # it answers what uvicorn asks of its own
        self.scope["method"] = "POST"
        lane = self.lane
        if lane.worker.callers.is_open and len(names) <= MOST_HEADERS and NOTED.isdisjoint(names):
            return
        try:
            lane.admit(call, self.scope)
        except Exception as error:  # noqa: BLE001  # told to the client
            call.refuse(error)

    def on_body(self, body: bytes) -> None:
        call = self._call
        if call is None:
            super().on_body(body)
        elif call.response_complete:  # refused by its head
            return
        elif not call.body:
            call.body = body
        else:  # not a list of pieces: of one byte each, they would be forty times the body
            if isinstance(call.body, bytes):
                call.body = bytearray(call.body)
            call.body += body

    def on_message_complete(self) -> None:
        call = self._call
        if call is None:
            self.scope[CAME] = self.lane.came_ns()  # type: ignore[literal-required]  # a key of ours
            super().on_message_complete()
            return
        # also where its head was refused: the connection waits for another request, not for this one's body
        call.is_whole = True
        self._waits = ""
        body, call.body = call.body, b""
        if self._held_bytes:
            self._let_go()
        if not call.response_complete:
            self.lane.ask(call, body if isinstance(body, bytes) else bytes(body))

    def _is_plain(self, names: list[bytes]) -> bool:
        """Whether this is a request for the fast lane; its address is. `names`: of its headers."""
        parser, cycle = self.parser, self.cycle
        if parser.get_method() != b"POST" or parser.get_http_version() != "1.1" or parser.should_upgrade():
            return False
        if self.expect_100_continue or (cycle is not None and not cycle.response_complete):
            return False
        if names.count(b"host") != 1 or b"content-length" not in names:
            return False
        length = self.headers[names.index(b"content-length")][1]
        return length.isdigit() and int(length) <= self.lane.largest

    # ------------------------------------------------------------ the connection

    def _let_go(self) -> None:
        if self._call is not None:
            self._call.body = b""
        super()._let_go()

    def connection_lost(self, exc: Exception | None) -> None:
        call = self._call
        if call is not None and not call.is_whole and not call.response_complete:
            self.lane.closed()
        timer, self.timeout_keep_alive_task = self.timeout_keep_alive_task, None
        if timer is not None:
            timer.cancel()
        super().connection_lost(exc)

    def usual_headers(self) -> bytes:
        """Those of every response (the date), as bytes; uvicorn makes the list anew each second."""
        headers = self.server_state.default_headers
        made_of, made = self._usual
        if made_of is not headers:
            made = b"".join(b"%b: %b\r\n" % header for header in headers)
            type(self)._usual = (headers, made)
        return made

    # One timer for each connection, which looks at the clock when it strikes, rather than one for each request.

    def on_response_complete(self) -> None:
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self._let_go_of_refused()
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._set_timer(self.timeout_keep_alive)

    def _unset_keepalive_if_required(self) -> None:
        self._idle_since = None

    def timeout_keep_alive_handler(self) -> None:
        self.timeout_keep_alive_task = None
        if self._idle_since is None:  # at work: the next response sets the timer
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._set_timer(left)
        else:
            super().timeout_keep_alive_handler()

    def _set_timer(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)
