"""Servers in processes of their own: switching under load, crashes, damage, stopping."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from penstock.bundle.runtime import Bundle
from penstock.errors import BundleError, ServingError
from penstock.serving.acknowledgements import wait_for_epoch, workers
from penstock.serving.journal import find, read
from penstock.serving.prediction_ids import segment_part_of
from penstock.serving.segments import ReadReport, segments
from penstock.serving.server import ServeSettings, serve
from penstock.serving.slots import SlotState
from penstock.serving.switching import fill_and_switch, restore, switch_back
from penstock.testing.toy_bundle import ROWS

if TYPE_CHECKING:
    from tests.serving.conftest import Server

Deploy = Callable[..., SlotState]
Start = Callable[..., "Server"]
ASK = {"rows": [ROWS[0]]}


def test_a_switch_under_load_loses_no_request(
    load_on: Any, deploy: Deploy, start_server: Start, tmp_path: Path
) -> None:
    """Deployments and rollbacks while four clients ask: every answer is that of the version it names."""
    deploy(1)
    server = start_server()
    state_dir = tmp_path / "serving"
    with load_on(server) as load:
        wait_for_epoch(state_dir, deploy(2).epoch)
        load.wait(50)
        for _ in range(4):
            wait_for_epoch(state_dir, switch_back(state_dir).epoch)
            load.wait(30)
    assert load.failures == []
    slot_of = {1: "blue", 2: "green"}
    by_version: dict[int, set[str]] = {}
    for reply in load.replies:
        assert reply["slot"] == slot_of[reply["version"]]
        by_version.setdefault(reply["version"], set()).add(json.dumps(reply["predictions"][0]["probabilities"]))
    assert {version: len(answers) for version, answers in by_version.items()} == {1: 1, 2: 1}
    journalled = {answer["id"] for record in read(state_dir / "journal") for answer in record.answers}
    assert journalled == {reply["predictions"][0]["id"] for reply in load.replies}


def test_a_rollback_is_acknowledged_within_a_second(deploy: Deploy, start_server: Start, tmp_path: Path) -> None:
    """Both slots stay loaded; the very next request has the earlier version."""
    deploy(1)
    deploy(2)
    server = start_server()
    took = []
    for version in (1, 2, 1, 2, 1):  # a machine that does much else may be late at times
        state, began = switch_back(tmp_path / "serving"), time.monotonic()
        (worker,) = wait_for_epoch(tmp_path / "serving", state.epoch, timeout_s=60)
        took.append(time.monotonic() - began)
        assert (worker.pid, worker.version) == (server.process.pid, version)
        assert server.ask("POST", "/predict", ASK)[1]["version"] == version
    assert min(took) < 1.0


def test_a_killed_server_has_journalled_what_it_answered(
    load_on: Any, deploy: Deploy, start_server: Start, tmp_path: Path
) -> None:
    """kill -9 while it answers."""
    deploy(1)
    server = start_server()
    with load_on(server) as load:
        load.wait(100)
        server.stop(signal.SIGKILL)
    report = ReadReport()
    journalled = {a["id"] for r in read(tmp_path / "serving" / "journal", report=report) for a in r.answers}
    answered = {reply["predictions"][0]["id"] for reply in load.replies}
    assert len(answered) >= 150
    assert answered <= journalled
    assert report.skipped == 0
    again = start_server()
    (worker,) = workers(tmp_path / "serving")
    assert worker.pid == again.process.pid


@pytest.mark.parametrize("victim", ["graph.onnx", "signature.json", "manifest.json", "examples.json"])
def test_a_damaged_bundle_is_refused_and_live_goes_on(
    deploy: Deploy, start_server: Start, toys: Callable[..., Path], tmp_path: Path, victim: str
) -> None:
    """One flipped bit: whoever deploys hears which file; the earlier state is put back, and then another deploys."""
    before = deploy(1)
    server = start_server()
    state_dir = tmp_path / "serving"
    bad = tmp_path / "bad"
    bad.mkdir()
    for file in toys(2).iterdir():
        data = bytearray(file.read_bytes())
        if file.name == victim:
            data[len(data) // 2] ^= 1
        (bad / file.name).write_bytes(data)
    state = fill_and_switch(state_dir, bad, model="toy", version=2, digest=Bundle.load(toys(2)).digest)
    with pytest.raises(ServingError, match=victim.replace(".", r"\.")):
        wait_for_epoch(state_dir, state.epoch)
    assert server.ask("POST", "/predict", ASK)[1]["version"] == 1
    assert server.ask("GET", "/readyz")[0] == 200
    wait_for_epoch(state_dir, restore(state_dir, before, state).epoch)
    wait_for_epoch(state_dir, deploy(2).epoch)
    assert server.ask("POST", "/predict", ASK)[1]["version"] == 2


def test_another_bundle_than_the_one_named_is_refused(
    deploy: Deploy, start_server: Start, toys: Callable[..., Path], tmp_path: Path
) -> None:
    """Undamaged, but not what was deployed."""
    deploy(1)
    start_server()
    state = fill_and_switch(tmp_path / "serving", toys(2), model="toy", version=3, digest="sha256:" + "0" * 64)
    with pytest.raises(ServingError, match="not the one that was deployed"):
        wait_for_epoch(tmp_path / "serving", state.epoch)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopping_server_answers_what_is_in_flight(
    deploy: Deploy, start_server: Start, tmp_path: Path, number: signal.Signals
) -> None:
    """Half a request is sent, the signal comes, the rest is sent: it is answered and journalled; exit 0."""
    deploy(1)
    server = start_server()
    body = json.dumps(ASK).encode()
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        head = f"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body[:10])
        time.sleep(0.1)
        os.kill(server.process.pid, number)
        time.sleep(0.2)
        connection.sendall(body[10:])
        reply = b""
        while chunk := connection.recv(65536):
            reply += chunk
    assert server.process.wait(60) == 0
    assert reply.startswith(b"HTTP/1.1 200")
    prediction = json.loads(reply.partition(b"\r\n\r\n")[2])["predictions"][0]
    find(tmp_path / "serving" / "journal", prediction["id"])
    assert workers(tmp_path / "serving") == []
    assert server.errors() == ""


def _listens(server: Server) -> bool:
    try:
        socket.create_connection(("127.0.0.1", server.port)).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.mark.parametrize("count", [1, 2])
def test_a_stopping_server_refuses_connections_rather_than_resetting_them(
    deploy: Deploy, start_server: Start, load_on: Any, count: int
) -> None:
    """Clients on kept connections are told to go, and each next attempt is refused at once: nothing is accepted that nobody answers."""
    deploy(1)
    server = start_server("--workers", str(count))
    with contextlib.closing(server.connect()) as idle, load_on(server, 6) as load:
        idle.request("GET", "/healthz")
        assert idle.getresponse().read()
        server.process.terminate()
        ends = time.monotonic() + 60
        while _listens(server):
            assert time.monotonic() < ends
            time.sleep(0.02)
        idle.request("GET", "/healthz")  # a pool that had it in hand is answered once more, and told
        answer = idle.getresponse()
        assert (answer.status, answer.getheader("connection")) == (200, "close")
        assert server.process.wait(60) == 0
    kinds = [type(failure) for failure in load.failures]
    assert len(kinds) == 6
    assert (
        kinds.count(ConnectionRefusedError) >= 5
    )  # one may knock in the microseconds between the last look and the end
    assert set(kinds) <= {ConnectionRefusedError, ConnectionResetError}


def test_labels_travel_over_the_wire(deploy: Deploy, start_server: Start, tmp_path: Path) -> None:
    """By id and by key, from another connection."""
    deploy(1)
    server = start_server()
    first = server.ask("POST", "/predict", ASK)[1]["predictions"][0]
    labels = {"labels": [{"id": first["id"], "label": "yes"}, {"key": 17, "label": "no"}, {"key": "?", "label": "no"}]}
    status, reply = server.ask("POST", "/labels", labels)
    assert (status, reply["accepted"], reply["rejected"][0]["index"]) == (200, 2, 2)


def test_two_workers_share_a_port_and_a_crashed_one_is_replaced(
    deploy: Deploy, start_server: Start, tmp_path: Path
) -> None:
    """Both follow a switch; one is killed, another comes; stopping the server stops them all."""
    deploy(1)
    state_dir = tmp_path / "serving"
    server = start_server("--workers", "2")
    first = wait_for_epoch(state_dir, 1)
    assert len(first) == 2
    wait_for_epoch(state_dir, deploy(2).epoch)
    seen = set()
    deadline = time.monotonic() + 20
    while len(seen) < 2 and time.monotonic() < deadline:  # a fresh connection lands on either
        status, reply = server.ask("POST", "/predict", ASK)
        assert (status, reply["version"]) == (200, 2)
        told = reply["predictions"][0]["id"]
        find(state_dir / "journal", told)
        seen.add(segment_part_of(told))  # each writes segments of its own
    assert len(seen) == 2
    os.kill(first[0].pid, signal.SIGKILL)
    serving: set[int] = set()
    while (len(serving) < 2 or first[0].pid in serving) and time.monotonic() < deadline:
        serving = {worker.pid for worker in workers(state_dir) if worker.epoch == 2}
        time.sleep(0.02)
    assert len(serving - {first[0].pid}) == 2
    wait_for_epoch(state_dir, switch_back(state_dir).epoch)
    assert server.ask("POST", "/predict", ASK)[1]["version"] == 1
    assert server.stop() == 0
    assert workers(state_dir) == []


def test_workers_end_with_their_supervisor(deploy: Deploy, start_server: Start, tmp_path: Path) -> None:
    """Also when it is killed: no process is left that holds the port."""
    deploy(1)
    server = start_server("--workers", "2")
    server.stop(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while workers(tmp_path / "serving") and time.monotonic() < deadline:
        time.sleep(0.02)
    assert workers(tmp_path / "serving") == []
    with socket.create_server(("127.0.0.1", server.port)):
        pass


def test_a_port_in_use_is_told(deploy: Deploy, start_server: Start, tmp_path: Path) -> None:
    """With another port to try."""
    deploy(1)
    server = start_server()
    with pytest.raises(ServingError, match=f"127.0.0.1:{server.port}") as error:
        serve(tmp_path / "serving", port=server.port)
    assert f"--port {server.port + 1}" in error.value.way_out
    assert server.ask("GET", "/readyz")[0] == 200


def test_what_is_no_port_or_the_same_for_both_is_told(deploy: Deploy, tmp_path: Path) -> None:
    """Of 70000 the system took the last 16 bits, and listened on 4464."""
    deploy(1)
    with pytest.raises(ServingError, match="70000 is no port"):
        serve(tmp_path / "serving", port=70_000)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(ServingError, match=f"gRPC cannot listen on 127.0.0.1:{port}"):
        serve(tmp_path / "serving", port=port, settings=ServeSettings(grpc_port=port))


def test_a_server_without_anything_to_serve_does_not_start(deploy: Deploy, tmp_path: Path) -> None:
    """Nothing deployed, or what is live is damaged: told at once."""
    with pytest.raises(ServingError, match="nothing is deployed"):
        serve(tmp_path / "serving", port=0)
    entry = deploy(1).live_entry
    assert entry is not None
    graph = tmp_path / "serving" / entry.path / "graph.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"?")
    with pytest.raises(BundleError, match=r"graph\.onnx"):
        serve(tmp_path / "serving", port=0)
    command = [sys.executable, "-m", "penstock.serving.server", str(tmp_path / "serving"), "--port", "0"]
    for more in ([], ["--workers", "2"]):
        done = subprocess.run([*command, *more], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 2
        assert "graph.onnx" in done.stderr
        assert "Traceback" not in done.stderr
    assert workers(tmp_path / "serving") == []


@contextmanager
def limited_file_size(size: int) -> Iterator[None]:
    """A disk that is full once a file has this size, for processes started inside."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_refuses_instead_of_answering_unjournalled(
    deploy: Deploy, start_server: Start, tmp_path: Path
) -> None:
    """503 with the way out; the server lives on."""
    deploy(1)
    with limited_file_size(20_000):
        server = start_server()
    statuses = []
    for _ in range(60):
        status, reply = server.ask("POST", "/predict", ASK)
        statuses.append(status)
    assert (statuses[0], statuses[-1]) == (200, 503)
    assert reply["error"]["code"] == "store-full"
    assert server.ask("GET", "/healthz")[0] == 200
    report = ReadReport()
    kept = list(read(tmp_path / "serving" / "journal", kinds=["predict"], report=report))
    assert len(kept) == statuses.count(200)
    assert (report.torn_tails, report.skipped) == (0, 0)


