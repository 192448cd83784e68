"""Watches sealed files while a script runs: libraries that read natively (DuckDB, Arrow) pass by Python's audit hook.

Linux tells that a file was opened, not by whom. The processes of the run are looked at in that moment; where none of them is
seen with the file open (it was faster), it counts as opened all the same, and the record says that another program may have
been it.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, final

_IN_OPEN, _IN_NONBLOCK, _IN_CLOEXEC = 0x20, 0o4000, 0o2000000
_EVENT = struct.Struct("iIII")
CERTAIN = "opened by a process of the run, past Python"
LIKELY = "opened while the run went on, by it or by another program"


@final
class Seals:
    """Where the system cannot watch (no Linux, or no watches left), `refused` says so and nothing is seen."""

    def __init__(self, files: Iterable[Path]) -> None:
        self.descriptor = -1
        self.refused = ""
        self.broken: dict[str, str] = {}
        self._files: dict[int, str] = {}
        self._begin(list(files))

    def _begin(self, files: list[Path]) -> None:
        if not files:
            return
        if not sys.platform.startswith("linux"):
            self.refused = "only what Python opens is seen here: this system tells of no other opening of a file"
            return
        import ctypes

        libc: Any = ctypes.CDLL(None, use_errno=True)
        self.descriptor = libc.inotify_init1(_IN_NONBLOCK | _IN_CLOEXEC)
        for path in files:
            watch = libc.inotify_add_watch(self.descriptor, os.fsencode(path), _IN_OPEN)
            if watch < 0:
                self.refused = f"{path.name} is not watched: {os.strerror(ctypes.get_errno())}"
            else:
                self._files[watch] = str(path)

    def look(self, main_pid: int) -> None:
        """Take note of openings so far; `main_pid` is the run's first process."""
        try:
            data = os.read(self.descriptor, 65536) if self.descriptor >= 0 else b""
        except BlockingIOError:
            return
        at = 0
        while at + _EVENT.size <= len(data):
            watch, _, _, size = _EVENT.unpack_from(data, at)
            at += _EVENT.size + size
            path = self._files.get(watch)
            if path is not None and self.broken.get(path) != CERTAIN:
                self.broken[path] = CERTAIN if _has_open(main_pid, path) else LIKELY

    @property
    def unsure(self) -> dict[str, str]:
        """Those that may have been opened by another program."""
        return {path: how for path, how in self.broken.items() if how != CERTAIN}

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def _has_open(main_pid: int, path: str) -> bool:
    """Whether a process of the run has this file open at this moment."""
    wanted = os.stat(path)
    for pid in family(main_pid):
        try:
            for name in os.listdir(f"/proc/{pid}/fd"):
                held = os.stat(f"/proc/{pid}/fd/{name}")
                if (held.st_dev, held.st_ino) == (wanted.st_dev, wanted.st_ino):
                    return True
        except OSError:  # it has ended, or closed the file meanwhile
            continue
    return False


def family(main_pid: int) -> list[int]:
    """A process and all that came from it, as far as they still hang together. (Linux)"""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(name))
    found, at = [main_pid], 0
    while at < len(found):
        found += children.get(found[at], ())
        at += 1
    return found
