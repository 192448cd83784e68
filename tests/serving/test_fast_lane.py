"""Requests of every shape on raw sockets: the fast lane and the usual way give the same answers."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from penstock.serving.connections import limits_of
from penstock.serving.fast_lane import PredictProtocol
from penstock.serving.journal import read
from penstock.serving.settings import ServeSettings
from penstock.serving.slots import SlotState
from penstock.testing.toy_bundle import ROWS

if TYPE_CHECKING:
    from tests.serving.conftest import Server

BODY = json.dumps({"rows": [ROWS[0]]}).encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all of them."""
    from tests.serving.conftest import Server

    from penstock.bundle.runtime import Bundle
    from penstock.serving.switching import fill_and_switch
    from penstock.testing.toy_bundle import write_toy_bundle

    folder = tmp_path_factory.mktemp("lane")
    bundle = write_toy_bundle(folder / "toy")
    fill_and_switch(folder / "serving", bundle, model="toy", version=1, digest=Bundle.load(bundle).digest)
    started = Server(folder / "serving", "--settings", '{"max_body_bytes": 200000, "keep_alive_s": 1}')
    yield started
    started.close()


def head(length: int | str, *more: str, path: str = "/predict", version: str = "1.1") -> bytes:
    lines = [f"POST {path} HTTP/{version}", "host: x", "content-type: application/json", *more]
    if length != "":
        lines.append(f"content-length: {length}")
    return "\r\n".join([*lines, "", ""]).encode()


class Wire:
    """A connection on which responses are read one by one."""

    def __init__(self, server: Server) -> None:
        self._socket = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        self._left = b""

    def send(self, *parts: bytes, pause_s: float = 0.0) -> None:
        for part in parts:
            self._socket.sendall(part)
            time.sleep(pause_s)

    def read(self) -> tuple[int, dict[str, str], Any]:
        """Status, headers, JSON."""
        while b"\r\n\r\n" not in self._left:
            self._more()
        lines, _, self._left = self._left.partition(b"\r\n\r\n")
        first, *rest = lines.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in rest)
        while len(self._left) < int(headers.get("content-length", 0)):
            self._more()
        size = int(headers.get("content-length", 0))
        body, self._left = self._left[:size], self._left[size:]
        return int(first.split()[1]), headers, json.loads(body) if body else None

    def is_closed(self) -> bool:
        return self._left == b"" and self._socket.recv(1) == b""

    def close(self) -> None:
        self._socket.close()

    def _more(self) -> None:
        chunk = self._socket.recv(65536)
        if not chunk:
            raise ConnectionError("closed")
        self._left += chunk


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    made = Wire(server)
    yield made
    made.close()


