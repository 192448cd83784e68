"""A worker that is replaced or told to stop: it takes no new connection, and has the clients of those it has go elsewhere before it ends.

A server that closes a connection on which it waits may cross a request on its way, and HTTP lets nobody send that again. So each answer
first says ``connection: close``, until no connection is left; the few on which nothing was asked for all that time are closed then.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import uvicorn

DRAIN = signal.SIGUSR1
"""Tells a worker of a team that another one has taken its place."""

DRAIN_S = 5.0
"""How long clients that ask nothing may keep a worker that is replaced."""

LEAVE_S = 2.0
"""How long they may keep one that is told to stop. Longer pauses between requests than this are taken for the end of them."""

BACKLOG = 2048
"""Connections that the system accepts before anybody takes them."""
_LOOK_S = 0.02
_CLOSE = (b"connection", b"close")


async def drain(
    server: uvicorn.Server,
    limit_s: float,
    is_cut_short: Callable[[], bool],
    entering: Sequence[asyncio.Task[None]] = (),
) -> None:
    """Have a server end without a request lost. New connections are refused, or taken by those beside it, from now on.

    Parameters
    ----------
    limit_s : how long clients that ask nothing may keep it. is_cut_short : whether it is to end at once.
    entering : connections that were `accepted` and become some of the server's; those that have not by the end are given up.
    """
    for listening in server.servers:
        listening.close()
    server.config.encoded_headers.append(_CLOSE)  # of which the server makes the headers of all answers, each second
    server.server_state.default_headers = [*server.server_state.default_headers, _CLOSE]
    for connection in server.server_state.connections:
        cycle = getattr(connection, "cycle", None)
        if cycle is not None and not cycle.response_complete:
            cycle.keep_alive = False  # what is being answered took its headers before
    loop = asyncio.get_running_loop()
    ends = loop.time() + limit_s
    while (
        (server.server_state.connections or not all(one.done() for one in entering))
        and not is_cut_short()
        and loop.time() < ends
    ):
        await asyncio.sleep(_LOOK_S)
    for one in entering:
        one.cancel()


def accepted(listening: socket.socket) -> list[socket.socket]:
    """Connections that the system has accepted and nobody has taken yet: to close the socket on which it listens would reset them."""
    found = []
    with contextlib.suppress(OSError):  # none is left, or can be taken
        for _ in range(BACKLOG):  # while we take, others come
            connection, _ = listening.accept()
            connection.setblocking(False)
            found.append(connection)
    return found


class Flag:
    """What a signal raises. A handler may do so at any moment: of `threading.Event` it would wait for ever for a lock that the
    very thread that it has interrupted holds."""

    def __init__(self) -> None:
        self._is_up = False

    def is_set(self) -> bool:
        return self._is_up

    def set(self) -> None:
        self._is_up = True

    def clear(self) -> None:
        self._is_up = False

    def wait(self, seconds: float) -> bool:
        """Until it is up, or so long; whether it is up."""
        ends = time.monotonic() + seconds
        while not self._is_up and (left := ends - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK_S))
        return self._is_up


class Terminal:
    """The terminal that a server was started from, if any: SIGHUP means that it is gone, or else that the server is to reload."""

    def __init__(self) -> None:
        self._was_there = any(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))

    @property
    def is_gone(self) -> bool:
        if not self._was_there:
            return False
        try:
            os.close(os.open("/dev/tty", os.O_RDWR))
        except OSError:
            return True
        return False
