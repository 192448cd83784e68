"""A shadow answers copies, in a process that may be slow, stuck or dead, and no request is ever the slower for it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from penstock.bundle.runtime import Bundle
from penstock.errors import NotWritable, PenstockError, StoreFull
from penstock.serving import shadow
from penstock.serving.acknowledgements import process_start, wait_for_epoch
from penstock.serving.arm_counts import DROPPED, ERRORS, REQUESTS, read_counts
from penstock.serving.arm_figures import figures
from penstock.serving.journal import find, read
from penstock.serving.settings import HistorySettings, JournalSettings, LogSettings
from penstock.serving.shadow import ShadowSettings
from penstock.serving.slots import SlotState
from penstock.serving.switching import end_release, fill_and_switch
from penstock.testing.toy_bundle import write_toy_bundle

Deploy = Callable[..., SlotState]
ROW = {"age": 30, "income": 20000, "job": "pilot", "member": False}


def candidate_counts(client: Any) -> Any:
    arms = client.worker.serving.arms
    return read_counts(client.worker._follower.state_dir, arms.release.number)["candidate"]


def until(what: Callable[[], Any], seconds: float = 60.0) -> None:
    ends = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.02)


def shadow_of(client: Any) -> Any:
    shadow = client.worker.serving.arms.shadow
    assert shadow is not None
    return shadow


def test_copies_are_answered_beside_the_answers(
    deploy: Deploy, release: Deploy, open_client: Callable[..., Any]
) -> None:
    """The live version answers all; the journal has what the shadow would have said, by the live answer's id."""
    deploy(1)
    release(2, "shadow", 0.0)
    client = open_client()
    answers = [answer for _ in range(3) for answer in client.predict({**ROW, "id": "a"}, {"age": 150})]
    client.post("/v2/models/toy/infer", {"inputs": [{"name": "age", "datatype": "FP64", "shape": [1], "data": [30]}]})
    until(lambda: candidate_counts(client)[REQUESTS] == 4)
    told = {name: one.value for name, one in figures(candidate_counts(client)).items()}
    assert told["rows"] == 7
    assert told["abstentions"] == pytest.approx(3 / 7)
    assert told["agreement"] > 0
    shadows = [record for record in read(client.journal) if record.kind == "shadow"]
    assert {(r.version, r.slot, r.arm) for r in shadows} == {(2, "green", "candidate")}
    assert [a["id"] for r in shadows[:3] for a in r.answers] == [a["id"] for a in answers]
    record, row = find(client.journal, shadows[0].answers[1]["id"])
    assert (record.version, record.arm, row) == (1, "live", 1)
    assert shadows[0].answers[1]["withheld"]["prediction"] in ("yes", "no")
    assert shadows[0].answers[0]["probabilities"] != answers[0]["probabilities"]
    assert [r.version for r in read(client.journal, kinds=("predict",))] == [1, 1, 1, 1]


def test_a_stuck_shadow_delays_nobody(deploy: Deploy, release: Deploy, open_client: Callable[..., Any]) -> None:
    """Stopped in its tracks: every request is answered as fast as without it, and copies that do not fit are dropped and counted."""
    deploy(1)
    release(2, "shadow", 0.0)
    client = open_client()
    client.predict(ROW)
    until(lambda: candidate_counts(client)[REQUESTS] == 1)
    pid = shadow_of(client).pid
    os.kill(pid, signal.SIGSTOP)
    try:
        rows = [{**ROW, "note": "a long note " * 50}] * 50
        slowest = 0.0
        ends = time.monotonic() + 60
        while candidate_counts(client)[DROPPED] < 5:
            start = time.perf_counter()
            client.predict(*rows)
            slowest = max(slowest, time.perf_counter() - start)
            assert time.monotonic() < ends
        assert slowest < 5  # a blocking write would have waited for ever
    finally:
        os.kill(pid, signal.SIGCONT)
    kept = sum(record.kind == "predict" for record in read(client.journal))
    until(lambda: candidate_counts(client)[REQUESTS] + candidate_counts(client)[DROPPED] == kept)


def test_a_shadow_that_dies_is_counted_and_started_again(
    deploy: Deploy, release: Deploy, open_client: Callable[..., Any]
) -> None:
    """As an error of the candidate; the worker does not notice."""
    deploy(1)
    release(2, "shadow", 0.0)
    client = open_client()
    shadow = shadow_of(client)
    first = shadow.pid
    os.kill(first, signal.SIGKILL)

    def another() -> bool:
        client.predict(ROW)
        return shadow.pid != first and candidate_counts(client)[REQUESTS] >= 3

    until(another)
    assert candidate_counts(client)[ERRORS] == 1