def chunked(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


def probabilities(reply: Any) -> Any:
    return reply["predictions"][0]["probabilities"]


def test_every_way_to_send_a_request_gives_the_same_answer(wire: Wire) -> None:
    """Whole, in pieces, chunked, asking first, with an address that is written otherwise."""
    ways = {
        "whole": [head(len(BODY)) + BODY],
        "pieces": [head(len(BODY)), BODY[:7], BODY[7:20], BODY[20:]],
        "byte by byte": [bytes([byte]) for byte in head(len(BODY)) + BODY],
        "chunked": [head("", "transfer-encoding: chunked"), chunked(BODY)],
        "with a query": [head(len(BODY), path="/predict?x=1") + BODY],
        "encoded": [head(len(BODY), path="/pre%64ict") + BODY],
    }
    answers = {}
    for name, parts in ways.items():
        wire.send(*parts)
        status, headers, reply = wire.read()
        assert (status, headers["content-type"]) == (200, "application/json"), name
        assert "date" in headers
        answers[name] = json.dumps(probabilities(reply))
    wire.send(head(len(BODY), "expect: 100-continue"))
    assert wire.read()[0] == 100
    wire.send(BODY)
    answers["asked first"] = json.dumps(probabilities(wire.read()[2]))
    assert len(set(answers.values())) == 1


def test_pipelined_requests_are_answered_in_their_order(wire: Wire) -> None:
    """Of both ways, mixed with other addresses, in one packet."""
    rows = [{"age": 20 + i} for i in range(6)]
    bodies = [json.dumps({"rows": [row]}).encode() for row in rows]
    wire.send(b"".join(head(len(body)) + body for body in bodies) + b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
    got = [probabilities(wire.read()[2]) for _ in bodies]
    assert wire.read()[2] == {"status": "live"}
    alone = []
    for body in bodies:
        wire.send(head(len(body)) + body)
        alone.append(probabilities(wire.read()[2]))
    assert got == alone


def test_a_client_that_wants_no_more_is_told_goodbye(server: Server) -> None:
    """connection: close, and HTTP/1.0."""
    for request in (head(len(BODY), "connection: close"), head(len(BODY), version="1.0")):
        wire = Wire(server)
        wire.send(request + BODY)
        status, headers, _ = wire.read()
        assert (status, headers["connection"]) == (200, "close")
        assert wire.is_closed()
        wire.close()


@pytest.mark.parametrize(
    ("more", "body", "status", "code"),
    [
        ((), b"{", 400, "bad-json"),
        ((), b"", 400, "bad-json"),
        ((), b'{"rows": [{"agee": 1}]}', 400, "unknown-field"),
        (("x-deadline-ms: never",), BODY, 400, "bad-deadline"),
        (("x-priority: urgent",), BODY, 400, "bad-priority"),
        (("origin: http://evil.example",), BODY, 403, "cross-origin"),
        (("origin: http://x",), BODY, 403, "unknown-host"),
        (("x-deadline-ms: 0.001",), BODY, 400, "deadline-too-short"),
        ((), b'{"rows": [' + b" " * 200_000 + b"]}", 413, "too-large"),
    ],
)
def test_a_refusal_is_told_and_the_connection_goes_on(
    wire: Wire, more: tuple[str, ...], body: bytes, status: int, code: str
) -> None:
    """In the one shape of errors; the next request on the connection is answered."""
    wire.send(head(len(BODY)) + BODY)
    assert wire.read()[0] == 200
    wire.send(head(len(body), *more) + body)
    got, headers, reply = wire.read()
    assert (got, reply["error"]["code"]) == (status, code)
    assert "retry-after" not in headers
    wire.send(head(len(BODY)) + BODY)
    assert wire.read()[0] == 200


def test_a_refused_head_does_not_wait_for_its_body(wire: Wire) -> None:
    """And the body that follows is passed over."""
    wire.send(head(len(BODY), "origin: http://evil.example"))
    assert wire.read()[0] == 403
    wire.send(BODY, head(len(BODY)) + BODY)
    assert wire.read()[0] == 200


@pytest.mark.parametrize("garbage", [b"\x00" * 100, b"POST /predict\r\n\r\n", head("ten") + BODY, head(-1) + BODY])
def test_what_is_no_http_closes_its_connection_alone(server: Server, wire: Wire, garbage: bytes) -> None:
    """Others are answered."""
    bad = Wire(server)
    bad.send(garbage)
    try:
        status, *_ = bad.read()
    except (ConnectionError, json.JSONDecodeError):
        status = 400
    assert status == 400
    bad.close()
    wire.send(head(len(BODY)) + BODY)
    assert wire.read()[0] == 200


def test_an_idle_connection_is_closed_and_a_busy_one_is_not(server: Server) -> None:
    """After `keep_alive_s` without a request, counted from the last answer."""
    for _ in range(10):
        wire = Wire(server)
        began = last = time.monotonic()
        while (now := time.monotonic()) - began < 1.6 and now - last < 0.8:
            wire.send(head(len(BODY)) + BODY)
            assert wire.read()[0] == 200
            last = time.monotonic()
            time.sleep(0.3)
        if now - began >= 1.6:
            break
        wire.close()  # this machine had so much else to do that the connection was idle for almost as long as it may be
    else:
        pytest.fail("the connection was never kept busy")
    assert wire.is_closed()
    assert 0.5 < time.monotonic() - last < 10, "not the 65 seconds that others have"
    wire.close()


def test_a_client_that_leaves_before_its_body_is_whole_is_counted(server: Server) -> None:
    """As one that went away, and nothing of it is journalled."""

    def gone() -> int:
        metrics = Wire(server)
        metrics.send(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        text = b""
        while chunk := metrics._socket.recv(65536):
            text += chunk
        lines = [line for line in text.decode().splitlines() if 'route="predict",status="499"' in line]
        return int(float(lines[0].split()[-1])) if lines else 0

    before, records = gone(), len(list(read(server.state_dir / "journal")))
    wire = Wire(server)
    wire.send(head(len(BODY)) + BODY[:10])
    wire.close()
    deadline = time.monotonic() + 60
    while gone() == before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert gone() == before + 1
    assert len(list(read(server.state_dir / "journal"))) == records


def test_the_time_in_the_queue_is_part_of_the_latency(server: Server) -> None:
    """Forty requests at once on as many connections: the later ones have waited for the earlier ones, and say so. A busy machine may
    deliver them one by one, so that nobody waits: then they are sent again."""
    for _ in range(5):
        latencies = at_once(server, 40)
        if max(latencies) > 2 * min(latencies):
            return
    pytest.fail(f"nobody has waited: {min(latencies)} to {max(latencies)} ms")


def at_once(server: Server, requests: int) -> list[float]:
    """How long each of so many requests took, in milliseconds, as the journal has it."""
    wires = [Wire(server) for _ in range(requests)]
    start = threading.Barrier(len(wires))

    def send(wire: Wire) -> None:
        start.wait()
        wire.send(head(len(BODY)) + BODY)

    threads = [threading.Thread(target=send, args=(wire,)) for wire in wires]
    for thread in threads:
        thread.start()
    ids = {wire.read()[2]["predictions"][0]["id"] for wire in wires}
    for thread in threads:
        thread.join()
    latencies = [
        r.latency_ms for r in read(server.state_dir / "journal", kinds=["predict"]) if r.answers[0]["id"] in ids
    ]
    assert len(latencies) == len(ids) == requests
    for wire in wires:
        wire.close()
    return latencies


def test_the_protocol_belongs_to_its_worker(
    deploy: Callable[..., SlotState], open_client: Callable[..., Any], tmp_path: Path
) -> None:
    """Two workers in one process do not answer for each other."""
    deploy(1)
    one, other = open_client(), open_client()
    protocols = [PredictProtocol.of(client.app.lane, limits_of(ServeSettings())) for client in (one, other)]
    assert [protocol.lane for protocol in protocols] == [one.app.lane, other.app.lane]


def test_no_way_leads_past_the_tokens(deploy: Callable[..., SlotState], start_server: Callable[..., Server]) -> None:
    """Where consumers are declared, a request without a token is refused on both ways, before its body is read."""
    deploy(1)
    server = start_server("--settings", '{"consumers": "declared"}')
    for more, body in (((), BODY), (("transfer-encoding: chunked",), chunked(BODY)), (("x-request-id: a-1",), BODY)):
        wire = Wire(server)
        wire.send(head(len(BODY) if "transfer-encoding: chunked" not in more else "", *more))
        status, headers, reply = wire.read()
        assert (status, reply["error"]["code"]) == (401, "no-token")
        assert headers["www-authenticate"].startswith("Bearer")
        assert ("x-request-id" in headers) == (more == ("x-request-id: a-1",))
        wire.send(body)
        wire.close()
    assert list(read(server.state_dir / "journal")) == []
