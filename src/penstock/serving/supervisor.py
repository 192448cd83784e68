"""Several workers behind one socket, kept until they are told to stop, together; and what is theirs in the process of each."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from penstock.errors import PenstockError
from penstock.serving.draining import Flag, Terminal
from penstock.serving.logs import configured
from penstock.serving.settings import ServeSettings
from penstock.serving.team import BEAT_S, SERVES, STARTS, Team

log = logging.getLogger("penstock.serving")

Reload = Callable[[], ServeSettings]
"""The settings as they are declared now. Raises a `PenstockError` where they cannot be."""

_LOOK_S = 0.02


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

    Parameters
    ----------
    ready : called once when all serve, or some do while others have to be replaced.

    Raises
    ------
    ServingError : a worker ended before any had served; it has said why on stderr.
    """
    team = Team(state_dir, listening, settings, count)
    with _Signals() as told:
        try:
            _keep(team, told, reload, ready)
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


def _keep(team: Team, told: _Signals, reload: Reload | None, ready: Callable[[], None] | None = None) -> None:
    """See to a team until told to stop; have it replaced when told to, once it is ready and nothing is being replaced."""
    while not told.stop.is_set():
        team.look()
        if ready is not None and team.is_ready:
            ready()
            ready = None
        if told.renew.is_set() and ready is None and team.is_settled:
            told.renew.clear()
            settings = reloaded(reload, team.settings)
            if settings is not None:
                team.renew(settings)
        told.stop.wait(_LOOK_S)


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


def work(state_dir: Path, fd: int, ready_fd: int, settings: ServeSettings) -> None:
    """One worker of a team: serves the socket that it inherits, until told to stop or its supervisor is gone."""
    from penstock.serving.server import run_worker

    threading.Thread(target=_stop_with_supervisor, name="supervisor-watch", daemon=True).start()
    with socket.socket(fileno=fd) as listening, open(ready_fd, "wb", buffering=0) as saying, configured(settings.logs):
        os.set_blocking(ready_fd, False)
        with starting(saying) as is_over:

            def ready(_: object) -> None:
                is_over.set()
                _beat(saying)

            run_worker(state_dir, listening, settings, ready)


@contextlib.contextmanager
def starting(saying: BinaryIO) -> Iterator[threading.Event]:
    """Say until that event is set, or this is left, that the process is at work to come to serve: a long history takes a minute to read."""
    is_over = threading.Event()

    def say() -> None:
        _say(saying, STARTS)
        while not is_over.wait(BEAT_S):
            _say(saying, STARTS)

    thread = threading.Thread(target=say, name="starting", daemon=True)
    thread.start()
    try:
        yield is_over
    finally:
        is_over.set()
        thread.join()


def _beat(saying: BinaryIO) -> None:
    """Say from now on, for as long as the event loop runs, that it does."""
    _say(saying, SERVES)
    asyncio.get_running_loop().call_later(BEAT_S, _beat, saying)


def _say(saying: BinaryIO, word: bytes) -> None:
    with contextlib.suppress(BrokenPipeError):  # the supervisor is gone, and this worker with it in a moment
        saying.write(word)  # where it does not listen for hours and the pipe is full, nothing is written


def _stop_with_supervisor() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
