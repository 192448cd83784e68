"""A second process that does a share of the work, where there are many files and a second processor.

It is a fork of this one: it knows what this one knows, is there within two milliseconds, and writes its answer into a pipe. It changes nothing,
neither files nor the ledger. If it cannot be had, or dies, its answer is short: whoever asked then does that share alone, and meets
what the other one met.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

PIPE_BYTES = 2**20
"""So much of an answer may wait to be read (Linux gives 64 KiB unless it is asked)."""


@contextmanager
def second(work: Callable[[BinaryIO], None]) -> Iterator[BinaryIO | None]:
    """Let another process do `work`, which writes into what it is given; gives what reads this, or None where there is no such process.

    There is none where the system is not Linux, where this process may use one processor only, and where it has several threads: a
    fork has one of them, and waits forever for a lock that another one held.
    """
    if not _may_fork():
        yield None
        return
    ours, theirs = os.pipe()
    try:
        process = os.fork()
    except OSError:  # no room for another one
        os.close(ours)
        os.close(theirs)
        yield None
        return
    if process == 0:
        _answer(work, theirs)
    os.close(theirs)
    try:
        with open(ours, "rb") as answer:
            yield answer
    finally:  # nobody reads any more
        with suppress(ProcessLookupError, ChildProcessError):  # somebody in this process has waited for all children
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)


def _may_fork() -> bool:
    if sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2:
        return False
    if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:  # children are forgotten: another may have their number
        return False
    try:
        return len(os.listdir("/proc/self/task")) == 1
    except OSError:  # it cannot be told
        return False


def _answer(work: Callable[[BinaryIO], None], pipe: int) -> None:
    """What the second process does. It never returns."""
    import fcntl
    import gc

    status = 1
    try:
        for number in (signal.SIGINT, signal.SIGTERM):  # what the first one does about these is no business of this one
            signal.signal(number, signal.SIG_DFL)
        gc.disable()
        for descriptor in [int(name) for name in os.listdir("/proc/self/fd")]:
            if descriptor != pipe:  # nobody shall wait for an end that this process holds open
                with suppress(OSError):
                    os.close(descriptor)
        with suppress(OSError, AttributeError):  # a limit of the user
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        with open(pipe, "wb") as answer:
            work(answer)
        status = 0
    finally:  # also from an error, which the first process meets itself: nothing of that one may be unwound here
        os._exit(status)
