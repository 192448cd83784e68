"""What the workers of a server share: numbers in memory, behind a small file, and turns at changing them; and what servers of one folder do."""

from __future__ import annotations

import fcntl
import logging
import mmap
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import final

log = logging.getLogger("penstock.serving")


def shared_map(path: Path, size: int) -> mmap.mmap:
    """A file in memory that other processes see; where the disk has no room for it, memory of this process alone."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("r+b" if path.exists() else "w+b") as file:
            os.posix_fallocate(file.fileno(), 0, size)  # now: a page that finds no room later kills the process
            return mmap.mmap(file.fileno(), size)
    except OSError as error:
        log.error("%s cannot be shared between the workers of this server: %s", path, error)
        return mmap.mmap(-1, size)


@final
class Turn:
    """``with turn:`` one process at a time, by a lock on a file that all of them share. Where it could not be made (the disk is full), each
    process keeps what it changes for itself, and waits for none."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb") if path.exists() else None

    def __enter__(self) -> None:
        if self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)


@contextmanager
def beside_others(path: Path, begin: Callable[[], None]) -> Iterator[None]:
    """``with beside_others(path, begin):`` run a server; `begin` is called first, unless another one runs that has begun.

    Parameters
    ----------
    path : a file that is locked by each of them: shared, and for itself alone while it begins.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CREAT, 0o640)
    except OSError as error:
        log.error("%s cannot be opened, and whether another server runs is not known: %s", path, error)
        yield
        return
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            begin()
        fcntl.flock(fd, fcntl.LOCK_SH)
        yield
    finally:
        os.close(fd)
