"""Callers of gRPC that are slow, broken or hostile: each is told a proper status, or cut off, and all others are answered meanwhile."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from penstock.serving import tokens
from penstock.serving.slots import SlotState
from penstock.testing.toy_bundle import ROWS

grpc = pytest.importorskip("grpc", reason="grpcio is not installed")

from penstock.serving.protocols.grpc_messages import SERVICE, message  # noqa: E402

if TYPE_CHECKING:
    from tests.serving.conftest import Client, Server

Deploy = Callable[..., SlotState]
Start = Callable[..., "Server"]
SHORT = {"grpc_port": 0, "header_timeout_s": 1, "body_timeout_s": 1, "keep_alive_s": 2, "max_body_bytes": 64_000}


@pytest.fixture(scope="module")
def server(shared_server: Start) -> Server:
    """With short times, shared by these tests: what one does to it shows in the next."""
    return shared_server("--settings", json.dumps(SHORT))


@pytest.fixture
def channel(server: Server) -> Iterator[Any]:
    with grpc.insecure_channel(server.grpc) as open_channel:
        yield open_channel


def infer_request(ages: tuple[float, ...] = (41.0,)) -> Any:
    request = message("ModelInferRequest")(model_name="toy")
    request.inputs.add(name="age", datatype="FP64", shape=[len(ages)]).contents.fp64_contents.extend(ages)
    return request


def call(channel: Any, data: bytes, method: str = "ModelInfer", **more: Any) -> Any:
    """The bytes of an answer."""
    return channel.unary_unary(f"/{SERVICE}/{method}")(data, **{"timeout": 10, **more})


def refused(channel: Any, data: bytes, method: str = "ModelInfer", **more: Any) -> tuple[str, str, dict[str, str]]:
    """Status, words and trailing metadata of a call that is refused."""
    with pytest.raises(grpc.RpcError) as error:
        call(channel, data, method, **more)
    return error.value.code().name, error.value.details(), dict(error.value.trailing_metadata() or ())


def is_well(server: Server) -> bool:
    with grpc.insecure_channel(server.grpc) as channel:
        answer = message("ModelInferResponse").FromString(call(channel, infer_request().SerializeToString()))
    return bool(answer.outputs[0].shape == [1]) and server.ask("POST", "/predict", {"rows": [ROWS[0]]})[0] == 200


# ---------------------------------------------------------------- messages


def test_a_second_name_costs_no_answer(channel: Any) -> None:
    """Of two ids that a proxy and a client gave a call none counts; what decides something is said once."""
    data = infer_request().SerializeToString()
    two = (("x-request-id", "a"), ("x-request-id", "b"))
    answer, ended = channel.unary_unary(f"/{SERVICE}/ModelInfer").with_call(data, timeout=10, metadata=two)
    assert message("ModelInferResponse").FromString(answer).outputs
    assert "x-request-id" not in dict(ended.trailing_metadata())
    status, words, more = refused(channel, data, metadata=(*two, ("x-priority", "high"), ("x-priority", "low")))
    assert (status, more["x-error-code"]) == ("INVALID_ARGUMENT", "bad-http")
    assert "x-priority" in words
    assert "x-request-id" not in more


@pytest.mark.parametrize("data", [b"\xff" * 40, b"\x0a\x05toy", b"\x2a\x03\xff\xff\xff", b"\x0a\x02\xff\xfe"])
def test_what_is_no_message_is_the_callers_mistake(server: Server, channel: Any, data: bytes) -> None:
    """INVALID_ARGUMENT with a code, rather than the INTERNAL that gRPC itself would say."""
    status, words, more = refused(channel, data)
    assert (status, more["x-error-code"]) == ("INVALID_ARGUMENT", "bad-message")
    assert "ModelInferRequest" in words
    assert is_well(server)


def test_a_call_without_a_message_is_refused(channel: Any) -> None:
    """As one that ends before it has said anything."""
    with pytest.raises(grpc.RpcError) as error:
        channel.stream_unary(f"/{SERVICE}/ModelInfer")(iter(()), timeout=10)
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_a_huge_message_is_refused_before_it_is_read(server: Server, channel: Any) -> None:
    """By its length alone; the way in is that of `max_body_bytes`."""
    status, _, _ = refused(channel, infer_request((1.0,) * 400_000).SerializeToString())
    assert status == "RESOURCE_EXHAUSTED"
    assert is_well(server)


def test_a_small_message_of_very_many_rows_is_refused_before_they_are_made(server: Server, channel: Any) -> None:
    """A byte for each truth value, and a row of hundreds."""
    request = message("ModelInferRequest")(model_name="toy")
    request.inputs.add(name="age", datatype="BOOL", shape=[50_000])
    request.raw_input_contents.append(bytes(50_000))
    status, words, more = refused(channel, request.SerializeToString())
    assert (status, more["x-error-code"]) == ("RESOURCE_EXHAUSTED", "too-large")
    assert "50,000 rows" in words


def _wrong(**changes: Any) -> Any:
    request = infer_request()
    tensor = request.inputs[0]
    for name, value in changes.items():
        if name == "shape":
            del tensor.shape[:]
            tensor.shape.extend(value)
        else:
            setattr(tensor, name, value)
    return request


def _typed(datatype: str, **contents: list[Any]) -> Any:
    request = message("ModelInferRequest")(model_name="toy")
    tensor = request.inputs.add(name="age", datatype=datatype, shape=[1])
    for field, values in contents.items():
        getattr(tensor.contents, field).extend(values)
    return request


def _raw(datatype: str, data: bytes, *shape: int) -> Any:
    request = message("ModelInferRequest")(model_name="toy")
    request.inputs.add(name="age", datatype=datatype, shape=shape)
    request.raw_input_contents.append(data)
    return request


@pytest.mark.parametrize(
    ("request_of", "says"),
    [
        (lambda: message("ModelInferRequest")(model_name="toy"), "no inputs"),
        (lambda: _wrong(name="agee"), "agee"),
        (lambda: _wrong(name=""), "''|\"\""),
        (lambda: _wrong(datatype="FP128"), "FP128"),
        (lambda: _wrong(datatype="INT64"), "0 values"),
        (lambda: _wrong(datatype="FP16"), "typed contents"),
        (lambda: _typed("UINT8", uint_contents=[300]), r"inputs\[0\].data\[0\].*UINT8"),
        (lambda: _wrong(shape=[2]), "its shape says 2"),
        (lambda: _wrong(shape=[-1]), "shape"),
        (lambda: _wrong(shape=[1, 1, 1]), "shape"),
        (lambda: _wrong(shape=[2**62]), "shape"),
        (lambda: _raw("FP64", b"123", 1), "3 bytes"),
        (lambda: _raw("BYTES", b"\xff\xff\xff\xff", 1), "within a text"),
        (lambda: _raw("BYTES", b"\x02\x00\x00\x00\xff\xfe", 1), "UTF-8"),
        (lambda: _raw("BYTES", b"\x03\x00\x00\x00old", 1), "not a number"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_by_what_is_wrong_with_them(
    channel: Any, request_of: Callable[[], Any], says: str
) -> None:
    """Missing, of an unknown name, of another type, of a shape that lies."""
    import re

    status, words, more = refused(channel, request_of().SerializeToString())
    assert status == "INVALID_ARGUMENT", words
    assert re.search(says, words), words
    assert more["x-error-code"]


def test_what_is_not_there_is_not_found(channel: Any) -> None:
    """A model, a version; and a method that the protocol does not have."""
    assert refused(channel, message("ModelInferRequest")(model_name="toyy").SerializeToString())[0] == "NOT_FOUND"
    assert refused(channel, b"", "ModelTrain")[0] == "UNIMPLEMENTED"


def test_a_fault_of_ours_tells_nothing(deploy: Deploy, open_client: Callable[..., Client]) -> None:
    """INTERNAL and the words that HTTP has, too."""
    from penstock.serving.door import Door
    from penstock.serving.protocols.grpc_service import GrpcServer

    deploy(1)
    client = open_client(grpc_port=0)

    async def broken(*_: Any, **__: Any) -> Any:
        raise KeyError("/secret/place")

    async def ask() -> Any:
        server = GrpcServer(Door(client.worker, broken, lambda error: None), "127.0.0.1", 0)
        port = await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            try:
                await channel.unary_unary(f"/{SERVICE}/ModelInfer")(infer_request().SerializeToString())
            except grpc.aio.AioRpcError as error:
                return error
            finally:
                await server.stop(0.1)

    error = asyncio.run(ask())
    assert error.code() == grpc.StatusCode.INTERNAL
    assert "secret" not in str(error)
    assert dict(error.trailing_metadata())["x-error-code"] == "internal"


# ---------------------------------------------------------------- who asks


def test_a_strangers_message_is_not_waited_for(deploy: Deploy, start_server: Start, tmp_path: Path) -> None:
    """Who has no token is told so before a byte of what they send is read."""
    tokens.create(tmp_path / "serving", "crm", ["predict"])
    deploy(1)
    server = start_server("--settings", json.dumps({"grpc_port": 0}))
    with grpc.insecure_channel(server.grpc) as channel:
        begun = time.monotonic()
        with pytest.raises(grpc.RpcError) as error:
            channel.stream_unary(f"/{SERVICE}/ModelInfer")(_never(), timeout=10)
        assert error.value.code() == grpc.StatusCode.UNAUTHENTICATED
        assert dict(error.value.trailing_metadata())["x-error-code"] == "no-token"
        assert time.monotonic() - begun < 9


def test_rows_count_against_the_rate_by_grpc_too(deploy: Deploy, start_server: Start, tmp_path: Path) -> None:
    """Ten in one call are ten; who is over is told when to come again."""
    token = tokens.create(tmp_path / "serving", "crm", ["predict"], rate="10/min").text
    deploy(1)
    server = start_server("--settings", json.dumps({"grpc_port": 0}))
    metadata = (("authorization", f"Bearer {token}"),)
    with grpc.insecure_channel(server.grpc) as channel:
        call(channel, infer_request((41.0,) * 10).SerializeToString(), metadata=metadata)
        status, words, more = refused(channel, infer_request().SerializeToString(), metadata=metadata)
        assert (status, more["x-error-code"]) == ("RESOURCE_EXHAUSTED", "rate-limited")
        assert 40 <= int(more["retry-after"]) <= 60, words


# ---------------------------------------------------------------- slow, many, gone


def _never() -> Iterator[bytes]:
    time.sleep(25)
    yield b""


def test_a_call_whose_message_does_not_come_is_ended(server: Server, channel: Any) -> None:
    """Within the time of a body; nobody else waits for it."""
    begun = time.monotonic()
    with pytest.raises(grpc.RpcError) as error:
        channel.stream_unary(f"/{SERVICE}/ModelInfer")(_never(), timeout=30)
    assert error.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert dict(error.value.trailing_metadata())["x-error-code"] == "too-slow"
    assert 1 < time.monotonic() - begun < 20, "before the message came"
    assert is_well(server)


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """A frame of HTTP/2 (RFC 9113, 4.1)."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def _opening(stream: int = 1, *more: tuple[str, str]) -> bytes:
    """The headers of a call, by hand: literals that enter no table (RFC 7541, 6.2.2)."""
    said = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", f"/{SERVICE}/ModelInfer"),
        (":authority", "x"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        *more,
    ]
    block = b"".join(
        b"\x00" + bytes([len(n)]) + n.encode() + bytes([len(v)]) + v.encode() for n, v in said
    )  # each shorter than 127 bytes
    return _frame(1, 0x4, stream, block)


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(4, 0, 0, b"")


