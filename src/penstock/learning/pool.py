"""A few worker processes: one task each, killed when it overruns, replaced when it dies."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import penstock
from penstock.features.openmp import asleep


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a task ended: with an answer, or with the reason why there is none."""

    id: int
    answer: dict[str, Any] | None
    why: str = ""
    overran: bool = False


class Pool:
    """Workers of a search, used by one thread of the parent.

    Parameters
    ----------
    size : number of processes.
    threads : that each of them may use.
    folder : of the search; logs are kept in it.
    slow_imports : modules that the workers import before their first task.
    """

    def __init__(self, size: int, threads: int, folder: Path, slow_imports: Sequence[str] = ()) -> None:
        self.size, self.threads, self.folder, self.slow_imports = size, threads, folder, tuple(slow_imports)
        self._messages: queue.SimpleQueue[tuple[_Process, dict[str, Any] | None]] = queue.SimpleQueue()
        self._count = 0
        self._processes: list[_Process] = []

    def __enter__(self) -> Self:
        self._processes = [self._spawn() for _ in range(self.size)]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            process.kill()

    @property
    def busy(self) -> int:
        """Tasks under way."""
        return sum(process.task is not None for process in self._processes)

    @property
    def has_room(self) -> bool:
        return self.busy < self.size

    def start(self, task: dict[str, Any], kill_after_s: float | None) -> None:
        """Give a task (with its own ``id``) to an idle worker, which is killed `kill_after_s` seconds from now."""
        idle = next(process for process in self._processes if process.task is None)
        idle.start(task["id"], task, None if kill_after_s is None else time.monotonic() + kill_after_s)

    def wait(self, timeout_s: float | None = None) -> list[Outcome]:
        """The next tasks that ended, at least one, or none when the time is over first."""
        until = None if timeout_s is None else time.monotonic() + timeout_s
        outcomes: list[Outcome] = []
        while self.busy and not outcomes:
            ends = [p.kill_at for p in self._processes if p.kill_at is not None] + ([] if until is None else [until])
            try:
                pause = None if not ends else max(0.0, min(ends) - time.monotonic())
                outcomes += self._ended(*self._messages.get(timeout=pause))
            except queue.Empty:
                outcomes += self._overruns()
                if until is not None and time.monotonic() >= until:
                    break
        return outcomes

    def _ended(self, process: _Process, message: dict[str, Any] | None) -> list[Outcome]:
        if process not in self._processes or process.task is None:
            return []  # one that was killed and replaced
        task = process.task
        process.task = process.kill_at = None
        if message is None:
            why = process.last_words()
            self._replace(process)
            return [Outcome(task, None, why)]
        if "error" in message:
            return [Outcome(task, None, message["error"])]
        return [Outcome(task, message)]

    def _overruns(self) -> list[Outcome]:
        now = time.monotonic()
        outcomes = []
        for process in list(self._processes):
            if process.task is not None and process.kill_at is not None and process.kill_at <= now:
                outcomes.append(Outcome(process.task, None, "the time for it was over", overran=True))
                self._replace(process)
        return outcomes

    def _replace(self, process: _Process) -> None:
        process.kill()
        self._processes[self._processes.index(process)] = self._spawn()

    def _spawn(self) -> _Process:
        self._count += 1
        return _Process(self.threads, self.folder, self.slow_imports, self._count, self._messages)


class _Process:
    """One worker process and the thread that listens to it."""

    def __init__(
        self,
        threads: int,
        folder: Path,
        slow_imports: Sequence[str],
        number: int,
        messages: queue.SimpleQueue[tuple[_Process, dict[str, Any] | None]],
    ) -> None:
        self.log = folder / f"worker-{number}.log"
        self.task: int | None = None
        self.kill_at: float | None = None
        source = str(Path(penstock.__file__).parents[1])  # -P: a folder "penstock" where the user stands is not ours
        environment = {
            **asleep(os.environ),
            "PYTHONPATH": os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH")))),
            "OMP_NUM_THREADS": str(threads),
            "OPENBLAS_NUM_THREADS": str(threads),
        }
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "penstock.learning.worker", str(folder), *slow_imports],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
            )
        threading.Thread(target=self._listen, args=(messages,), daemon=True).start()

    def start(self, number: int, task: dict[str, Any], kill_at: float | None) -> None:
        self.task, self.kill_at = number, kill_at
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(task).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has died: the listener says so

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin,):
            if pipe is not None:
                pipe.close()

    def last_words(self) -> str:
        """Why the process is gone: its signal or exit code, and the last line that it wrote."""
        code = self._process.wait()
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f"the worker was {how}" + (f": {lines[-1]}" if lines else "")

    def _listen(self, messages: queue.SimpleQueue[tuple[_Process, dict[str, Any] | None]]) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                if line.endswith(b"\n"):  # else it was killed in the middle of its answer
                    messages.put((self, json.loads(line)))
        messages.put((self, None))
