"""Several workers behind one socket: started, watched, replaced when they crash or are to be renewed, stopped together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import BinaryIO

import msgspec

from penstock.errors import PenstockError, ServingError
from penstock.serving.draining import DRAIN, DRAIN_S, LEAVE_S, Flag, Terminal
from penstock.serving.logs import configured
from penstock.serving.settings import ServeSettings

log = logging.getLogger("penstock.serving")

Reload = Callable[[], ServeSettings]
"""The settings as they are declared now. Raises a `PenstockError` where they cannot be."""

_LOOK_S = 0.02
_LONGEST_PAUSE_S = 5.0
_START_S = 60.0  # for a new worker to serve, when one is replaced
_BEAT_S = 1.0  # how often a worker says that it lives
_SILENT_S = 10.0  # without a word for so long, it hangs
_TRIAL_S = 30.0  # so long a new worker has to last before the settings that it brought are taken for good ones


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
    team = Team(state_dir, listening, settings, count)
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
            team.close()


def go_on(team: Team, *, reload: Reload | None = None, renew: bool = False) -> None:
    """Supervise a team that serves already, as `supervise` does; with `renew`, after it was replaced once more."""
    with _Signals() as told:
        if renew:
            told.renew.set()
        try:
            _keep(team, told, reload)
        finally:
            team.close()


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
        team.end_silent()
        for code in team.buried():
            log.error("a worker ended with code %d and is replaced", code)
            pause = _LOOK_S if time.monotonic() > calm_at else min(2 * pause, _LONGEST_PAUSE_S)
            calm_at = time.monotonic() + 10 * _LONGEST_PAUSE_S
            if told.stop.wait(pause):
                return
            team.mistrust()
            team.start()
        if told.renew.is_set():
            told.renew.clear()
            settings = reloaded(reload, team.settings)
            if settings is not None:
                team.renew(settings)
        team.replace_one(told.stop)


def reloaded(reload: Reload | None, now: ServeSettings) -> ServeSettings | None:
    """The settings to go on with; None, with a word in the log, where the new ones cannot be."""
    if reload is None:
        return now
    try:
        fresh = msgspec.structs.replace(reload(), host=now.host)
        if fresh.grpc_port == 0 and now.grpc_port is not None:  # a free one was asked for, and it has one
            fresh = msgspec.structs.replace(fresh, grpc_port=now.grpc_port)
        fresh.check()
    except PenstockError as error:
        log.error("nothing is reloaded, and the server goes on as before: %s", error)
        return None
    return fresh


class Member:
    """A worker process. By one pipe it says that it serves, again each second out of its event loop; by another one (its stdin) it hears
    when its supervisor is gone.

    Attributes
    ----------
    settings : those of its team that it is in step with.
    """

    def __init__(self, process: subprocess.Popen[bytes], said: BinaryIO, settings: ServeSettings) -> None:
        self.process, self.settings = process, settings
        self._said, self._serves = said, False
        self._silent_s = 0.0

    def serves(self) -> bool:
        """Whether it has come to answer requests. Not by a file: a worker also takes the place of another where the disk is full."""
        return self._serves or self._hears()

    def silent_s(self, watched_s: float) -> float:
        """For how long it has said nothing while it was watched. What it says before it serves does not count.

        Parameters
        ----------
        watched_s : since the last look.
        """
        self._silent_s = 0.0 if self._hears() or not self._serves else self._silent_s + watched_s
        return self._silent_s

    def _hears(self) -> bool:
        """Take what it has said since the last look; whether that was anything."""
        heard = not self._said.closed and bool(self._said.read(4096))
        self._serves = self._serves or heard
        return heard

    def has_ended(self) -> bool:
        if self.process.poll() is None:
            return False
        self._said.close()
        return True

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


class Team:
    """The workers of one socket, of which there are to be `count`."""

    def __init__(self, state_dir: Path, listening: socket.socket, settings: ServeSettings, count: int = 1) -> None:
        self._state_dir, self._listening, self._count = state_dir, listening, count
        self.settings = settings
        self._before: ServeSettings | None = None  # those to go back to
        self._trial_ends = 0.0
        self._members: list[Member] = []
        self._looked_at = 0.0

    def start(self) -> Member:
        fd = self._listening.fileno()
        said, saying = os.pipe()
        os.set_blocking(said, False)
        command = [sys.executable, "-m", "penstock.serving.server", str(self._state_dir)]
        command += ["--fd", str(fd), "--ready-fd", str(saying)]
        own = msgspec.structs.replace(self.settings, journal=self.settings.journal.of_each(self._count))
        command += ["--settings", msgspec.json.encode(own).decode()]
        try:
            # Its stdin is a pipe that nobody writes to: it ends when this process ends, however it ends.
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, pass_fds=(fd, saying), start_new_session=True, env=os.environ
            )
        finally:
            os.close(saying)
        member = Member(process, os.fdopen(said, "rb", buffering=0), self.settings)
        self._members.append(member)
        return member

    def all_serve(self) -> bool:
        return all(member.serves() for member in self._members)

    def buried(self) -> list[int]:
        """Exit codes of the members that have ended since the last look."""
        ended = [member for member in self._members if member.has_ended()]
        self._members = [member for member in self._members if member not in ended]
        return [member.process.returncode for member in ended]

    def end_silent(self) -> None:
        """End members that hang: one that is stopped or stuck answers nobody, but its share of the new connections comes to it."""
        now = time.monotonic()
        gap = now - self._looked_at
        if gap < _BEAT_S:
            return
        self._looked_at = now
        for member in self._members:
            # A long gap is one beat, too: then this process was held up itself, and perhaps the whole machine.
            if member.silent_s(min(gap, 2 * _BEAT_S)) > _SILENT_S:
                log.error("a worker (process %d) has hung for %g s and is ended", member.process.pid, _SILENT_S)
                member.end()

    def renew(self, settings: ServeSettings) -> None:
        """Have each member replaced by a new process with `settings`, one with each call of `replace_one`."""
        self._before, self.settings = self.settings, copy(settings)  # another object, also where they are the same
        self._trial_ends = math.inf

    def replace_one(self, stop: Flag) -> None:
        """Replace a member that is to be renewed; it goes once the new one serves.

        Where the new one does not come to serve, those that are left go on as they were, and for those that were replaced
        already the settings before are taken again.
        """
        old = next((member for member in self._members if member.settings is not self.settings), None)
        if old is None:
            return
        if self.start_beside(stop):
            old.process.send_signal(DRAIN)
            self._wait_for_end(old, stop)
            if all(member.settings is self.settings for member in self._members):
                log.info("all workers are replaced")
        elif not stop.is_set():
            self._go_back()

    def mistrust(self) -> None:
        """Take the settings before again where new ones are still on trial, because a member has ended by itself."""
        if self._before is not None and self._before != self.settings and time.monotonic() < self._trial_ends:
            log.error("that was soon after a reload, and the settings before are taken again")
            self._go_back()

    def _go_back(self) -> None:
        if self._before is not None:
            self.settings, self._before = self._before, None
            return
        for member in self._members:  # these were those before, and are not to be had either: each goes on as it is
            member.settings = self.settings

    def start_beside(self, stop: Flag) -> bool:
        """Start one more member and wait until it serves; one that does not is ended, and the log says so."""
        new = self.start()
        ends = time.monotonic() + _START_S
        while not stop.wait(_LOOK_S):
            if new.serves():
                self._trial_ends = time.monotonic() + _TRIAL_S
                return True
            if new.has_ended() or time.monotonic() > ends:
                log.error(
                    "a new worker does not come to serve, and nothing more is replaced; its own message stands above"
                )
                new.end()
                self._members.remove(new)
                return False
        return False

    def close(self) -> None:
        """Refuse new connections, then stop the members: while one socket is open somewhere, the system accepts for those that are gone."""
        self._listening.close()
        self.stop()

    def stop(self) -> None:
        for member in self._members:
            member.process.terminate()
        ends = time.monotonic() + LEAVE_S + self.settings.stop_after_s + 5.0  # a worker gives up by itself before
        for member in self._members:
            try:
                member.process.wait(max(0.0, ends - time.monotonic()))
            except subprocess.TimeoutExpired:
                member.end()

    def _wait_for_end(self, old: Member, stop: Flag) -> None:
        ends = time.monotonic() + DRAIN_S + self.settings.stop_after_s + 5.0
        while not old.has_ended() and not stop.wait(_LOOK_S):
            if time.monotonic() > ends:
                old.process.kill()
        if old.has_ended() and old in self._members:
            self._members.remove(old)


def work(state_dir: Path, fd: int, ready_fd: int, settings: ServeSettings) -> None:
    """One worker of a team: serves the socket that it inherits, until told to stop or its supervisor is gone."""
    from penstock.serving.server import run_worker

    threading.Thread(target=_stop_with_supervisor, name="supervisor-watch", daemon=True).start()
    with socket.socket(fileno=fd) as listening, open(ready_fd, "wb", buffering=0) as saying, configured(settings.logs):
        os.set_blocking(ready_fd, False)
        run_worker(state_dir, listening, settings, lambda _: _beat(saying))


def _beat(saying: BinaryIO) -> None:
    """Say from now on, for as long as the event loop runs, that it does."""
    with contextlib.suppress(BrokenPipeError):  # the supervisor is gone, and this worker with it in a moment
        saying.write(b"1")  # where it does not listen for hours and the pipe is full, nothing is written
    asyncio.get_running_loop().call_later(_BEAT_S, _beat, saying)


def _stop_with_supervisor() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
