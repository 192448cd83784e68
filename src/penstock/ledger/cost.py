"""What a run costs: time, processor time, memory."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any, final

try:
    import resource
except ModuleNotFoundError:  # Windows: processor time of this process only, no memory
    resource = None  # type: ignore[assignment]

_open: list[Meter] = []
_lock = threading.Lock()


@final
class Meter:
    """Measures from its making to `read`. Children count once they have ended.

    The system keeps one highest memory per process. Each meter that starts resets it, after handing what it was to the
    meters that are open already; so runs within runs, and one run after another, each see their own.
    """

    def __init__(self) -> None:
        self._wall = time.monotonic()
        self._cpu = _cpu_s()
        self._children_peak = _children_peak_bytes()
        self._peak = 0
        with _lock:
            _share_peak()
            _open.append(self)

    def read(self) -> dict[str, Any]:
        """Cost so far: ``wall_s``, ``cpu_s``, and ``peak_memory_bytes`` where the system tells."""
        with _lock:
            _share_peak()
            if self in _open:
                _open.remove(self)
        cost: dict[str, Any] = {
            "wall_s": round(time.monotonic() - self._wall, 6),
            "cpu_s": round(_cpu_s() - self._cpu, 6),
        }
        children = _children_peak_bytes()
        peak = max(self._peak, children if children > self._children_peak else 0)
        if peak:
            cost["peak_memory_bytes"] = peak
        return cost


def _share_peak() -> None:
    peak = _peak_bytes()
    for meter in _open:
        meter._peak = max(meter._peak, peak)
    _reset_peak()


def _cpu_s() -> float:
    if resource is None:
        return time.process_time()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _peak_bytes() -> int:
    """The highest resident memory of this process since the last reset (since its start, where none is possible)."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0 if resource is None else _bytes(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def _reset_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:  # not Linux, or forbidden: the peak is then that of the whole process so far
        return


def _children_peak_bytes() -> int:
    return 0 if resource is None else _bytes(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)


def _bytes(maxrss: int) -> int:
    """`ru_maxrss` is in bytes on macOS, in KiB elsewhere."""
    return maxrss if os.uname().sysname == "Darwin" else maxrss * 1024
