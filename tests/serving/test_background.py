"""What takes a core is done by one worker at a time, at a lower priority, and never in the way of the event loop."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest

from penstock.serving import background
from penstock.serving.background import in_turn


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a priority of their own on Linux alone")
def test_the_thread_gives_way_and_the_process_does_not(tmp_path: Path) -> None:
    """Only the thread's priority is lower."""

    def priority() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = priority()
    assert asyncio.run(in_turn(tmp_path / "turn", priority)) == before + 5
    assert priority() == before


def test_one_at_a_time_across_workers_and_the_loop_goes_on(tmp_path: Path) -> None:
    """What two do never overlaps; meanwhile the loop answers."""
    spans: list[tuple[float, float]] = []

    def work() -> None:
        start = time.perf_counter()
        time.sleep(0.1)
        spans.append((start, time.perf_counter()))

    async def both() -> int:
        tasks = [asyncio.create_task(in_turn(tmp_path / "turn", work)) for _ in range(3)]
        ticks = 0
        while not all(task.done() for task in tasks):
            await asyncio.sleep(0.005)
            ticks += 1
        return ticks

    assert asyncio.run(both()) > 3
    spans.sort()
    assert all(first[1] <= second[0] for first, second in pairwise(spans))


def test_who_hangs_does_not_keep_the_others_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while they go on without their turn."""
    monkeypatch.setattr(background, "TURN_S", 0.1)
    with (tmp_path / "turn").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert asyncio.run(in_turn(tmp_path / "turn", lambda: 17)) == 17


def test_what_goes_wrong_is_raised_where_it_is_waited_for(tmp_path: Path) -> None:
    """And the next has its turn; a waiter that is cancelled breaks nothing."""

    def fail() -> None:
        raise ValueError("no graph")

    async def several() -> int:
        with pytest.raises(ValueError, match="no graph"):
            await in_turn(tmp_path / "turn", fail)
        cancelled = asyncio.create_task(in_turn(tmp_path / "turn", lambda: time.sleep(0.05)))
        await asyncio.sleep(0.01)
        cancelled.cancel()
        return await in_turn(tmp_path / "turn", lambda: 5)

    assert asyncio.run(several()) == 5
