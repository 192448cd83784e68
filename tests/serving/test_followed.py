"""Workers follow their files through every fault of the system, and none goes on without following."""

from __future__ import annotations

import asyncio
import errno
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.serving import follower as follower_module
from penstock.serving.acknowledgements import AcknowledgementFile, wait_for_epoch, wait_for_shelf, workers
from penstock.serving.followed import Followed
from penstock.serving.slots import SlotState
from penstock.serving.switching import restore
from penstock.serving.tokens import create, read_consumers
from penstock.testing.toy_bundle import ROWS

Deploy = Callable[..., SlotState]


def until(true: Callable[[], Any], seconds: float = 60.0) -> None:
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.02)


def test_what_could_not_be_taken_is_tried_again_until_it_is(tmp_path: Path) -> None:
    """The file is not touched again: that the system failed does not make it a file that was seen."""
    file = tmp_path / "a.json"
    followed = Followed(file, 0.001)
    taken: list[str] = []
    failures = [OSError(errno.EMFILE, "too many open files"), OSError(errno.ENOSPC, "no space")]

    async def take() -> None:
        if failures:
            raise failures.pop()
        taken.append(file.read_text())

    async def follow() -> None:
        following = asyncio.create_task(followed.follow(take))
        for words in ("one", "another"):
            file.write_text(words)
            while words not in taken:
                await asyncio.sleep(0.001)
        following.cancel()

    asyncio.run(asyncio.wait_for(follow(), 60))
    assert taken == ["one", "another"]


@pytest.mark.parametrize("name", ["slots.json", "shelf.json", "tokens.json"])
def test_a_file_that_cannot_be_read_for_a_while_is_followed_afterwards(
    deploy: Deploy, shelve: Callable[..., Any], start_server: Any, tmp_path: Path, name: str
) -> None:
    """A folder stands in its place, which nobody can read as a file; then what is deployed, shelved or declared holds again."""
    deploy(1)
    state_dir = tmp_path / "serving"
    shelve("other", 1)
    server = start_server()
    file, away = state_dir / name, tmp_path / "away"
    if file.exists():
        file.rename(away)
    file.mkdir()
    said = b""
    assert server.process.stderr is not None
    while name.encode() + b" is not followed" not in said:
        said = server.process.stderr.readline()
        assert said, "the server has ended"
    file.rmdir()
    if away.exists():
        away.rename(file)
    state, shelf = deploy(2), shelve("other", 2, of=2)
    wait_for_epoch(state_dir, state.epoch, timeout_s=60)
    wait_for_shelf(state_dir, shelf.epoch, timeout_s=60)
    assert server.ask("POST", "/predict", {"rows": [ROWS[0]]})[1]["version"] == 2
    create(state_dir, "somebody", scopes=["predict"])
    assert read_consumers(state_dir)
    until(lambda: server.ask("POST", "/predict", {"rows": [ROWS[0]]})[0] == 401)


def test_an_acknowledgement_that_cannot_be_written_is_written_once_it_can(tmp_path: Path) -> None:
    """The worker goes on meanwhile."""
    (tmp_path / "acks").write_bytes(b"no folder")
    file = AcknowledgementFile(tmp_path)
    file.serves(3, "toy", 1, "blue")
    (tmp_path / "acks").unlink()

    async def catch_up() -> None:
        catching_up = asyncio.create_task(file.catch_up())
        while not await asyncio.to_thread(workers, tmp_path):
            await asyncio.sleep(0.01)
        catching_up.cancel()

    asyncio.run(asyncio.wait_for(catch_up(), 60))
    assert [worker.epoch for worker in workers(tmp_path)] == [3]


def test_what_is_taken_back_while_it_is_loaded_never_answers(
    deploy: Deploy, open_client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whoever deployed it has said that it failed; until then the worker told that it was at work."""
    state_dir = tmp_path / "serving"
    before = deploy(1)
    follower = open_client().worker._follower
    monkeypatch.setattr(follower_module, "_TELL_LOADING_S", 0.01)
    go_on = threading.Event()

    def prepare(bundle: Any, model: str) -> None:
        assert go_on.wait(60)

    monkeypatch.setattr(follower, "_prepare", prepare)
    refused = deploy(2)

    async def follow() -> None:
        moving = asyncio.create_task(follower._move())
        while not workers(state_dir)[0].loading:
            await asyncio.sleep(0.01)
        restore(state_dir, before, refused, by="deploy was refused")
        go_on.set()
        await moving
        assert follower.serving.live.entry.version == 1
        assert (workers(state_dir)[0].epoch, workers(state_dir)[0].loading) == (before.epoch, 0)
        await follower._move()

    asyncio.run(asyncio.wait_for(follow(), 60))
    assert follower.serving.live.entry.version == 1
    assert workers(state_dir)[0].epoch == refused.epoch + 1


def test_a_shadow_that_cannot_be_started_is_later_and_is_not_held_against_its_version(
    deploy: Deploy, release: Deploy, open_client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system has no process to give for a while: the live version answers, and copies count as dropped."""
    deploy(1)
    release(2, "shadow", 0.0)
    with monkeypatch.context() as patch:

        def none_left(*_: object, **__: object) -> None:
            raise OSError(errno.EAGAIN, "no process left")

        patch.setattr(subprocess, "Popen", none_left)
        client = open_client()
        client.predict(ROWS[0])

    def figures() -> dict[str, float]:
        from penstock.serving.arm_counts import COUNTED, read_counts

        arms = client.worker.serving.arms
        counts = read_counts(client.worker.state_dir, arms.release.number)["candidate"]
        return dict(zip(COUNTED, counts, strict=False))

    assert figures()["dropped"] == 1

    def answered() -> bool:
        client.predict(ROWS[0])
        return figures()["requests"] > 0

    until(answered)
    assert figures()["errors"] == 0


def test_a_worker_that_follows_no_longer_ends(
    deploy: Deploy, open_client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours in what is done beside the requests: whoever runs the worker hears of it, and can start another one."""
    deploy(1)
    worker = open_client().worker

    async def broken() -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(worker.guards, "watch", broken)
    said: list[str] = []

    async def live() -> None:
        ended = asyncio.Event()
        worker.end = ended.set

        async def receive() -> Any:
            if said:  # the server is told to stop once the worker says that it has to
                await ended.wait()
            return {}

        async def send(message: Any) -> None:
            said.append(message["type"])

        await worker.lifespan(receive, send)

    asyncio.run(asyncio.wait_for(live(), 60))
    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert repr(worker.failure) == "RuntimeError('a fault')"


def test_a_server_of_one_worker_that_follows_no_longer_ends_with_the_fault(deploy: Deploy, tmp_path: Path) -> None:
    """It closes its journal, and does not go on answering with what was live once."""
    deploy(1)
    code = """
import pathlib, sys
from penstock.serving.guards import GuardWatch
from penstock.serving.server import serve

async def broken(self):
    raise RuntimeError("a fault")

GuardWatch.watch = broken
serve(pathlib.Path(sys.argv[1]), port=0)
"""
    command = [sys.executable, "-c", code, str(tmp_path / "serving")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "RuntimeError: a fault" in done.stderr
    assert workers(tmp_path / "serving") == []
