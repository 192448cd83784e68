"""Clients that are slow, broken or hostile, against a real server: each is refused or cut off, and all others are answered meanwhile."""

from __future__ import annotations

import gzip
import json
import random
import resource
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from penstock.serving.connections import Connection, Limits
from penstock.serving.slots import SlotState
from penstock.testing.toy_bundle import ROWS

if TYPE_CHECKING:
    from tests.serving.conftest import Server

Deploy = Callable[..., SlotState]
Start = Callable[..., "Server"]
BODY = json.dumps({"rows": [ROWS[0]]}).encode()
FAST = '{"header_timeout_s": 1, "body_timeout_s": 1, "keep_alive_s": 2, "max_body_bytes": 64000}'


def head(*headers: str, method: str = "POST", path: str = "/predict", length: int | None = None) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: localhost", "content-type: application/json", *headers]
    if length is not None:
        lines.append(f"content-length: {length}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


@contextmanager
def connected(server: Server) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        yield connection


def reply(connection: socket.socket) -> bytes:
    """All that comes until the server closes, or one answer whose length is told."""
    got = b""
    while True:
        try:
            part = connection.recv(65536)
        except ConnectionResetError:
            return got
        got += part
        top, found, body = got.partition(b"\r\n\r\n")
        if not part:
            return got
        if found and b"content-length:" in top.lower():
            length = int(top.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            if len(body) >= length:
                return got


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def send(server: Server, data: bytes) -> tuple[int, dict[str, Any]]:
    """What one request by hand is answered: status, and the error in our shape."""
    with connected(server) as connection:
        with suppress(ConnectionResetError, BrokenPipeError):
            connection.sendall(data)
        answer = reply(connection)
    status = status_of(answer)
    content = answer.partition(b"\r\n\r\n")[2]
    return status, json.loads(content)["error"] if status >= 400 else json.loads(content)


def is_well(server: Server) -> bool:
    return server.ask("POST", "/predict", {"rows": [ROWS[0]]})[0] == 200


@pytest.fixture(scope="module")
def server(shared_server: Start) -> Server:
    """With short times, shared by these tests: what one does to it shows in the next."""
    return shared_server("--settings", FAST)


# ---------------------------------------------------------------- slow


@pytest.mark.parametrize(
    ("begun", "says"),
    [
        (b"POST /pre", b"408"),
        (b"POST /predict HTTP/1.1\r\nhost: x\r\nx-a: 1", b"408"),
        (head(length=500) + b'{"rows"', b"408"),
        (head("transfer-encoding: chunked") + b'5\r\n{"row', b"408"),
        (b"", b""),
    ],
    ids=["in the line", "in the headers", "in the body", "in a chunk", "before anything"],
)
def test_who_does_not_finish_is_cut_off(server: Server, begun: bytes, says: bytes) -> None:
    """With 408 where a request has begun, within its time; others are answered all the while."""
    with connected(server) as connection:
        connection.sendall(begun)
        started = time.monotonic()
        assert is_well(server)
        answer = reply(connection)
        assert time.monotonic() - started < 9, "not the ten seconds that others have"
    assert answer[9:12] == says
    assert is_well(server)


def test_a_byte_now_and_then_does_not_keep_a_connection(server: Server) -> None:
    """A slow loris: the time runs from the first byte, not from the last."""
    with connected(server) as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\n")
        started = time.monotonic()
        closed = False
        while not closed and time.monotonic() - started < 9:
            try:
                connection.sendall(b"x-a: b\r\n")
                time.sleep(0.2)
            except OSError:
                closed = True
        assert closed


def test_who_does_not_read_the_answers_is_cut_off(deploy: Deploy, start_server: Start) -> None:
    """Requests without end, answers never read: memory stays what it is, and the connection ends."""
    deploy(1)
    server = start_server("--settings", '{"header_timeout_s": 1, "body_timeout_s": 1, "keep_alive_s": 60}')
    rows = json.dumps({"rows": [ROWS[0]] * 100}).encode()
    request = head(length=len(rows)) + rows
    with connected(server) as connection:
        connection.settimeout(8)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with pytest.raises(OSError):  # reset, or a broken pipe: the system says
            _send_for_ever(connection, request)
    assert is_well(server)
    assert _resident_mb(server) < 400


def test_the_wait_for_a_reader_goes_on_while_it_takes_a_little() -> None:
    """It begins when the transport has too much to send, and a smaller rest is neither another wait nor one with less time."""
    connection = object.__new__(Connection)
    left = [640_000]
    connection.flow = SimpleNamespace(write_paused=True, pause_writing=lambda: None)  # type: ignore[assignment]
    connection.transport = SimpleNamespace(get_write_buffer_size=lambda: left[0])  # type: ignore[assignment]
    connection.limits = Limits(1, 1, 1, send_s=5, body_bytes=1, connections=1, unfinished_bytes=1)
    connection.pause_writing()
    before = connection.waits_for()
    left[0] -= 10
    assert connection.waits_for() == before
    assert connection.time_for("reader") == 15  # 5 s, and one for each 64 kB
    connection.pause_writing()  # it had read almost all, and there is more
    assert connection.waits_for() != before


def test_a_connection_that_was_refused_by_its_headers_waits_for_the_next_request(
    deploy: Deploy, start_server: Start
) -> None:
    """A request without a token is answered before its body is there; once that has come, the connection is idle, not slow."""
    deploy(1)
    settings = '{"consumers": "declared", "header_timeout_s": 1, "body_timeout_s": 1, "keep_alive_s": 60}'
    server = start_server("--settings", settings)
    with connected(server) as connection:
        connection.settimeout(30)
        for pause_s in (5, 0):  # far longer than a body has
            connection.sendall(head(length=len(BODY)) + BODY)
            assert status_of(reply(connection)) == 401
            time.sleep(pause_s)


def test_a_request_that_was_refused_by_its_head_fills_no_memory(deploy: Deploy, start_server: Start) -> None:
    """By strangers without a token: a hundred megabytes of bodies that nobody reads."""
    deploy(1)
    server = start_server("--settings", '{"consumers": "declared"}')
    with connected(server) as connection:
        connection.sendall(head(length=len(BODY)) + BODY)
        assert status_of(reply(connection)) == 401
    before = _resident_mb(server)
    with ExitStack() as held:
        for _ in range(12):
            connection = held.enter_context(connected(server))
            connection.sendall(head(length=10_000_000))
            assert status_of(reply(connection)) == 401
            for _ in range(9):
                connection.sendall(bytes(1_000_000))
        assert server.ask("GET", "/healthz")[0] == 200
        assert _resident_mb(server) - before < 40


@pytest.mark.parametrize("kind", ["content-length: 100000000", "transfer-encoding: chunked"])
def test_the_rest_of_a_refused_request_is_not_read_for_ever(server: Server, kind: str) -> None:
    """After as much as a body may have the connection is closed."""
    for path in ("/predict", "/labels"):
        with connected(server) as connection:
            connection.sendall(head("origin: http://evil.example", kind, path=path))
            assert status_of(reply(connection)) == 403
            with pytest.raises(OSError):  # reset, or a broken pipe: the system says
                _send_for_ever(connection, b"186A0\r\n" + bytes(100_000) + b"\r\n")
    assert is_well(server)


def test_of_unfinished_requests_no_more_is_held_than_the_server_may(deploy: Deploy, start_server: Start) -> None:
    """Over all connections: who has been silent for longest gives way, who sends at once is answered."""
    deploy(1)
    server = start_server("--settings", '{"max_body_bytes": 1000000, "max_unfinished_bytes": 2200000}')
    large = json.dumps({"rows": [ROWS[0]], "filler": "x" * 900_000}).encode()
    with ExitStack() as held:
        silent = [held.enter_context(connected(server)) for _ in range(4)]
        for connection, path in zip(silent, ("/predict", "/labels", "/predict", "/invocations"), strict=True):
            connection.sendall(head(path=path, length=900_001) + bytes(900_000))
            for _ in range(5):
                assert is_well(server)  # meanwhile what was sent has been read
        for connection in silent[:2]:
            answer = reply(connection)
            assert status_of(answer) == 503
            assert b"too-much-unfinished" in answer
        with connected(server) as connection:
            connection.sendall(head(length=len(large)) + large)
            assert status_of(reply(connection)) == 400  # as an unknown field: it was read
        assert status_of(reply(silent[2])) == 503
        silent[3].sendall(b"}")
        assert status_of(reply(silent[3])) == 400


def test_a_flood_of_small_headers_is_refused_before_it_ends(server: Server) -> None:
    """Each costs far more than its four bytes."""
    with connected(server) as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\n" + b"a:\r\n" * 300)
        assert status_of(reply(connection)) == 431


def _send_for_ever(connection: socket.socket, data: bytes) -> None:
    while True:
        connection.sendall(data)


def test_thousands_of_idle_connections_do_not_keep_others_from_an_answer(server_of_many: Server) -> None:
    """Two thousand that say nothing."""
    _hold_idle(server_of_many, 2000)


@pytest.mark.slow
def test_ten_thousand_idle_connections_do_not_keep_others_from_an_answer(server_of_many: Server) -> None:
    """As many as one machine has ports for a neighbour."""
    _hold_idle(server_of_many, 10_000)


@pytest.fixture(scope="module")
def server_of_many(shared_server: Start) -> Server:
    return shared_server()


def _hold_idle(server: Server, count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = hard if hard != resource.RLIM_INFINITY else 1 << 20
    if most < count + 200:
        pytest.skip(f"this process may open {most} files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count + 200), hard))
    before = _resident_mb(server)
    with ExitStack() as held:
        held.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        for number in range(count):
            connection = held.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=30))
            if number % 2:
                connection.sendall(b"POST /predict HTTP/1.1\r\n")  # half of them have begun
        started = time.monotonic()
        for _ in range(20):
            assert is_well(server)
        assert time.monotonic() - started < 30
        assert _resident_mb(server) - before < 12 + count * 0.02
    assert is_well(server)


def test_more_connections_than_the_process_can_hold_are_refused(deploy: Deploy, start_server: Start) -> None:
    """With 503, and room again when others go; the server does not spin and does not die."""
    deploy(1)
    server = start_server("--settings", '{"max_connections": 72}')
    with ExitStack() as held:
        connections = [held.enter_context(connected(server)) for _ in range(90)]
        refused = [c for c in connections[72:] if status_of(reply(c)) == 503]
        assert len(refused) >= 10
    time.sleep(0.3)
    assert is_well(server)


# ---------------------------------------------------------------- malformed


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"POST /predict HTTP/9.9\r\nhost: x\r\n\r\n",
        b"POST /predict HTTP/1.1\r\ncontent-length: many\r\n\r\n",
        b"POST /predict HTTP/1.1\r\ncontent-length: -5\r\n\r\n",
        b"POST /predict HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
        b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nhost x\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nbad\x00name: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 64,
    ],
)  # fmt: skip
def test_what_is_no_http_is_refused_and_closed(server: Server, data: bytes) -> None:
    """400 in the one shape of refusals; never two meanings of one request."""
    status, error = send(server, data)
    assert (status, error["code"]) == (400, "bad-http")
    assert is_well(server)


