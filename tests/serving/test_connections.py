"""One connection on which requests stand one behind the other: what ends the last of them takes no answer from those before it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any, cast

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from penstock.serving.connections import Connection, Limits
from penstock.serving.fast_lane import Call, PredictProtocol
from penstock.serving.unfinished import Unfinished

HEAD = b"POST /%b HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n"
LIMITS = Limits(1, 1, 1, 1, body_bytes=1_000_000, connections=9, unfinished_bytes=10_000_000)


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.is_closed = b"", False

    def write(self, data: Any) -> None:
        if not self.is_closed:
            self.written += bytes(data)

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    @property
    def statuses(self) -> list[int]:
        return [int(part[:3]) for part in self.written.split(b"HTTP/1.1 ")[1:]]


class Talk:
    """A connection to an application that answers, by its address, where the test lets it."""

    def __init__(self, protocol: type[Connection] = Connection, **attributes: Any) -> None:
        self.answered: dict[str, asyncio.Event] = {}
        self.asked: list[str] = []
        own = {
            "limits": LIMITS,
            "metrics": SimpleNamespace(request=lambda *_: None),
            "unfinished": Unfinished(LIMITS.unfinished_bytes),
            **attributes,
        }
        config = Config(self._app, interface="asgi3", log_config=None, lifespan="off", access_log=False)
        config.load()
        self.connection = cast("Any", type("Own", (protocol,), own))(config, ServerState(), {})
        self.wire = Wire()
        self.connection.connection_made(self.wire)

    def send(self, data: bytes) -> None:
        self.connection.data_received(data)

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.append(scope["path"])
        while (await receive()).get("more_body"):
            pass
        await self.answered.setdefault(scope["path"], asyncio.Event()).wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    async def answer(self, path: str) -> None:
        await self.until(lambda: path in self.asked)
        self.answered.setdefault(path, asyncio.Event()).set()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not holds():
                await asyncio.sleep(0)


def played(talk: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(talk())


PARTS = {
    "head": HEAD[:20] + b"x",
    "body": HEAD % (b"last", 9) + b"half",
}


def _fills(talk: Talk) -> None:
    talk.connection.give_way()


def _floods(talk: Talk) -> None:
    for number in range(300):
        talk.send(b"\r\nx-%d: %b" % (number, b"v" * 300))


def _babbles(talk: Talk) -> None:
    talk.send(b"\r\n\x00\x01\x02\r\n\r\n")


@pytest.mark.parametrize(
    ("part", "end"),
    [("head", _fills), ("body", _fills), ("head", _floods), ("head", _babbles)],
    ids=["memory, head", "memory, body", "long head", "no HTTP"],
)
@pytest.mark.parametrize("before", [1, 3])
def test_what_came_whole_is_answered_before_a_connection_ends(
    part: str, end: Callable[[Talk], None], before: int
) -> None:
    """No refusal of the last request is written as if it answered the first."""

    async def talk() -> None:
        one = Talk()
        paths = [f"/{number}" for number in range(before)]
        one.send(b"".join(HEAD % (path[1:].encode(), 2) + b"hi" for path in paths) + PARTS[part])
        await one.until(lambda: one.asked == paths[:1])
        end(one)
        assert one.wire.statuses == []
        assert not one.wire.is_closed
        assert one.connection.unfinished.held == 0
        one.send(b"more of it" * 1000)  # read by nobody
        assert one.connection.unfinished.held == 0
        for path in paths:
            await one.answer(path)
        await one.until(lambda: one.wire.is_closed)
        assert one.wire.statuses == [200] * before
        assert one.wire.written.endswith(b"connection: close\r\n\r\nok")
        assert one.asked == paths

    played(talk)


def test_what_is_refused_with_nothing_before_it_is_told_why() -> None:
    async def talk() -> None:
        for part in PARTS.values():
            one = Talk()
            one.send(HEAD % (b"first", 2) + b"hi")
            await one.answer("/first")
            await one.until(lambda: one.wire.statuses == [200])  # noqa: B023  # of this turn
            one.send(part)
            one.connection.give_way()
            assert one.wire.statuses == [200, 503]
            assert one.wire.is_closed

    played(talk)


@pytest.mark.parametrize("part", PARTS)
def test_who_waits_for_an_answer_is_not_late_with_the_next_request(part: str) -> None:
    async def talk() -> None:
        one = Talk()
        one.send(HEAD % (b"first", 2) + b"hi" + PARTS[part])
        assert one.connection.waits_for()[0] == ""
        await one.answer("/first")
        await one.until(lambda: one.wire.statuses == [200])
        assert one.connection.waits_for()[0] == part

    played(talk)


class _Lane:
    """Takes requests of the fast lane, and leaves the answer to the test."""

    is_watched, largest = False, 1_000_000
    worker = SimpleNamespace(callers=SimpleNamespace(is_open=True))

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def ask(self, call: Call, body: bytes) -> None:
        self.calls.append(call)

    def came_ns(self) -> int:
        return 0


@pytest.mark.parametrize("is_fast", [True, False], ids=["fast", "usual"])
def test_an_answer_lets_nothing_go_of_the_request_after_it(is_fast: bool) -> None:
    """What is held of that one's head is counted until it has come whole."""

    async def talk() -> None:
        lane = _Lane()
        one = Talk(PredictProtocol, lane=lane)
        path = b"predict" if is_fast else b"first"
        one.send(HEAD % (path, 2) + b"hi" + HEAD[:20])
        held = one.connection.unfinished.held
        assert held > 0
        if is_fast:
            lane.calls[0]._send(200, b"ok")
        else:
            await one.answer("/first")
        await one.until(lambda: one.wire.statuses == [200])
        assert one.connection.unfinished.held == held
        one.connection.give_way()
        assert one.wire.statuses == [200, 503]

    played(talk)


def test_a_fast_answer_under_way_is_the_last_of_its_connection() -> None:
    async def talk() -> None:
        lane = _Lane()
        one = Talk(PredictProtocol, lane=lane)
        one.send(HEAD % (b"predict", 2) + b"hi" + HEAD[:20])
        one.connection.give_way()
        assert one.wire.statuses == []
        lane.calls[0]._send(200, b"ok")
        assert one.wire.statuses == [200]
        assert one.wire.is_closed

    played(talk)
