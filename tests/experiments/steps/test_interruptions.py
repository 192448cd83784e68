"""A pipeline that is killed or stopped goes on from the steps that had finished."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from penstock.experiments.steps.results import StepsResult
from penstock.project.workspace import Workspace

Run = Callable[..., StepsResult]

SLOW = """
[[step]]
name = "first"
run = "echo ran >> first.log; echo 1 > first.txt"
outputs = ["first.txt"]
[[step]]
name = "slow"
run = "echo $$ > slow.pid; test -e go || sleep 60; cp first.txt slow.txt"
inputs = ["first.txt"]
outputs = ["slow.txt"]
"""
PROGRAM = """
from penstock.experiments.steps.execute import run_steps
from penstock.project.workspace import Workspace
run_steps(Workspace.here(), echo=False)
"""


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for(condition: Callable[[], Any], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.05)


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_the_next_run_goes_on_from_what_had_finished(declare: Any, run: Run, sent: signal.Signals) -> None:
    """The program of the step ends with the one that ran it; what it was doing is shown as interrupted."""
    folder = declare(SLOW)
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], cwd=folder)
    wait_for(lambda: (folder / "slow.pid").is_file() and (folder / "slow.pid").read_text().strip())
    program = int((folder / "slow.pid").read_text())
    process.send_signal(sent)
    process.wait(30)
    wait_for(lambda: not alive(program))
    ledger = Workspace(folder).ledger
    wait_for(lambda: "running" not in {record.status for record in ledger.runs()})
    assert {record.operation: record.status for record in ledger.runs()} == {
        "first": "done",
        "slow": "interrupted",
        "steps": "interrupted",
    }
    (folder / "go").touch()
    result = run()
    assert {step.name: step.status for step in result.steps} == {"first": "known", "slow": "ran"}
    assert (folder / "first.log").read_text() == "ran\n"
    assert "it has not finished yet" in result.steps[1].why