def test_a_flood_of_headers_is_refused(server: Server) -> None:
    """One that never ends, one of a thousand, one of a megabyte."""
    endless = b"POST /predict HTTP/1.1\r\nhost: x\r\n" + b"".join(
        b"x-%d: %b\r\n" % (n, b"v" * 50) for n in range(40_000)
    )
    assert send(server, endless)[0] in (0, 431)  # 0: the answer came while we wrote, and the system dropped it
    status, error = send(server, head(*(f"x-{n}: v" for n in range(1000)), length=len(BODY)) + BODY)
    assert (status, error["code"]) == (431, "head-too-large")
    assert send(server, head("x-a: " + "v" * 1_000_000, length=len(BODY)) + BODY)[0] in (0, 431)
    assert send(server, head(path="/predict?" + "q" * 1_000_000, length=len(BODY)) + BODY)[0] in (0, 431)
    assert is_well(server)
    assert _resident_mb(server) < 400


def test_rubbish_never_harms(deploy: Deploy, start_server: Start) -> None:
    """Three hundred requests with random bytes changed, cut or doubled: an answer below 500, or none, and no trace on stderr."""
    deploy(1)
    server = start_server("--settings", FAST)
    rng = random.Random(7)
    whole = head("x-request-id: a", length=len(BODY)) + BODY
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(len(data))
            kind = rng.random()
            if kind < 0.6:
                data[at] = rng.randrange(256)
            elif kind < 0.8:
                del data[at:]
            else:
                data[at:at] = data[: rng.randrange(40)]
            if not data:
                data = bytearray(b"x")
        with connected(server) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            connection.settimeout(5)
            assert status_of(reply(connection)) < 500
    assert is_well(server)
    server.stop()
    assert "Traceback" not in server.errors()


