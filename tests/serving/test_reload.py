"""SIGHUP: new processes take over one after another, with new settings, and no request is lost."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest

from penstock.serving.acknowledgements import STARTING, workers
from penstock.serving.journal import read
from penstock.serving.slots import SlotState, read_slots
from penstock.testing.toy_bundle import ROWS

Deploy = Callable[..., SlotState]
TWO_ROWS = {"rows": [ROWS[0], ROWS[0]]}


def pids(state_dir: Path) -> set[int]:
    return {worker.pid for worker in workers(state_dir) if worker.epoch != STARTING}


def until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.02)


class Lines:
    """What a process says on a stream, as it comes."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._said: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def _read(self, stream: IO[bytes]) -> None:
        with contextlib.suppress(ValueError):  # closed with the server
            for line in stream:
                self._said.put(line.decode())

    def until(self, words: str, seconds: float = 60.0) -> None:
        """Wait for the next line with these words."""
        ends = time.monotonic() + seconds
        while words not in self._said.get(timeout=max(0.1, ends - time.monotonic())):
            pass


@pytest.mark.parametrize("count", [1, 2])
def test_a_reload_under_load_loses_no_request(
    deploy: Deploy, start_server: Any, load_on: Any, tmp_path: Path, count: int
) -> None:
    """Twice in a row: other processes, the new settings, every answer in the journal once; then all end together."""
    deploy(1)
    state_dir, settings = tmp_path / "serving", tmp_path / "settings.json"
    settings.write_text('{"max_rows": 1}', encoding="utf-8")
    server = start_server("--workers", str(count), "--settings", f"@{settings}")
    assert server.ask("POST", "/predict", TWO_ROWS)[0] == 413
    with load_on(server) as load:
        for limit in (2, 1):
            before = pids(state_dir)
            assert len(before) == count
            settings.write_text(json.dumps({"max_rows": limit}), encoding="utf-8")
            os.kill(server.process.pid, signal.SIGHUP)
            until(lambda before=before: len(now := pids(state_dir)) == count and not now & before)
            load.wait(20)
            assert {server.ask("POST", "/predict", TWO_ROWS)[0] for _ in range(4)} == {200 if limit == 2 else 413}
    assert load.failures == []
    ids = [answer["id"] for record in read(state_dir / "journal", kinds=["predict"]) for answer in record.answers]
    assert len(ids) == len(set(ids))
    assert {reply["predictions"][0]["id"] for reply in load.replies} <= set(ids)
    assert server.process.poll() is None
    assert server.stop() == 0
    assert pids(state_dir) == set()


@pytest.mark.parametrize("count", [1, 2])
def test_a_reload_under_load_loses_no_call_of_grpc(
    deploy: Deploy, start_server: Any, tmp_path: Path, count: int
) -> None:
    """Clients that keep their channel, and one that opens another for each call: none is cut off, though none asks twice."""
    grpc = pytest.importorskip("grpc", reason="grpcio is not installed")
    from penstock.serving.protocols.grpc_messages import SERVICE, message

    deploy(1)
    state_dir = tmp_path / "serving"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = start_server("--workers", str(count), "--settings", json.dumps({"grpc_port": port}))
    request = message("ModelInferRequest")(model_name="toy")
    request.inputs.add(name="age", datatype="FP64", shape=[1]).contents.fp64_contents.append(41)
    answered, lost, stop = [0], [], threading.Event()

    def ask(*, anew: bool) -> None:
        channel = None
        while not stop.is_set():
            if channel is None or anew:
                if channel is not None:
                    channel.close()
                channel = grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.use_local_subchannel_pool", 1)])
            call = channel.unary_unary(
                f"/{SERVICE}/ModelInfer", lambda one: one.SerializeToString(), message("ModelInferResponse").FromString
            )
            try:
                call(request, timeout=30)
                answered[0] += 1
            except grpc.RpcError as error:
                lost.append(f"{error.code()}: {error.details()}")
        if channel is not None:
            channel.close()

    clients = [threading.Thread(target=ask, kwargs={"anew": place == 0}) for place in range(4)]
    for client in clients:
        client.start()
    try:
        for _ in range(3 - count):  # two processes are replaced
            until(lambda more=answered[0] + 50: answered[0] > more or bool(lost))
            before = pids(state_dir)
            os.kill(server.process.pid, signal.SIGHUP)
            until(lambda before=before: len(now := pids(state_dir)) == count and not now & before)
    finally:
        stop.set()
        for client in clients:
            client.join()
    assert lost == []


@pytest.mark.parametrize("count", [1, 2])
def test_settings_that_cannot_be_change_nothing(deploy: Deploy, start_server: Any, tmp_path: Path, count: int) -> None:
    """The same processes go on, and the log says why."""
    deploy(1)
    state_dir, settings = tmp_path / "serving", tmp_path / "settings.json"
    settings.write_text("{}", encoding="utf-8")
    server = start_server("--workers", str(count), "--settings", f"@{settings}")
    before = pids(state_dir)
    for wrong in ("{", '{"max_rows": 0}', '{"no_such": 1}'):
        settings.write_text(wrong, encoding="utf-8")
        os.kill(server.process.pid, signal.SIGHUP)
        time.sleep(0.3)
        assert server.ask("POST", "/predict", TWO_ROWS)[0] == 200
        assert pids(state_dir) == before
    server.stop()
    assert server.errors().count("nothing is reloaded") == 3


