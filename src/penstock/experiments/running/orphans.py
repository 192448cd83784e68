"""The processes of a run whose keeper was killed: nobody is left that knows them, but each carries the run in its environment."""

from __future__ import annotations

import os
import signal
import time

GIVE_UP_S = 5.0


def end_orphans(run_id: str, pid: int) -> int:
    """Kill the program `pid`, all that has ``PENSTOCK_RUN=run_id`` in its environment, and what came of those; how many there were.

    Where there is no ``/proc``: the program, and its process group where it leads one.
    """
    killed: set[int] = set()
    if not os.path.isdir("/proc/self"):
        for end in (_end_group, _end):
            if end(pid):
                killed.add(pid)
        return len(killed)
    give_up = time.monotonic() + GIVE_UP_S
    while found := _those_of(
        f"PENSTOCK_RUN={run_id}".encode()
    ):  # again: what is being killed may just have made another
        killed.update(other for other in found if _end(other))
        if time.monotonic() > give_up:
            break
        time.sleep(0.01)
    return len(killed)


def _those_of(variable: bytes) -> set[int]:
    """Living processes that have the variable, or whose ancestor has."""
    children: dict[int, list[int]] = {}
    found: list[int] = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                state, parent = file.read().rpartition(b")")[2].split()[:2]
            with open(f"/proc/{name}/environ", "rb") as file:
                environment = file.read().split(b"\0")
        except OSError:  # it has ended, or is of another user
            continue
        if state == b"Z":
            continue
        children.setdefault(int(parent), []).append(int(name))
        if variable in environment:
            found.append(int(name))
    all_of_them: set[int] = set()
    while found:
        if (pid := found.pop()) not in all_of_them:
            all_of_them.add(pid)
            found += children.get(pid, ())
    return all_of_them


def _end(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _end_group(pid: int) -> bool:
    try:
        if os.getpgid(pid) == pid:
            os.killpg(pid, signal.SIGKILL)
            return True
    except (ProcessLookupError, PermissionError):
        pass
    return False