# ---------------------------------------------------------------- bodies


BODIES: list[tuple[str, bytes, int]] = [
    ("nan", b'{"rows": [{"age": NaN}]}', 400),
    ("infinity", b'{"rows": [{"age": Infinity}]}', 400),
    ("too large a number", b'{"rows": [{"age": 1e999}]}', 400),
    ("a number of many digits", b'{"rows": [{"age": ' + b"9" * 5000 + b"}]}", 400),
    ("deep lists", b"[" * 30_000, 400),
    ("deep objects", b'{"a":' * 10_000, 400),
    ("a deep field", b'{"rows": [{"age": ' + b"[" * 900 + b"]" * 900 + b"}]}", 400),
    ("a deep unknown field", b'{"rows": [{"zzz": ' + b"[" * 900 + b"]" * 900 + b"}]}", 400),
    ("lone surrogate", b'{"rows": [{"job": "\\ud800"}]}', 400),
    ("no utf-8", b'{"rows": [{"job": "\xff\xfe"}]}', 400),
    ("utf-16", '{"rows": []}'.encode("utf-16"), 400),
    ("a repeated key", b'{"rows": [], "rows": 5}', 400),
    ("null", b"null", 400),
    ("nothing", b"", 400),
    ("a text of one megabyte", b'{"rows": [{"note": "' + b"x" * 1_000_000 + b'"}]}', 413),
]


