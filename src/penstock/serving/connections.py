"""One HTTP connection, with an end to everything that a client may do slowly, half, or without end.

uvicorn parses and answers; it lets a client take as long as it likes to send a head or a body, and read its answers. Here one look each
second over all connections ends those that take too long, so that a request that comes whole pays nothing for it.
"""

from __future__ import annotations

import asyncio
import logging
import resource
from collections.abc import Set
from dataclasses import dataclass
from time import monotonic
from typing import Any, Literal, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from penstock.serving.heads import MOST_HEADERS
from penstock.serving.metrics import Metrics
from penstock.serving.refusals import error_body
from penstock.serving.settings import ServeSettings
from penstock.serving.unfinished import Unfinished

log = logging.getLogger("penstock.serving")

HEAD_BYTES = 64 * 1024
"""A head that is longer than this, and not complete, is refused. (The piece in which it begins, up to 256 KiB, does not count.)"""

SLOWEST_BYTES_PER_S = 64_000
"""A body has `body_timeout_s`, and a second more for each of so many bytes."""

_LOOK_S = 1.0
_SPARE_FILES = 128  # descriptors that are not for connections: journal, slots, bundles that are loaded


@dataclass(frozen=True)
class Limits:
    """What a connection may take; times in seconds. `connections`: of one worker, by each of HTTP and gRPC; `unfinished_bytes`: what is
    held of requests that have not come whole yet, of all connections together."""

    header_s: float
    body_s: float
    idle_s: float
    send_s: float
    body_bytes: int
    connections: int
    unfinished_bytes: int


def limits_of(settings: ServeSettings) -> Limits:
    """The limits of a worker, after its number of open files was raised as far as the system lets it."""
    most = _most_files() - _SPARE_FILES
    if settings.grpc_port is not None:
        most //= 2
    return Limits(
        settings.header_timeout_s,
        settings.body_timeout_s,
        settings.keep_alive_s,
        settings.body_timeout_s,
        settings.max_body_bytes,
        max(16, most) if settings.max_connections is None else min(settings.max_connections, max(16, most)),
        settings.unfinished_bytes,
    )


def time_of_body(limits: Limits) -> float:
    """How long a body may take whose length is not known, in seconds."""
    return limits.body_s + limits.body_bytes / SLOWEST_BYTES_PER_S


class AmbiguousHead(Exception):
    """Others would read the head of that request in another way."""


