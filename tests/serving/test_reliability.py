"""Under load: workers that are killed lose nothing that was acknowledged, the journal keeps its limit, memory stays flat.

Minutes of it, at the highest rates, are `benchmarks/serving/reliability.py`.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from penstock.serving.acknowledgements import STARTING, workers
from penstock.serving.journal import read
from penstock.serving.segments import ReadReport, segments
from penstock.serving.slots import SlotState
from penstock.testing.toy_bundle import ROWS

Deploy = Callable[..., SlotState]


def serving(state_dir: Path) -> list[int]:
    return [worker.pid for worker in workers(state_dir) if worker.epoch != STARTING]


def test_every_acknowledged_prediction_is_in_the_journal_once_although_workers_are_killed(
    deploy: Deploy, start_server: Any, load_on: Any, tmp_path: Path
) -> None:
    """`kill -9` four times under load: only requests that nobody acknowledged break off, and each worker is replaced."""
    deploy(1)
    server = start_server("--workers", "2")
    state_dir = tmp_path / "serving"
    with load_on(server, again=True) as load:
        for _ in range(4):
            victim = serving(state_dir)[0]
            os.kill(victim, signal.SIGKILL)
            ends = time.monotonic() + 30
            while victim in serving(state_dir) or len(serving(state_dir)) < 2:
                assert time.monotonic() < ends
                time.sleep(0.02)
            load.wait(30)
    report = ReadReport()
    found = Counter(a["id"] for r in read(state_dir / "journal", kinds=["predict"], report=report) for a in r.answers)
    acknowledged = [reply["predictions"][0]["id"] for reply in load.replies]
    assert len(acknowledged) >= 170
    assert [one for one in acknowledged if found[one] != 1] == []
    assert max(found.values()) == 1
    assert [failure for failure in load.failures if isinstance(failure, dict)] == []  # no answer was a refusal
    assert report.skipped == 0
    assert server.process.poll() is None


def test_the_journal_keeps_its_limit_under_load_and_what_it_keeps_is_the_newest(
    deploy: Deploy, start_server: Any, load_on: Any, tmp_path: Path
) -> None:
    """Two workers write several times what it may hold; at no look is it larger."""
    deploy(1)
    server = start_server("--workers", "2", "--settings", '{"journal": {"max_bytes": 1000000}}')
    journal = tmp_path / "serving" / "journal"
    largest, body = 0, {"rows": [ROWS[0]] * 50}
    with load_on(server, body=body) as load:
        ends = time.monotonic() + 30
        while len(load.replies) < 160 and time.monotonic() < ends:
            sizes = []
            for _, path in segments(journal):
                try:
                    sizes.append(path.stat().st_size)
                except FileNotFoundError:
                    continue
            largest = max(largest, sum(sizes))
            time.sleep(0.005)
    assert load.failures == []
    record = len(orjson.dumps(body)) + len(orjson.dumps(load.replies[0]["predictions"])) + 300
    assert len(load.replies) * record > 2_500_000
    assert 500_000 < largest <= 1_000_000 + 2 * record
    kept = [answer["id"] for one in read(journal, kinds=["predict"]) for answer in one.answers]
    last = max(reply["predictions"][0]["id"] for reply in load.replies)
    assert last in kept


def test_a_full_disk_is_answered_without_the_journal_where_that_is_declared(
    deploy: Deploy, start_server: Any, load_on: Any, tmp_path: Path
) -> None:
    """Every request is answered; those that were journalled are there, the others are counted."""
    import resource

    deploy(1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        server = start_server("--settings", '{"journal": {"when_full": "answer"}}')
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with load_on(server) as load:
        load.wait(150)
    assert load.failures == []
    answered = {reply["predictions"][0]["id"] for reply in load.replies}
    assert len(answered) == len(load.replies)
    report = ReadReport()
    found = {
        a["id"] for r in read(tmp_path / "serving" / "journal", kinds=["predict"], report=report) for a in r.answers
    }
    assert found < answered
    assert (report.torn_tails, report.skipped) == (0, 0)
    connection = server.connect()
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    assert f"penstock_not_journalled_total {float(len(answered) - len(found))}" in text


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """The serving folder on a file system of a few megabytes of its own."""
    place = tmp_path / "serving"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_workers_that_die_are_replaced_on_a_full_disk(
    small_disk: Path, deploy: Deploy, release: Deploy, start_server: Any
) -> None:
    """All workers are killed, twice, while not one byte is left: new ones answer, and say so once there is room again."""
    deploy(1)
    release(2, "shadow", 0.0)
    server = start_server("--workers", "2", "--settings", '{"journal": {"when_full": "answer"}}')
    rest = small_disk / "rest"
    with rest.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    assert shutil.disk_usage(small_disk).free == 0

    def answers() -> bool:
        try:
            return bool(server.ask("POST", "/predict", {"rows": [ROWS[0]]})[0] == 200)
        except (OSError, http.client.HTTPException):
            return False

    for _ in range(2):
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
        for pid in children:
            os.kill(int(pid), signal.SIGKILL)
        ends = time.monotonic() + 60
        while not answers():
            assert time.monotonic() < ends, "no worker answers"
    assert [answers() for _ in range(20)] == [True] * 20
    assert rest.exists()
    rest.unlink()
    ends = time.monotonic() + 60
    while len(serving(small_disk)) < 2:
        assert time.monotonic() < ends, "no worker says what it serves"
        time.sleep(0.02)
    assert server.stop() == 0
    errors = server.errors()
    assert "the shadow ended" not in errors
    assert "Traceback" not in errors


def test_memory_stays_flat(deploy: Deploy, start_server: Any) -> None:
    """Six thousand requests after as many to warm up."""
    deploy(1)
    server = start_server("--settings", '{"journal": {"max_bytes": 2000000}}')
    body = orjson.dumps({"rows": [ROWS[0]]})
    head = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(
        body
    )

    def ask(requests: int) -> int:
        """Ask so often, fifty at a time on one connection; gives the resident memory, in kB."""
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            for _ in range(requests // 50):
                sender = threading.Thread(target=connection.sendall, args=((head + body) * 50,))
                sender.start()
                seen, tail = 0, b""
                while seen < 50:
                    chunk = tail + connection.recv(262_144)
                    assert chunk != tail
                    seen += chunk.count(b"HTTP/1.1 200 ")
                    tail = chunk[-12:]
                while not chunk.endswith(b"]}"):
                    chunk = connection.recv(262_144)
                sender.join()
        status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
        return int(status.partition("VmRSS:")[2].split()[0])

    warm = ask(6_000)
    assert ask(6_000) - warm < 3_000
