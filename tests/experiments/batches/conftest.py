"""A folder with a script, run in this process and by the command line as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.experiments.batches.batch import resume_batch, run_batch
from penstock.experiments.batches.batch_result import BatchResult
from penstock.experiments.batches.queue import Queued, enqueue
from penstock.experiments.batches.queue_run import find_flags
from penstock.experiments.capture.target import Target
from penstock.experiments.flags.flag_set import FlagSet
from penstock.ledger.record import RunRecord
from penstock.project.workspace import Workspace

SCRIPT = '''"""Learns nothing, and says how well."""
import argparse
import os
import sys
import time

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--depth", type=int, default=3)
parser.add_argument("--epochs", type=int, default=2)
parser.add_argument("--fail-above", type=float, default=1e9)
parser.add_argument("--sleep", type=float, default=0.0)
parser.add_argument("--together", type=int, default=1, help="so many runs at one time, or none ends")
parser.add_argument("--api-key", default="")
args = parser.parse_args()

if args.lr > args.fail_above:
    sys.exit("the learning rate is too high")
if args.together > 1:
    open(f"began-{os.getpid()}", "w").close()
    given_up = time.monotonic() + 60
    while sum(name.startswith("began-") for name in os.listdir()) < args.together:
        if time.monotonic() > given_up:
            sys.exit("the others did not begin")
        time.sleep(0.02)
for epoch in range(1, args.epochs + 1):
    loss = (args.lr - 0.3) ** 2 + 0.01 * (args.depth - 4) ** 2 + 0.5 / epoch
    print(f"epoch: {epoch} loss: {loss}", flush=True)
    time.sleep(args.sleep)
'''


class Lab:
    """A folder with the script `train.py`.

    Attributes
    ----------
    workspace : of the folder. target, flags : of the script, as they are found.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.script = folder / "train.py"
        self.script.write_text(SCRIPT, encoding="utf-8")
        self.workspace = Workspace(folder)
        self.target = Target("script", "train.py", self.script)
        self._processes: list[subprocess.Popen[str]] = []

    @property
    def flags(self) -> FlagSet:
        return find_flags(self.workspace)(self.target, self.folder)

    def batch(self, *words: str, **how: Any) -> BatchResult:
        """A batch in this process."""
        result = run_batch(self.workspace, self.target, self.flags, words, cwd=self.folder, **how)
        assert isinstance(result, BatchResult)
        return result

    def resume(self, batch: str, **how: Any) -> BatchResult:
        return resume_batch(self.workspace, batch, find_flags(self.workspace), **how)

    def enqueue(self, *words: str, **how: Any) -> Queued:
        """One run in the queue."""
        return enqueue(self.workspace, self.target, self.flags, words, cwd=self.folder, **how)

    def batches(self) -> list[RunRecord]:
        return self.workspace.ledger.runs(operation="batch")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """`penstock ARGUMENTS --json` as a process of its own, in a group of its own."""
        process = subprocess.Popen(
            [sys.executable, "-m", "penstock", *arguments, "--json"],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
            env={**os.environ, "PENSTOCK_LAB": str(self.folder)},
        )
        self._processes.append(process)
        return process

    def command(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Exit code and JSON of one command line."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=120)
        assert out, err
        return process.returncode, json.loads(out)

    def crash(self, process: subprocess.Popen[str]) -> None:
        """End a process at once, and wait until nothing of it is left."""
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
        self.wait_for(lambda: not self.alive(), 20)

    def alive(self) -> list[int]:
        """Processes that were started by command lines in this folder, or by those."""
        marker, found = f"PENSTOCK_LAB={self.folder}\0".encode(), []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and marker in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def wait_for(self, condition: Callable[[], object], seconds: float = 60.0) -> None:
        """Until something is so."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it did not happen in time"
            time.sleep(0.05)

    def close(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                self.crash(process)
        self.workspace.ledger.close()


@pytest.fixture
def lab_at() -> Iterator[Callable[[Path], Lab]]:
    """Folders with a script: ``lab_at(folder)``."""
    made: list[Lab] = []

    def at(folder: Path) -> Lab:
        made.append(Lab(folder))
        return made[-1]

    yield at
    for lab in made:
        lab.close()


@pytest.fixture
def lab(lab_at: Callable[[Path], Lab], tmp_path: Path) -> Lab:
    """A folder with a script."""
    return lab_at(tmp_path / "lab")
