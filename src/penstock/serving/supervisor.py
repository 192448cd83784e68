"""Several workers behind one socket: started, watched, replaced when they crash or are to be renewed, stopped together."""

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

from penstock.errors import PenstockError, ServingError
from penstock.serving.acknowledgements import STARTING, workers
from penstock.serving.draining import DRAIN, DRAIN_S, Flag, Terminal
from penstock.serving.logs import configured
from penstock.serving.settings import ServeSettings

log = logging.getLogger("penstock.serving")

Reload = Callable[[], ServeSettings]
"""The settings as they are declared now. Raises a `PenstockError` where they cannot be."""

_LOOK_S = 0.02
_LONGEST_PAUSE_S = 5.0
_START_S = 60.0  # for a new worker to serve, when one is replaced


def supervise(
    state_dir: Path,
    listening: socket.socket,
    count: int,
    settings: ServeSettings,
    ready: Callable[[], None],
    *,
    reload: Reload | None = None,
) -> None:
    """Run `count` workers until SIGTERM or SIGINT; at SIGHUP replace them one after another, with the settings of `reload`.

    Raises
    ------
    ServingError : a worker ended before the server was ready; it has said why on stderr.
    """
    team = Team(state_dir, listening, settings)
    with _Signals() as told:
        try:
            for _ in range(count):
                team.start()
            while not told.stop.is_set() and not team.all_serve():
                if team.buried():
                    raise ServingError(
                        "a worker ended before it could serve",
                        why="its own message stands above, on stderr",
                        way_out="start with --workers 1 to see it alone",
                    )
                told.stop.wait(_LOOK_S)
            if not told.stop.is_set():
                ready()
            _keep(team, told, reload)
        finally:
            team.stop()


def go_on(team: Team, *, reload: Reload | None = None, renew: bool = False) -> None:
    """Supervise a team that serves already, as `supervise` does; with `renew`, after it was replaced once more."""
    with _Signals() as told:
        if renew:
            told.renew.set()
        try:
            _keep(team, told, reload)
        finally:
            team.stop()


class _Signals:
    """What the process was told by signals, while this is entered."""

    def __init__(self) -> None:
        self.stop, self.renew = Flag(), Flag()
        self._terminal = Terminal()

    def __enter__(self) -> _Signals:
        handlers = {signal.SIGTERM: self._stop, signal.SIGINT: self._stop, signal.SIGHUP: self._hang_up}
        self._before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _stop(self, *_: object) -> None:
        self.stop.set()

    def _hang_up(self, *_: object) -> None:
        (self.stop if self._terminal.is_gone else self.renew).set()


def _keep(team: Team, told: _Signals, reload: Reload | None) -> None:
    """Replace workers that end by themselves, ever more slowly where they go on doing so; and all of them when told to."""
    pause, calm_at = _LOOK_S, 0.0
    while not told.stop.wait(_LOOK_S):
        for code in team.buried():
            log.error("a worker ended with code %d and is replaced", code)
            pause = _LOOK_S if time.monotonic() > calm_at else min(2 * pause, _LONGEST_PAUSE_S)
            calm_at = time.monotonic() + 10 * _LONGEST_PAUSE_S
            if told.stop.wait(pause):
                return
            team.start()
        if told.renew.is_set():
            told.renew.clear()
            settings = reloaded(reload, team.settings)
            if settings is not None:
                team.renew(settings, told.stop)


def reloaded(reload: Reload | None, now: ServeSettings) -> ServeSettings | None:
    """The settings to go on with; None, with a word in the log, where the new ones cannot be."""
    if reload is None:
        return now
    try:
        fresh = msgspec.structs.replace(reload(), grpc_host=now.grpc_host)
        fresh.check()
    except PenstockError as error:
        log.error("nothing is reloaded, and the server goes on as before: %s", error)
        return None
    return fresh


class Team:
    """The workers of one socket."""

    def __init__(self, state_dir: Path, listening: socket.socket, settings: ServeSettings) -> None:
        self._state_dir, self._listening = state_dir, listening
        self.settings = settings
        self._members: list[subprocess.Popen[bytes]] = []

    def start(self) -> subprocess.Popen[bytes]:
        fd = self._listening.fileno()
        command = [sys.executable, "-m", "penstock.serving.server", str(self._state_dir)]
        command += ["--fd", str(fd), "--settings", msgspec.json.encode(self.settings).decode()]
        # Its stdin is a pipe that nobody writes to: it ends when this process ends, however it ends.
        member = subprocess.Popen(
            command, stdin=subprocess.PIPE, pass_fds=(fd,), start_new_session=True, env=os.environ
        )
        self._members.append(member)
        return member

    def all_serve(self) -> bool:
        serving = {worker.pid for worker in workers(self._state_dir) if worker.epoch != STARTING}
        return all(member.pid in serving for member in self._members)

    def buried(self) -> list[int]:
        """Exit codes of the members that have ended since the last look."""
        ended = [member for member in self._members if member.poll() is not None]
        self._members = [member for member in self._members if member.returncode is None]
        return [member.returncode for member in ended]

    def renew(self, settings: ServeSettings, stop: Flag) -> bool:
        """Replace each member by a new process with `settings`: the next one once the one before has taken over.

        Where a new one does not come to serve, those that are left go on as they were.
        """
        before, self.settings = self.settings, settings
        for old in list(self._members):
            if not self.start_beside(stop):
                self.settings = before
                return False
            old.send_signal(DRAIN)
            self._wait_for_end(old, stop)
            if stop.is_set():
                return False
        log.info("all workers are replaced")
        return True

    def start_beside(self, stop: Flag) -> bool:
        """Start one more member and wait until it serves; one that does not is ended, and the log says so."""
        new = self.start()
        ends = time.monotonic() + _START_S
        while not stop.wait(_LOOK_S):
            if any(worker.pid == new.pid and worker.epoch != STARTING for worker in workers(self._state_dir)):
                return True
            if new.poll() is not None or time.monotonic() > ends:
                log.error(
                    "a new worker does not come to serve, and nothing more is replaced; its own message stands above"
                )
                new.kill()
                new.wait()
                self._members.remove(new)
                return False
        return False

    def stop(self) -> None:
        for member in self._members:
            member.terminate()
        ends = time.monotonic() + self.settings.stop_after_s + 5.0  # a worker gives up by itself after `stop_after_s`
        for member in self._members:
            try:
                member.wait(max(0.0, ends - time.monotonic()))
            except subprocess.TimeoutExpired:
                member.kill()
                member.wait()

    def _wait_for_end(self, old: subprocess.Popen[bytes], stop: Flag) -> None:
        ends = time.monotonic() + DRAIN_S + self.settings.stop_after_s + 5.0
        while old.poll() is None and not stop.wait(_LOOK_S):
            if time.monotonic() > ends:
                old.kill()
        if old.poll() is not None and old in self._members:
            self._members.remove(old)


def work(state_dir: Path, fd: int, settings: ServeSettings) -> None:
    """One worker of a team: serves the socket that it inherits, until told to stop or its supervisor is gone."""
    from penstock.serving.server import run_worker

    threading.Thread(target=_stop_with_supervisor, name="supervisor-watch", daemon=True).start()
    with socket.socket(fileno=fd) as listening, configured(settings.logs):
        run_worker(state_dir, listening, settings, lambda _: None)


def _stop_with_supervisor() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
