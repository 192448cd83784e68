"""Acknowledgements: a deployment returns when every living worker has switched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from penstock.errors import BundleError, ServingError
from penstock.serving.acknowledgements import STARTING, AcknowledgementFile, process_start, wait_for_epoch, workers


def test_without_a_server_there_is_nothing_to_wait_for(tmp_path: Path) -> None:
    """Deploying to a stopped server works."""
    assert wait_for_epoch(tmp_path, 7, timeout_s=0) == []


def test_waiting_ends_when_the_worker_serves_the_epoch(tmp_path: Path) -> None:
    """Not before."""
    file = AcknowledgementFile(tmp_path)
    assert [w.epoch for w in workers(tmp_path)] == [STARTING]
    thread = threading.Thread(target=lambda: (time.sleep(0.1), file.serves(7, "toy", 2, "green")))
    thread.start()
    (worker,) = wait_for_epoch(tmp_path, 7, timeout_s=60)
    thread.join()
    assert (worker.pid, worker.epoch, worker.version, worker.slot) == (os.getpid(), 7, 2, "green")
    file.remove()
    assert workers(tmp_path) == []


def test_a_worker_that_does_not_switch_is_named(tmp_path: Path) -> None:
    """With its process number and what it still serves."""
    file = AcknowledgementFile(tmp_path)
    file.serves(6, "toy", 1, "blue")
    with pytest.raises(ServingError) as error:
        wait_for_epoch(tmp_path, 7, timeout_s=0.02)
    assert str(os.getpid()) in error.value.why
    assert "epoch 6" in error.value.why


def test_a_worker_that_is_at_work_on_it_is_waited_for(tmp_path: Path) -> None:
    """Longer than one that says nothing; whoever deploys hears why."""
    file = AcknowledgementFile(tmp_path)
    file.serves(6, "toy", 1, "blue")

    def work() -> None:
        for _ in range(20):
            file.loads(7)
            time.sleep(0.05)
        file.serves(7, "toy", 2, "green")
        file.loads(7)  # told by a thread that was late: it is loaded

    said: list[str] = []
    thread = threading.Thread(target=work)
    thread.start()
    (worker,) = wait_for_epoch(tmp_path, 7, timeout_s=0.5, told=said.append)
    thread.join()
    assert (worker.epoch, workers(tmp_path)[0].loading) == (7, 0)
    assert len(said) == 1
    assert said[0].startswith("waiting for 1 of 1 server processes, which are still loading")


def test_a_worker_that_tells_no_more_is_not_waited_for(tmp_path: Path) -> None:
    """It hangs, though it was at work."""
    file = AcknowledgementFile(tmp_path)
    file.serves(6, "toy", 1, "blue")
    file.loads(7)
    with pytest.raises(ServingError, match=r"not every worker has switched within 0\.1 s"):
        wait_for_epoch(tmp_path, 7, timeout_s=0.1)


def test_a_refusal_reaches_whoever_deploys(tmp_path: Path) -> None:
    """With the worker's own words; a later success clears it."""
    file = AcknowledgementFile(tmp_path)
    file.serves(6, "toy", 1, "blue")
    file.refuses(7, BundleError("graph.onnx is damaged", "a bit flipped", "copy it again"))
    with pytest.raises(ServingError, match=r"graph\.onnx is damaged") as error:
        wait_for_epoch(tmp_path, 7)
    assert "still answers with version 1" in error.value.why
    file.serves(8, "toy", 1, "blue")
    assert wait_for_epoch(tmp_path, 8)[0].error is None


def test_dead_workers_are_not_waited_for(tmp_path: Path) -> None:
    """Also where their number is another process by now."""
    folder = tmp_path / "acks"
    folder.mkdir()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    start = process_start(dead.pid)
    dead.wait()
    plain = {"format": 1, "epoch": 1, "model": "", "version": 1, "slot": "", "refused": 0, "error": None, "at": ""}
    for pid, started in ((dead.pid, start), (os.getpid(), 17)):
        (folder / f"{pid}-{started}.json").write_text(json.dumps({**plain, "pid": pid, "started": started}))
    assert wait_for_epoch(tmp_path, 7, timeout_s=0) == []
    assert list(folder.iterdir()) == []
