"""Work beside the event loop that would take a core from whoever is being answered: by one worker of a server at a time."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

TURN_S = 10.0
"""How long a worker waits for its turn. Then it goes on without: one that hangs must not keep the others from following."""

_NICE = (
    5  # a third of the processor beside a thread that answers; with much less, a full machine would never come to it
)
_LOOK_S = 0.005


async def in_turn(lock: Path, function: Callable[[], T]) -> T:
    """What a function gives, called in a thread of lower priority while no other worker does such work.

    Parameters
    ----------
    lock : a file by which the workers of a server take turns.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def work() -> None:
        try:
            _lower_priority()
            with _turn(lock, loop):
                result = function()
        except BaseException as error:  # noqa: BLE001  # raised where it is waited for
            tell(partial(done.set_exception, error))
        else:
            tell(partial(done.set_result, result))

    def tell(settle: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
            loop.call_soon_threadsafe(lambda: None if done.cancelled() else settle())

    threading.Thread(target=work, name="in-turn").start()
    return await done


def _lower_priority() -> None:
    """Of this thread alone, as Linux has it."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, 0) + _NICE)


@contextmanager
def _turn(lock: Path, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    fd = os.open(lock, os.O_WRONLY | os.O_CREAT, 0o640)
    try:
        ends = time.monotonic() + TURN_S
        while time.monotonic() < ends and not loop.is_closed():
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(_LOOK_S)
        yield
    finally:
        os.close(fd)