def _connected(server: Server, held: ExitStack) -> socket.socket:
    host, _, port = server.grpc.rpartition(":")
    return held.enter_context(socket.create_connection((host, int(port)), timeout=10))


def _ends_within(connection: socket.socket, seconds: float) -> bool:
    connection.settimeout(seconds)
    with suppress(ConnectionResetError):
        try:
            while connection.recv(65536):
                pass
        except TimeoutError:
            return False
    return True


@pytest.mark.parametrize(
    "begun", [b"", b"PRI * HT", b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"\x00" * 100]
)
def test_a_connection_that_does_not_begin_as_one_is_closed(server: Server, begun: bytes) -> None:
    """Half open, of another protocol, rubbish: within the time of a head."""
    with ExitStack() as held:
        connection = _connected(server, held)
        connection.sendall(begun)
        assert _ends_within(connection, 9)
    assert is_well(server)


def test_an_idle_connection_is_closed(server: Server) -> None:
    """After `keep_alive_s`, as one of HTTP."""
    with ExitStack() as held:
        connection = _connected(server, held)
        connection.sendall(PREFACE)
        assert _ends_within(connection, 20)


def test_a_message_that_comes_byte_by_byte_is_ended(server: Server) -> None:
    """The time runs from the beginning of the call, not from the last byte."""
    with ExitStack() as held:
        connection = _connected(server, held)
        connection.sendall(PREFACE + _opening() + _frame(0, 0, 1, b"\x00" + struct.pack(">I", 500)))
        begun, got = time.monotonic(), b""
        connection.settimeout(0.2)
        while b"too-slow" not in got and time.monotonic() - begun < 8:
            with suppress(OSError):
                connection.sendall(_frame(0, 0, 1, b"x"))
            with suppress(TimeoutError):
                got += connection.recv(65536)
        assert b"too-slow" in got
    assert is_well(server)


