"""A journal that is read on as it grows: by whoever answers from what was journalled before, by whichever worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from penstock.serving.segments import ReadReport, payloads, read_header, read_segment, segments


class JournalScan:
    """Reads a growing journal on from where it stopped the last time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[int, int] = {}  # segment -> offset up to which it was read

    def new_payloads(self, start: bytes) -> Iterator[bytes]:
        """Whole records that were written since, of those that begin with `start`; what is half written comes the next time."""
        for number, path in segments(self.folder):
            offset = self._read.get(number, 0)
            try:
                if path.stat().st_size == offset:
                    continue
            except FileNotFoundError:
                continue
            buffer = read_segment(path, offset)
            first = 0
            if offset == 0:
                header = read_header(buffer, path)
                if header is None:
                    continue
                first = header[1]
                self._read[number] = first
            for at, payload in payloads(buffer, first, path.name, ReadReport()):
                self._read[number] = offset + at + 8 + len(payload)
                if payload.startswith(start):
                    yield payload
