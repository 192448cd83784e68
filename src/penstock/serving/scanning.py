"""A journal that is read on as it grows: by whoever answers from what was journalled before, by whichever worker.

To look again costs next to nothing where nothing came: a closed segment is read once and not looked at any more, and the folder is
listed only where it has changed. So a journal of months is no more to ask than one of a day.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from penstock.serving.segments import (
    FRAME,
    ReadReport,
    is_open,
    number_of,
    payloads,
    read_header,
    read_segment,
    segment_path,
)

_SETTLED_NS = 100_000_000
"""A folder may change again within the tick of the clock that its time is taken from; after this long it has not."""
_SETTLED_COARSE_NS = 2_500_000_000
"""The same where a file system keeps whole seconds."""


class JournalScan:
    """Reads a growing journal on from where it stopped the last time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._has_lost = False
        self._known: set[str] = set()  # names of what was there at the last look
        self._growing: dict[int, int] = {}  # segment that may grow -> offset up to which it was read
        self._changed_ns = -1  # of the folder, at the last look; -1: look again

    def new_payloads(self, start: bytes) -> Iterator[tuple[int, bytes]]:
        """Whole records that were written since, of those that begin with `start`, each with the number of its segment; what is half written
        comes the next time."""
        has_looked = self._look()
        for number in sorted(self._growing):
            path = segment_path(self.folder, number)
            # In this order: what has bytes was locked before, and nothing comes any more to what is locked no longer.
            is_closed = has_looked and _has_bytes(path) and not is_open(path)
            for payload in self._rest_of(number, path, start):
                yield number, payload
            if is_closed:
                del self._growing[number]

    @property
    def numbers(self) -> list[int]:
        """Of the segments that were there at the last look, in their order."""
        return sorted(filter(None, map(number_of, self._known)))

    def has_lost(self) -> bool:
        """Whether segments that were there are gone; each loss is told once."""
        lost, self._has_lost = self._has_lost, False
        return lost

    def _look(self) -> bool:
        """List the folder where it has changed; whether it had."""
        now_ns = time.time_ns()
        try:
            changed_ns = os.stat(self.folder).st_mtime_ns
        except FileNotFoundError:
            return False
        if changed_ns == self._changed_ns:
            return False
        settled_ns = _SETTLED_NS if changed_ns % 1_000_000_000 else _SETTLED_COARSE_NS
        self._changed_ns = changed_ns if now_ns - changed_ns > settled_ns else -1
        names = set(os.listdir(self.folder))
        for number in filter(None, map(number_of, names - self._known)):
            self._growing.setdefault(number, 0)
        if gone := self._known - names:
            self._has_lost = True
            for number in filter(None, map(number_of, gone)):
                self._growing.pop(number, None)
        self._known = names
        return True

    def _rest_of(self, number: int, path: Path, start: bytes) -> Iterator[bytes]:
        offset = self._growing[number]
        try:
            if path.stat().st_size == offset:
                return
        except FileNotFoundError:
            return
        buffer = read_segment(path, offset)
        first = 0
        if offset == 0:
            header = read_header(buffer, path)
            if header is None:
                return
            first = header[1]
            self._growing[number] = first
        for at, payload in payloads(buffer, first, path.name, ReadReport()):
            self._growing[number] = offset + at + FRAME.size + len(payload)
            if payload.startswith(start):
                yield payload


def _has_bytes(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False