def test_very_many_calls_that_stay_open_keep_nobody_from_an_answer(server: Server) -> None:
    """Thousands on some connections, without a message; each ends by itself."""
    with ExitStack() as held:
        for _ in range(20):
            connection = _connected(server, held)
            connection.sendall(PREFACE + b"".join(_opening(stream) for stream in range(1, 401, 2)))
        begun = time.monotonic()
        for _ in range(5):
            assert is_well(server)
        assert time.monotonic() - begun < 60
    assert is_well(server)


def test_more_connections_than_declared_are_refused(deploy: Deploy, start_server: Start) -> None:
    """And there is room again when they go."""
    deploy(1)
    server = start_server("--settings", json.dumps({"grpc_port": 0, "max_connections": 40}))
    with ExitStack() as held:
        connections = [_connected(server, held) for _ in range(80)]
        for connection in connections:
            with suppress(OSError):
                connection.sendall(PREFACE)
        refused, ends = 0, time.monotonic() + 30
        while refused < 30 and time.monotonic() < ends:
            refused = sum(_ends_within(connection, 0.05) for connection in connections)
        assert refused >= 30
        assert refused < 60, "there is room for 40"
    ends = time.monotonic() + 30
    while True:
        try:
            assert is_well(server)
            break
        except grpc.RpcError:  # the server has not seen yet that they are gone
            assert time.monotonic() < ends
            time.sleep(0.1)


