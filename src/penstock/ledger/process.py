"""Which process something belongs to, and whether that process still lives."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple


class Process(NamedTuple):
    """One process, told apart from a later one that happens to get the same number.

    Attributes
    ----------
    host : name of the machine.
    boot : id of the machine's start, "" where the system has none.
    pid : process number.
    ticks : when the process started, in clock ticks since the machine did; 0 where the system does not tell.
    """

    host: str
    boot: str
    pid: int
    ticks: int

    @classmethod
    def current(cls) -> Process:
        """The process that runs this line."""
        pid = os.getpid()
        return cls(host=_host(), boot=_boot(), pid=pid, ticks=_ticks(pid))

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Process:
        return cls(**value)

    def to_json(self) -> dict[str, Any]:
        return self._asdict()

    def is_gone(self) -> bool:
        """Whether the process has certainly ended. One of another machine cannot be seen: it counts as alive."""
        if self.host != _host():
            return False
        if self.boot != _boot():
            return True
        if self.ticks:
            return _ticks(self.pid) != self.ticks
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


@cache
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _host() -> str:
    """The name of this machine. (`platform` is slow to load; it is asked only where the system has no `uname`.)"""
    if hasattr(os, "uname"):
        return os.uname().nodename
    import platform

    return platform.node()


def user() -> str:
    """Who runs this process, as the system calls them: the login name, or the number of an account without one."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container that runs under a number only
        return f"uid-{os.getuid()}"


def account() -> str:
    """The account that this process runs under. Unlike `user` it believes no variable of the environment where the system knows better."""
    try:
        import pwd

        return pwd.getpwuid(os.geteuid()).pw_name
    except (ImportError, KeyError):  # Windows; a container that runs under a number only
        return user()


def verb_of_process() -> str:
    """The verb of the command line that is at work here, such as ``data profile``; ``python`` where there is none."""
    click = sys.modules.get("click")  # a ledger that is used by a program of its own has no need of it
    context = None if click is None else click.get_current_context(silent=True)
    if context is None or context.find_root().info_name != "penstock":
        return "python"
    path: str = context.command_path
    return path.partition(" ")[2] or "penstock"


def _ticks(pid: int) -> int:
    """Field 22 of /proc/<pid>/stat; 0 where there is no such process, or no /proc. A zombie has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    fields = text.rpartition(")")[2].split()  # the name before may hold spaces and brackets
    return 0 if fields[0] == "Z" else int(fields[19])
