"""Requests by consumer, for Prometheus: one small file per worker, with a line for each consumer that has asked it.

The set of names is bounded: who may ask is declared, and no more than `MOST_CONSUMERS` can be.
"""

from __future__ import annotations

import mmap
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from penstock.serving.folder import ServingFolder
from penstock.serving.sharing import shared_map
from penstock.serving.tokens import MOST_CONSUMERS

OUTCOMES = ("answered", "refused", "limited", "failed")
_NAME_BYTES = 64
_LINE_BYTES = _NAME_BYTES + 8 * len(OUTCOMES)
_ENDING = ".consumers"


class ConsumerCounts:
    """One worker's counts. Its file is made when the first consumer asks."""

    def __init__(self, state_dir: Path, name: str) -> None:
        self._path = ServingFolder(state_dir).metrics / f"{name}{_ENDING}"
        self._lines: dict[str, memoryview[float]] = {}
        self._map: mmap.mmap | None = None

    def add(self, consumer: str, status: int) -> None:
        line = self._lines.get(consumer)
        if line is None:
            line = self._line(consumer)
        line[outcome(status)] += 1

    def _line(self, consumer: str) -> memoryview[float]:
        if self._map is None:
            self._map = shared_map(self._path, _LINE_BYTES * (MOST_CONSUMERS + 1))  # one for those without a token
        at = min(len(self._lines), MOST_CONSUMERS) * _LINE_BYTES
        self._map[at : at + _NAME_BYTES] = consumer.encode()[:_NAME_BYTES].ljust(_NAME_BYTES, b"\0")
        line = memoryview(self._map)[at + _NAME_BYTES : at + _LINE_BYTES].cast("d")
        self._lines[consumer] = line
        return line


def outcome(status: int) -> int:
    """The place in `OUTCOMES` of an HTTP status."""
    if status < 400:
        return 0
    if status == 429:
        return 2
    return 1 if status < 500 else 3


def counts(state_dir: Path) -> Mapping[str, list[float]]:
    """Of all workers, also of those that died: consumer -> requests by `OUTCOMES`."""
    total: defaultdict[str, list[float]] = defaultdict(lambda: [0.0] * len(OUTCOMES))
    for path in sorted(ServingFolder(state_dir).metrics.glob(f"*{_ENDING}")):
        data = path.read_bytes()
        for at in range(0, len(data) - _LINE_BYTES + 1, _LINE_BYTES):
            name = data[at : at + _NAME_BYTES].rstrip(b"\0")
            if not name:
                break
            line = memoryview(data)[at + _NAME_BYTES : at + _LINE_BYTES].cast("d")
            total[name.decode()] = [a + b for a, b in zip(total[name.decode()], line, strict=True)]
    return total


def clear_consumer_counts(state_dir: Path) -> None:
    """Forget those of an earlier server."""
    for path in ServingFolder(state_dir).metrics.glob(f"*{_ENDING}"):
        path.unlink(missing_ok=True)
