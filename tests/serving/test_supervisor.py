"""The supervisor of several workers: who hangs is ended, as who crashes is buried."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.serving.acknowledgements import workers
from penstock.serving.server import _listen
from penstock.serving.settings import ServeSettings
from penstock.serving.slots import SlotState
from penstock.serving.supervisor import Team


def test_a_worker_that_hangs_is_ended_and_one_that_is_idle_is_not(
    deploy: Callable[..., SlotState], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stopped process keeps its share of the connections, and answers none of them."""
    monkeypatch.setattr("penstock.serving.supervisor._SILENT_S", 3.0)
    deploy(1)
    with _listen("127.0.0.1", 0) as listening:
        team = Team(tmp_path / "serving", listening, ServeSettings(), 2)
        try:
            hanging, idle = team.start(), team.start()
            ends = time.monotonic() + 60
            while not team.all_serve():
                assert time.monotonic() < ends
                time.sleep(0.02)
            os.kill(hanging.process.pid, signal.SIGSTOP)
            ended: list[int] = []
            while not ended:
                assert time.monotonic() < ends, "it was not ended"
                team.end_silent()
                ended = team.buried()
                time.sleep(0.02)
            assert ended == [-signal.SIGKILL]
            assert hanging.has_ended()
            assert [worker.pid for worker in workers(tmp_path / "serving")] == [idle.process.pid]
        finally:
            team.stop()