def test_a_body_over_the_limit_is_answered_although_it_is_not_kept(deploy: Deploy, start_server: Start) -> None:
    """The client hears 413, declared in advance or not, and the connection stays usable."""
    deploy(1)
    server = start_server("--settings", '{"max_body_bytes": 2000}')
    connection = server.connect()
    body = {"rows": [{"note": "x" * 10_000}]}
    for _ in range(2):
        status, reply = server.ask("POST", "/predict", body, on=connection)
        assert (status, reply["error"]["code"]) == (413, "too-large")
        assert server.ask("POST", "/predict", ASK, on=connection)[0] == 200
    connection.request("POST", "/predict", iter([b"x" * 1000] * 10), {"content-type": "application/json"})
    response = connection.getresponse()
    assert response.status == 413
    connection.close()


def test_a_bundle_that_is_offered_twice_costs_no_segment(deploy: Deploy, start_server: Start, tmp_path: Path) -> None:
    """A switch does not touch the journal: one segment for one process."""
    deploy(1)
    server = start_server()
    for version in (2, 3):
        wait_for_epoch(tmp_path / "serving", deploy(version).epoch)
        server.ask("POST", "/predict", ASK)
    assert len(segments(tmp_path / "serving" / "journal")) == 1


def test_a_server_process_loads_no_training_library() -> None:
    """Neither SQL nor tables nor learners."""
    program = (
        "import sys, penstock.serving.server, penstock.serving.app, penstock.serving.supervisor; "
        "print([m for m in ('sqlalchemy', 'duckdb', 'pyarrow', 'sklearn', 'scipy', 'pandas', 'onnx') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("options", [(), ("--workers", "2")])
def test_a_server_that_is_stopped_while_it_starts_ends(
    deploy: Deploy, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """Whenever the signal comes, no process is left."""
    deploy(1)
    command = [sys.executable, "-m", "penstock.serving.server", str(tmp_path / "serving"), "--port", "0", *options]
    processes = []
    for _ in range(4):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        processes.append(process)
        acks = tmp_path / "serving" / "acks"
        deadline = time.monotonic() + 20
        while not list(acks.glob(f"{process.pid if not options else ''}*.json")) and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.03 * len(processes))
        process.terminate()
        process.wait(20)
    while workers(tmp_path / "serving") and time.monotonic() < deadline:
        time.sleep(0.02)
    assert workers(tmp_path / "serving") == []