@pytest.mark.parametrize(("body", "status"), [case[1:] for case in BODIES], ids=[case[0] for case in BODIES])
def test_wild_json_is_refused_quickly(server: Server, body: bytes, status: int) -> None:
    """By every protocol that takes JSON: never a fault of ours, never a long wait."""
    for path in ("/predict", "/labels", "/invocations", "/v2/models/toy/infer", "/v1/models/toy:predict"):
        started = time.monotonic()
        with connected(server) as connection:
            connection.sendall(head(path=path, length=len(body)) + body)
            got = status_of(reply(connection))
        assert 400 <= got < 500, (path, got)
        if path == "/predict":
            assert got == status
        assert time.monotonic() - started < 15
    assert is_well(server)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "GZIP"])
def test_a_packed_body_is_refused_before_it_is_read(server: Server, encoding: str) -> None:
    """A bomb of a few bytes is not unpacked, by any protocol."""
    bomb = gzip.compress(b" " * 5_000_000)
    for path in ("/predict", "/labels", "/invocations", "/v2/models/toy/infer", "/v1/models/toy:predict"):
        with connected(server) as connection:
            connection.sendall(head(f"content-encoding: {encoding}", path=path, length=len(bomb)) + bomb)
            assert status_of(reply(connection)) == 415
    assert is_well(server)


def test_a_body_of_another_kind_is_refused_or_read_for_what_it_is(server: Server) -> None:
    """A form, XML, an image: refused as what they are not."""
    for body in (b"age=41&job=nurse", b"<rows><age>41</age></rows>", b"\x89PNG\r\n\x1a\n" + bytes(50)):
        assert send(server, head(length=len(body)) + body)[1]["code"] == "bad-json"
    with connected(server) as connection:
        connection.sendall(
            b"POST /invocations HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/xml\r\ncontent-length: 4\r\n\r\n<a/>"
        )
        assert status_of(reply(connection)) == 415


@pytest.mark.parametrize("wanted", ["websocket", "h2c", "TLS/1.0"])
def test_an_offer_to_upgrade_is_answered_as_if_it_were_not_there(server: Server, wanted: str) -> None:
    """Stock clients of Java offer HTTP/2 with every request that they send: with a body in one packet, in two, and in chunks."""
    offer = ("connection: Upgrade, HTTP2-Settings", f"upgrade: {wanted}", "http2-settings: AAEAAEAAAAIAAAAB")
    in_chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
    invocation = json.dumps({"dataframe_records": [ROWS[0]]}).encode()
    with connected(server) as connection:
        for path, body in (("/predict", BODY), ("/invocations", invocation), ("/predict?a", BODY)):
            whole = head(*offer, path=path, length=len(body)) + body
            for cut in (len(whole), len(whole) - len(body), len(whole) - 3, 100):
                connection.sendall(whole[:cut])
                assert is_well(server)  # so that the rest comes later
                connection.sendall(whole[cut:])
                assert status_of(reply(connection)) == 200, (path, cut)
        connection.sendall(head(*offer, "transfer-encoding: chunked") + in_chunks)
        assert status_of(reply(connection)) == 200
        connection.sendall(head(*offer, method="GET", path="/healthz"))
        assert status_of(reply(connection)) == 200
        connection.sendall(head(length=len(BODY)) + BODY)  # the connection is what it was
        assert status_of(reply(connection)) == 200
        connection.sendall(
            head("connection: close", "connection: upgrade", f"upgrade: {wanted}", length=len(BODY)) + BODY
        )
        answer = reply(connection)
        assert status_of(answer) == 200
        assert b"connection: close" in answer
        assert connection.recv(1) == b""


