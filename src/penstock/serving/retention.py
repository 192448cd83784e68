"""What of the journal is kept: closed segments go by their age, and the oldest where all together are too large.

A look costs what is new: closed segments do not change, so each is looked at once, however many there are. No request waits for it: the writer
goes on meanwhile, into the next segment at most.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from pathlib import Path

from penstock.serving.segments import is_open, numbers, segment_path

_CLAIMED_S = 60.0  # an empty segment that is younger may be about to be locked by its writer


class Retention:
    """Deletes what is kept no longer. May be shared between threads.

    Parameters
    ----------
    segment_bytes : to which open segments grow: each counts as if it had, and the one after it too, so that the limit also holds until the next
        look is done.
    """

    def __init__(self, folder: Path, *, keep_days: float, max_bytes: int, segment_bytes: int = 0) -> None:
        self.folder, self.keep_days, self.max_bytes, self.segment_bytes = folder, keep_days, max_bytes, segment_bytes
        self._closed: dict[int, tuple[int, float]] = {}  # number -> bytes, and the time of the last record
        self._lock = threading.Lock()

    def apply(self) -> list[Path]:
        """Delete closed segments that are too old, then the oldest closed ones while all together are too large."""
        with self._lock:
            total = self._look()
            oldest = time.time() - self.keep_days * 86_400
            deleted = []
            for number in sorted(self._closed):
                size, written_at = self._closed[number]
                if written_at >= oldest and total <= self.max_bytes:
                    continue
                path = segment_path(self.folder, number)
                if _delete_closed(path):
                    total -= size
                    del self._closed[number]
                    deleted.append(path)
            return deleted

    def _look(self) -> int:
        """Learn which segments there are; gives the bytes of all."""
        here = set(numbers(self.folder))
        for number in self._closed.keys() - here:
            del self._closed[number]
        growing = 0
        for number in here - self._closed.keys():
            path = segment_path(self.folder, number)
            may_grow = is_open(path)  # asked first: what is not locked grows no more
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue
            if may_grow or (stat.st_size == 0 and stat.st_mtime > time.time() - _CLAIMED_S):
                growing += max(stat.st_size, self.segment_bytes) + self.segment_bytes
            else:
                self._closed[number] = stat.st_size, stat.st_mtime
        return growing + sum(size for size, _ in self._closed.values())


def _delete_closed(path: Path) -> bool:
    """Delete a segment unless a living writer holds it; whether it is gone, by whomever."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(fd)