class Connection(HttpToolsProtocol):
    """A connection within limits. `limits`, `metrics` and `unfinished` are set on a subclass of each worker's own."""

    limits: Limits
    metrics: Metrics
    unfinished: Unfinished
    _waits: Literal["", "head", "body"] = ""  # for the rest of what, of a request that has begun
    _head_bytes = -1  # of pieces after that in which it began
    _held_bytes = _dropped_bytes = 0
    _pauses = _unread_bytes = 0
    _before: RequestResponseCycle | None = None  # of the request before that whose body comes
    _ends = False  # after the answers under way: what comes now is read by nobody

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            self.refuse(
                503,
                "too-many-connections",
                "the server has as many connections as it can hold",
                f"that is {self.limits.connections:,} for this process",
                "try again later; close connections that are not needed",
            )

    def data_received(self, data: bytes) -> None:
        if self._ends:
            return
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as ended:
            self._go_on_without_upgrade(memoryview(data)[ended.args[0] :])
        except httptools.HttpParserError as error:
            self._refuse_unparsed(error)
        if self._waits and not self.transport.is_closing():
            self._hold(len(data))

    def _go_on_without_upgrade(self, rest: memoryview) -> None:
        """Read on after the head of a request that offers another protocol, as if it offered none (RFC 9110, 7.8).

        The parser leaves such a request without its body, for whoever speaks the other protocol. So another one gets the head without
        the offer, and what came after it.
        """
        try:
            while True:  # several may have come in one piece
                if self.parser.get_method() == b"CONNECT":  # what follows is for somebody else in any case
                    self.refuse(
                        405,
                        "method-not-allowed",
                        "CONNECT is not possible here",
                        "this server is no proxy",
                        "ask it directly; /openapi.json describes its addresses",
                    )
                    return
                head = self._head_without_upgrade()
                self._begin_to_parse()
                try:
                    self.parser.feed_data(head)
                    self.parser.feed_data(rest)
                except httptools.HttpParserUpgrade as ended:
                    rest = rest[ended.args[0] :]
                else:
                    return
        except httptools.HttpParserError as error:
            self._refuse_unparsed(error)

    def _head_without_upgrade(self) -> bytes:
        """The head that has just come, without what it offers."""
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())]
        for name, value in self.headers:
            if name == b"connection":
                value = b", ".join(one for one in _listed(value) if one.lower() not in _OF_UPGRADE)
            if name not in _OF_UPGRADE:
                lines.append(b"%b: %b" % (name, value))
        return b"\r\n".join([*lines, b"", b""])

    def _begin_to_parse(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own: see there

    def _hold(self, size: int) -> None:
        """Count what came of a request that has no end yet."""
        limits = self.limits
        if self._waits == "head":
            # where it has begun in this piece, others may stand before it
            self._head_bytes = 0 if self._head_bytes < 0 else self._head_bytes + size
            if self._head_bytes > HEAD_BYTES or len(self.headers) > MOST_HEADERS:
                self.refuse(
                    431,
                    "head-too-large",
                    f"the head of the request is longer than {HEAD_BYTES:,} bytes, or has more than {MOST_HEADERS} headers",
                    "address and headers together must be shorter",
                    "send less in headers, and rows in the body",
                )
                return
        elif self.cycle.response_complete:  # refused by its head: the rest is thrown away, within limits
            self._dropped_bytes += size
            if self._dropped_bytes > limits.body_bytes:
                self.transport.close()
            return
        self._held_bytes = min(self._held_bytes + size, limits.body_bytes)  # of a larger body no more is held
        self.unfinished.came(self, self._held_bytes)

    def _let_go(self) -> None:
        """Nothing of an unfinished request is held any more."""
        if self._held_bytes:
            self._held_bytes = 0
            self.unfinished.gone(self)

    def _let_go_of_refused(self) -> None:
        """Where the request that comes has its answer already, by its head. (An answer may be that of a request before it.)"""
        if self._held_bytes and self._waits == "body" and self.cycle.response_complete:
            self._let_go()

    def give_way(self) -> None:
        """End this connection, because it has been silent for longest of those that fill the memory for unfinished requests."""
        self.refuse(
            503,
            "too-much-unfinished",
            "the server holds as much of unfinished requests as it may",
            f"that is {self.limits.unfinished_bytes:,} bytes in this process, and this request was silent for longest",
            "send it again at once, without pauses; over a slow network, fewer rows in one request",
        )

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._waits = "head"
        self._head_bytes, self._dropped_bytes = -1, 0

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():  # it comes again without that
            return
        hosts = [name for name, _ in self.headers].count(b"host")
        if hosts > 1 or (not hosts and self.parser.get_http_version() == "1.1"):
            raise AmbiguousHead(f"it must have one Host header (RFC 9112, 3.2), and has {hosts}")
        self._waits = "body"
        self._before = self.cycle
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        if self._waits == "head":
            return
        self._waits = ""
        self._let_go()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self._let_go_of_refused()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._let_go()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._pauses += 1
        self._unread_bytes = self.transport.get_write_buffer_size()

    def _refuse_unparsed(self, error: httptools.HttpParserError) -> None:
        """What is no HTTP, or no clear one: in the shape in which everything is refused."""
        raised = error.__context__  # the parser tells what its callbacks raise in this way
        if isinstance(raised, AmbiguousHead):
            self.refuse(400, "bad-http", "the head of the request is ambiguous", str(raised), "send one Host header")
        else:
            self.refuse(400, "bad-http", "the request is no HTTP", "it cannot be parsed", "use a client for HTTP/1.1")

    def refuse(self, status: int, code: str, what: str, why: str, way_out: str) -> None:
        """Answer by hand, and close. Where another answer is under way nothing is written into it: the connection ends with that one."""
        self._let_go()
        last = self._unanswered()
        if last is not None:
            self._end_after(last)
            return
        if self._is_answering() or self.transport.is_closing():
            self.transport.close()
            return
        self.metrics.request("other", status)
        content = error_body({"code": code, "what": what, "why": why, "try": way_out, "path": ""})
        head = (
            f"HTTP/1.1 {status} {_PHRASES[status]}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(content)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + content)
        self.transport.close()

    def _unanswered(self) -> RequestResponseCycle | None:
        """The last request before that which comes now, where its answer is still under way (and with it perhaps those before)."""
        last = self._before if self._waits == "body" else self.cycle
        return None if last is None or last.response_complete else last

    def _end_after(self, last: RequestResponseCycle) -> None:
        """Answer what came whole, up to `last`, and close; what comes after it is dropped."""
        last.keep_alive = False
        if self._waits == "body":  # that one is the newest of those that wait for their turn
            self.pipeline.popleft()
            self.cycle = last
        self._waits, self._ends = "", True

    def waits_for(self) -> tuple[str, object]:
        """What this connection waits for, and something that stays the same object for as long as it is the same wait."""
        if self.flow is not None and self.flow.write_paused:
            # until it has read almost all of it: a byte now and then does not begin the wait anew
            return "reader", self._pauses
        if self.scope is None:
            return "first", self
        if self._unanswered() is not None:  # those before it are answered first
            return "", None
        return self._waits, self.scope

    def time_for(self, what: str) -> float:
        """How long it may wait for that."""
        limits = self.limits
        if what == "body":
            return limits.body_s + self._body_bytes() / SLOWEST_BYTES_PER_S
        if what == "reader":
            return limits.send_s + self._unread_bytes / SLOWEST_BYTES_PER_S
        return {"first": limits.idle_s, "head": limits.header_s}[what]

    def _body_bytes(self) -> int:
        for name, value in self.scope["headers"]:
            if name == b"content-length":
                return min(int(value), self.limits.body_bytes)
        return self.limits.body_bytes

    def overdue(self, what: str) -> None:
        """End it: it has waited too long."""
        if what == "reader":
            self.transport.abort()
        elif what == "first":
            self.transport.close()
        else:
            self.refuse(
                408,
                "too-slow",
                f"the {what} of the request did not arrive in time",
                f"it has {self.time_for(what):g} s",
                "send it at once; over a slow network, fewer rows in one request",
            )

    def _is_answering(self) -> bool:
        """Whether part of the answer to the request that comes has left already, into which no other may be written."""
        return self._waits == "body" and self.cycle.response_started


async def end_what_is_slow(connections: Set[Any]) -> None:
    """Look at all connections each second, until cancelled."""
    known: dict[Connection, tuple[str, object, float]] = {}
    while True:
        await asyncio.sleep(_LOOK_S)
        now = monotonic()
        waiting: dict[Connection, tuple[str, object, float]] = {}
        for one in list(connections):
            connection = cast("Connection", one)
            what, mark = connection.waits_for()
            if not what:
                continue
            before = known.get(connection)
            is_same = before is not None and before[0] == what and (before[1] is mark or before[1] == mark)
            since = before[2] if before is not None and is_same else now
            if now - since >= connection.time_for(what):
                connection.overdue(what)
            else:
                waiting[connection] = what, mark, since
        known = waiting


def _listed(value: bytes) -> list[bytes]:
    """The members of a header that is a list."""
    return [one.strip() for one in value.split(b",") if one.strip()]


_OF_UPGRADE = frozenset({b"upgrade", b"http2-settings"})


def _most_files() -> int:
    """Raise the number of files that this process may hold open to what the system lets it have, and give it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = min(hard, 1 << 20) if hard != resource.RLIM_INFINITY else 1 << 20
    if soft == resource.RLIM_INFINITY or soft >= most:
        return most
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (ValueError, OSError) as error:  # the system has a limit beside the one that it names
        log.warning("this process may hold no more than %d files open: %s", soft, error)
        return soft
    return most


_PHRASES = {
    400: "Bad Request",
    405: "Method Not Allowed",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}