def test_a_request_that_the_shadow_refuses_is_held_against_it(
    release: Deploy, open_client: Callable[..., Any], tmp_path: Path
) -> None:
    """The live version takes a history, and the candidate does not."""
    wide = write_toy_bundle(tmp_path / "wide", version=1, looks_back=True)
    digest = Bundle.load(wide).digest
    fill_and_switch(tmp_path / "serving", wide, model="toy", version=1, digest=digest)
    release(2, "shadow", 0.0)
    client = open_client()
    client.predict({"age": 30, "job": "pilot", "joined": "2020-01-02"}, history=[])
    until(lambda: candidate_counts(client)[REQUESTS] == 1)
    assert candidate_counts(client)[ERRORS] == 1
    [error] = [record for record in read(client.journal) if record.kind == "error"]
    assert (error.version, error.arm, error.code) == (2, "candidate", "unknown-field")


@pytest.mark.parametrize("error", [StoreFull, NotWritable])
def test_a_journal_that_cannot_be_written_ends_no_shadow(
    error: type[PenstockError], caplog: pytest.LogCaptureFixture
) -> None:
    """And is told once, until it is written again."""
    answering = object.__new__(shadow._Answering)
    answering._is_full = False

    def fails() -> None:
        raise error("the journal cannot be written", why="the disk fails", way_out="see to it")

    for record in (fails, fails, lambda: None, fails):
        answering._write(record)
    assert [line.message.startswith("what the shadow says") for line in caplog.records] == [True, True]


def test_the_process_ends_with_its_release(
    deploy: Deploy, release: Deploy, start_server: Callable[..., Any], tmp_path: Path
) -> None:
    """And with its worker, however that ends; each worker has one."""
    deploy(1)
    server = start_server("--workers", "2")
    state = release(2, "shadow", 0.0)
    assert state.release is not None
    wait_for_epoch(tmp_path / "serving", state.epoch)
    for _ in range(10):
        assert server.ask("POST", "/predict", {"rows": [ROW]})[1]["version"] == 1
    folder = tmp_path / "serving/arms" / str(state.release.number)
    until(lambda: len(list(folder.glob("*-shadow.arms"))) == 2)
    pids = [int(path.name.partition("-")[0]) for path in folder.glob("*-shadow.arms")]
    assert all(process_start(pid) is not None for pid in pids)
    ended = end_release(tmp_path / "serving")
    assert ended is not None
    wait_for_epoch(tmp_path / "serving", ended.epoch)
    until(lambda: all(process_start(pid) is None for pid in pids))
    again = release(3, "shadow", 0.0)
    wait_for_epoch(tmp_path / "serving", again.epoch)
    folder = tmp_path / "serving/arms" / str(again.epoch)
    until(lambda: len(list(folder.glob("*-shadow.arms"))) == 2)
    pids = [int(path.name.partition("-")[0]) for path in folder.glob("*-shadow.arms")]
    server.stop(signal.SIGKILL)
    until(lambda: all(process_start(pid) is None for pid in pids))


FAULTY = """
import sys
from penstock.bundle.runtime import Bundle
from penstock.serving.shadow import main

def predict(self, rows):
    raise ValueError(f"could not read {rows}")

Bundle.predict = predict
sys.exit(main(sys.argv[1:]))
"""


def test_its_log_is_the_declared_one_and_holds_no_value_of_a_row(deploy: Deploy, tmp_path: Path) -> None:
    """Of a fault the place is told, as of the worker's; also of the one that ends the process."""
    entry = deploy(1).live_entry
    assert entry is not None
    settings = ShadowSettings(
        str(tmp_path / "serving"), 7, entry.path, "toy", 1, "green", 1.0,
        JournalSettings(), HistorySettings(), LogSettings(format="json"),
    )  # fmt: skip
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        fd = theirs.fileno()
        command = [sys.executable, "-c", FAULTY, "--fd", str(fd), "--settings", msgspec.json.encode(settings).decode()]
        process = subprocess.Popen(command, pass_fds=(fd,), stderr=subprocess.PIPE, text=True)
        body = json.dumps({"rows": [{**ROW, "job": "Jane Planted"}]}).encode()
        for answers in (b"[]", b"no JSON"):
            ours.send(len(body).to_bytes(4, "little") + body + answers)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 1
    lines = [json.loads(line) for line in told.splitlines()]
    assert [(line["level"], line["message"]) for line in lines] == [
        ("error", "the shadow failed at a request"),
        ("critical", "the shadow cannot go on, and ends"),
    ]
    assert lines[0]["fault"].endswith("builtins.ValueError")
    assert "Planted" not in told
