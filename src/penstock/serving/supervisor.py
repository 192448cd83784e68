"""Several workers behind one socket: started, watched, replaced when they crash, stopped together."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from penstock.errors import ServingError
from penstock.serving.acknowledgements import STARTING, workers
from penstock.serving.settings import ServeSettings

log = logging.getLogger("penstock.serving")

_LOOK_S = 0.02
_LONGEST_PAUSE_S = 5.0


def supervise(
    state_dir: Path, listening: socket.socket, count: int, settings: ServeSettings, ready: Callable[[], None]
) -> None:
    """Run `count` workers until SIGTERM or SIGINT.

    Raises
    ------
    ServingError : a worker ended before the server was ready; it has said why on stderr.
    """
    stop = threading.Event()
    before = {n: signal.signal(n, lambda *_: stop.set()) for n in (signal.SIGTERM, signal.SIGINT)}
    team = _Team(state_dir, listening, settings)
    try:
        for _ in range(count):
            team.start()
        while not stop.is_set() and not team.all_serve():
            if team.buried():
                raise ServingError(
                    "a worker ended before it could serve",
                    why="its own message stands above, on stderr",
                    way_out="start with --workers 1 to see it alone",
                )
            stop.wait(_LOOK_S)
        if not stop.is_set():
            ready()
        _replace_until(stop, team)
    finally:
        team.stop(settings.stop_after_s)
        for number, handler in before.items():
            signal.signal(number, handler)


def _replace_until(stop: threading.Event, team: _Team) -> None:
    """Replace workers that end by themselves; ever more slowly where they go on doing so."""
    pause, calm_at = _LOOK_S, 0.0
    while not stop.wait(_LOOK_S):
        for code in team.buried():
            log.error("a worker ended with code %d and is replaced", code)
            pause = _LOOK_S if time.monotonic() > calm_at else min(2 * pause, _LONGEST_PAUSE_S)
            calm_at = time.monotonic() + 10 * _LONGEST_PAUSE_S
            if stop.wait(pause):
                return
            team.start()


class _Team:
    def __init__(self, state_dir: Path, listening: socket.socket, settings: ServeSettings) -> None:
        self._state_dir, self._listening = state_dir, listening
        self._settings = msgspec.json.encode(settings).decode()
        self._members: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        fd = self._listening.fileno()
        command = [sys.executable, "-m", "penstock.serving.server", str(self._state_dir)]
        command += ["--fd", str(fd), "--settings", self._settings]
        # Its stdin is a pipe that nobody writes to: it ends when this process ends, however it ends.
        self._members.append(
            subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=(fd,), start_new_session=True, env=os.environ)
        )

    def all_serve(self) -> bool:
        serving = {worker.pid for worker in workers(self._state_dir) if worker.epoch != STARTING}
        return all(member.pid in serving for member in self._members)

    def buried(self) -> list[int]:
        """Exit codes of the members that have ended since the last look."""
        ended = [member for member in self._members if member.poll() is not None]
        self._members = [member for member in self._members if member.returncode is None]
        return [member.returncode for member in ended]

    def stop(self, timeout_s: float) -> None:
        for member in self._members:
            member.terminate()
        ends = time.monotonic() + timeout_s + 5.0  # a worker gives up by itself after `timeout_s`
        for member in self._members:
            try:
                member.wait(max(0.0, ends - time.monotonic()))
            except subprocess.TimeoutExpired:
                member.kill()
                member.wait()


def work(state_dir: Path, fd: int, settings: ServeSettings) -> None:
    """One worker of a team: serves the socket that it inherits, until told to stop or its supervisor is gone."""
    from penstock.serving.server import run_worker

    threading.Thread(target=_stop_with_supervisor, name="supervisor-watch", daemon=True).start()
    with socket.socket(fileno=fd) as listening:
        run_worker(state_dir, listening, settings, lambda _: None)


def _stop_with_supervisor() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
