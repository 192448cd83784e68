"""SIGHUP: new processes take over one after another, with new settings, and no request is lost."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.serving.acknowledgements import STARTING, workers
from penstock.serving.journal import read
from penstock.serving.slots import SlotState
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


@pytest.mark.parametrize("count", [1, 2])
def test_a_new_process_that_does_not_come_to_serve_changes_nothing(
    deploy: Deploy, start_server: Any, tmp_path: Path, count: int
) -> None:
    """What is live was damaged on the disk since it was loaded: those that have it go on."""
    state = deploy(1)
    server = start_server("--workers", str(count))
    state_dir = tmp_path / "serving"
    before = pids(state_dir)
    assert state.live_entry is not None
    (state_dir / state.live_entry.path / "graph.onnx").write_bytes(b"no graph")
    os.kill(server.process.pid, signal.SIGHUP)
    time.sleep(3)
    assert server.ask("POST", "/predict", TWO_ROWS)[0] == 200
    assert pids(state_dir) == before
    server.stop()
    assert "does not come to serve" in server.errors()


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