@pytest.mark.parametrize("offer", [(), ("connection: upgrade", "upgrade: h2c")], ids=["plain", "upgrade"])
def test_requests_one_behind_the_other_are_each_answered(
    deploy: Deploy, start_server: Start, offer: tuple[str, ...]
) -> None:
    """A hundred kilobytes of them, of which a packet ends within a head."""
    deploy(1)
    server = start_server()
    data = (head(*offer, method="GET", path="/healthz") + head(*offer, length=len(BODY)) + BODY) * 350
    data += head("connection: close", method="GET", path="/readyz")
    with connected(server) as connection:
        cut = data.index(b"host", 80_000)  # within a head
        connection.sendall(data[:cut])
        assert is_well(server)
        connection.sendall(data[cut:])
        got = b""
        while part := connection.recv(1 << 20):
            got += part
    assert got.count(b"HTTP/1.1 200") == 701


def test_there_is_no_tunnel(server: Server) -> None:
    with connected(server) as connection:
        connection.sendall(b"CONNECT localhost:22 HTTP/1.1\r\nhost: localhost\r\n\r\nSSH-2.0")
        assert status_of(reply(connection)) == 405
        assert connection.recv(1) == b""


@pytest.mark.parametrize("path", ["/predict", "/labels", "/v2"])
@pytest.mark.parametrize(
    "hosts", [[], ["localhost", "localhost"], ["localhost", "evil.example"]], ids=["none", "same", "two"]
)
def test_a_request_has_one_host(server: Server, path: str, hosts: list[str]) -> None:
    """What a proxy before it took for the name must not be another one than here."""
    lines = [f"POST {path} HTTP/1.1", *(f"host: {host}" for host in hosts), f"content-length: {len(BODY)}"]
    status, error = send(server, "\r\n".join(lines).encode() + b"\r\n\r\n" + BODY)
    assert (status, error["code"]) == (400, "bad-http")
    assert error["what"] == "the head of the request is ambiguous"
    assert "Host" in error["why"]
    assert error["try"] == "send one Host header"


@pytest.mark.parametrize("path", ["/predict", "/labels", "/invocations", "/model"])
def test_a_header_that_counts_is_said_once(server: Server, path: str) -> None:
    """Of two tokens, which one a proxy before it looked at is not known; the same twice, or several deadlines, mean one thing. Of two names
    that a proxy and a client gave it none counts, and the request is answered."""
    method = "GET" if path == "/model" else "POST"
    body = json.dumps({"dataframe_records": [ROWS[0]]}).encode() if path == "/invocations" else BODY
    for name, values, status in (
        ("authorization", ("Bearer a", "Bearer b"), 400),
        ("x-priority", ("high", "low"), 400),
        ("x-request-id", ("a", "b"), 200),
        ("x-request-id", ("a", "a"), 200),
        ("traceparent", ("a", "b"), 200),
        ("x-deadline-ms", ("60000", "59000"), 200),
    ):
        lines = [f"{name}: {value}" for value in values]
        with connected(server) as connection:
            connection.sendall(head(*lines, path=path, method=method, length=len(body)) + body)
            answer = reply(connection)
        assert status_of(answer) == (400 if path == "/labels" else status), (name, answer)
        assert (b"comes twice" in answer) == (status == 400)
        assert (b"x-request-id" in answer) == (values == ("a", "a"))


def test_of_the_older_http_no_host_is_asked(server: Server) -> None:
    assert send(server, b"GET /healthz HTTP/1.0\r\n\r\n")[0] == 200


def _resident_mb(server: Server) -> float:
    with open(f"/proc/{server.process.pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20