def test_a_caller_that_goes_away_is_counted_as_gone(server: Server) -> None:
    """By 499, as by HTTP; the server does not mind."""

    def gone() -> float:
        text = server.ask_text("/metrics")[1]
        found = [line for line in text.splitlines() if line.startswith('penstock_requests_total{route="grpc"')]
        return sum(float(line.split()[-1]) for line in found if 'status="499"' in line)

    before = gone()
    with grpc.insecure_channel(server.grpc) as channel, pytest.raises(grpc.RpcError) as error:
        channel.stream_unary(f"/{SERVICE}/ModelInfer")(_never(), timeout=0.3)
    assert error.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    ends = time.monotonic() + 60
    while gone() == before and time.monotonic() < ends:
        time.sleep(0.05)
    assert gone() == before + 1
    assert is_well(server)


def test_a_second_server_does_not_share_the_port_unasked(deploy: Deploy, start_server: Start) -> None:
    """The port is shared by the workers of one server; another one would take every second call."""
    deploy(1)
    first = start_server("--settings", json.dumps({"grpc_port": 0}))
    port = int(first.grpc.rpartition(":")[2])
    with pytest.raises(AssertionError, match="gRPC cannot listen"):
        start_server("--settings", json.dumps({"grpc_port": port}))
    assert is_well(first)