def damaged_graph(state_dir: Path, settings: Path) -> None:
    state = read_slots(state_dir)
    assert state.live_entry is not None
    (state_dir / state.live_entry.path / "graph.onnx").write_bytes(b"no graph")


def damaged_tokens(state_dir: Path, settings: Path) -> None:
    (state_dir / "tokens.json").write_text("{", encoding="utf-8")


def no_journal(state_dir: Path, settings: Path) -> None:
    (state_dir / "journal").rename(state_dir / "journal-away")
    (state_dir / "journal").write_bytes(b"no folder")


def taken_grpc_port(state_dir: Path, settings: Path) -> socket.socket:
    taken = socket.create_server(("127.0.0.1", 0))
    settings.write_text(json.dumps({"grpc_port": taken.getsockname()[1]}), encoding="utf-8")
    return taken


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("damage", [damaged_graph, damaged_tokens, no_journal, taken_grpc_port])
def test_a_new_process_that_does_not_come_to_serve_changes_nothing(
    deploy: Deploy,
    start_server: Any,
    tmp_path: Path,
    count: int,
    damage: Callable[[Path, Path], socket.socket | None],
) -> None:
    """Whatever a process needs was damaged since the others took it: they go on, and none of them has left its place."""
    deploy(1)
    state_dir, settings = tmp_path / "serving", tmp_path / "settings.json"
    settings.write_text("{}", encoding="utf-8")
    server = start_server("--workers", str(count), "--settings", f"@{settings}")
    said = Lines(server.process.stderr)
    before = pids(state_dir)
    held = damage(state_dir, settings)
    try:
        os.kill(server.process.pid, signal.SIGHUP)
        said.until("does not come to serve")
        assert server.ask("POST", "/predict", TWO_ROWS)[0] == 200
        assert pids(state_dir) == before
    finally:
        if held is not None:
            held.close()


def test_workers_that_are_replaced_all_go_back_where_one_of_the_new_ends(
    deploy: Deploy, start_server: Any, tmp_path: Path
) -> None:
    """A new process serves and then dies: the one beside it, which lives, gets its earlier settings back as well."""
    deploy(1)
    state_dir, settings = tmp_path / "serving", tmp_path / "settings.json"
    settings.write_text('{"max_rows": 1}', encoding="utf-8")
    server = start_server("--workers", "2", "--settings", f"@{settings}")
    said = Lines(server.process.stderr)
    before = pids(state_dir)
    settings.write_text('{"max_rows": 2}', encoding="utf-8")
    os.kill(server.process.pid, signal.SIGHUP)
    until(lambda: len(now := pids(state_dir)) == 2 and not now & before)
    after = pids(state_dir)
    os.kill(min(after), signal.SIGKILL)
    said.until("the settings before are taken again")
    until(lambda: len(now := pids(state_dir)) == 2 and not now & after)
    assert {server.ask("POST", "/predict", TWO_ROWS)[0] for _ in range(8)} == {413}
    assert server.stop() == 0


def test_a_worker_that_is_replaced_tells_its_clients_to_go_elsewhere(
    deploy: Deploy, start_server: Any, tmp_path: Path
) -> None:
    """A request that is half sent meanwhile is answered, with `connection: close`; what is new comes to the new process."""
    deploy(1)
    server = start_server()
    state_dir = tmp_path / "serving"
    (before,) = pids(state_dir)
    body = json.dumps(TWO_ROWS).encode()
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        head = f"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body[:10])
        os.kill(server.process.pid, signal.SIGHUP)
        until(lambda: pids(state_dir) - {before} != set())
        time.sleep(0.3)
        assert server.ask("POST", "/predict", TWO_ROWS)[0] == 200
        connection.sendall(body[10:])
        reply = b""
        while chunk := connection.recv(65536):
            reply += chunk
    assert reply.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in reply.lower()
    until(lambda: before not in pids(state_dir))
    (after,) = pids(state_dir)
    os.kill(after, signal.SIGKILL)
    until(lambda: pids(state_dir) - {after, before} != set())  # supervised from now on
    assert server.ask("POST", "/predict", TWO_ROWS)[0] == 200


def test_a_stop_while_a_process_is_replaced_is_not_lost(deploy: Deploy, start_server: Any, tmp_path: Path) -> None:
    """The one that leaves waits for a client that asks nothing; told to stop meanwhile, both end at once."""
    deploy(1)
    server = start_server()
    state_dir = tmp_path / "serving"
    before = pids(state_dir)
    with socket.create_connection(("127.0.0.1", server.port)) as idle:
        idle.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        assert idle.recv(65536).startswith(b"HTTP/1.1 200")
        os.kill(server.process.pid, signal.SIGHUP)
        until(lambda: pids(state_dir) - before != set())
        server.process.terminate()
        assert server.process.wait(30) == 0
    assert pids(state_dir) == set()


def test_a_reload_while_a_process_is_replaced_is_done_after_it(
    deploy: Deploy, start_server: Any, tmp_path: Path
) -> None:
    """The settings of the last one hold in the end."""
    deploy(1)
    state_dir, settings = tmp_path / "serving", tmp_path / "settings.json"
    settings.write_text("{}", encoding="utf-8")
    server = start_server("--settings", f"@{settings}")
    before = pids(state_dir)
    os.kill(server.process.pid, signal.SIGHUP)
    until(lambda: pids(state_dir) - before != set())
    settings.write_text('{"max_rows": 1}', encoding="utf-8")
    os.kill(server.process.pid, signal.SIGHUP)
    until(lambda: server.ask("POST", "/predict", TWO_ROWS)[0] == 413)
