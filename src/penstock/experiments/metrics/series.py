"""The metrics of a run while it goes on: its file is read as it grows, and each series is summed up in a few numbers."""

from __future__ import annotations

import json
import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, final

_FROM_TEXT = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
CHUNK_BYTES = 1 << 20
_MANY = 2000
_BEGINS = '{"elapsed_s":'
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_decode = json.JSONDecoder().raw_decode
MOST_SERIES = 5000
"""More names than this are listed nowhere; they stay in the log."""


@final
class Summary:
    """One series in a few numbers; NaN and infinity are counted, and stay out of the least and the most."""

    __slots__ = ("count", "first", "last", "last_step", "max", "max_step", "min", "min_step", "not_finite")

    def __init__(self, first: float) -> None:
        self.count = 0
        self.first = self.last = first
        self.min, self.max = math.inf, -math.inf
        self.min_step: float | None = None
        self.max_step: float | None = None
        self.last_step: float | None = None
        self.not_finite = 0

    def add(self, value: float, step: float | None) -> None:
        self.count += 1
        self.last, self.last_step = value, step
        if value - value != 0:  # NaN and infinity only
            self.not_finite += 1
            return
        if value < self.min:
            self.min, self.min_step = value, step
        if value > self.max:
            self.max, self.max_step = value, step

    def to_json(self) -> dict[str, Any]:
        """As the ledger keeps it; numbers that JSON lacks are texts, as in the log. Without a finite value, `min` is None."""
        some = self.count > self.not_finite
        return {
            "count": self.count,
            "first": plain(self.first),
            "last": plain(self.last),
            "last_step": self.last_step,
            "min": self.min if some else None,
            "min_step": self.min_step,
            "max": self.max if some else None,
            "max_step": self.max_step,
            "not_finite": self.not_finite,
        }


@final
class Series:
    """All series of a run. Memory is per name, not per value. `mask` takes secrets out of a name where it is recorded."""

    def __init__(self, mask: Callable[[str], str] = str) -> None:
        self._mask = mask
        self.by_name: dict[str, Summary] = {}
        self.lines = 0
        self.too_many = False

    def add(self, line: dict[str, Any]) -> dict[str, float]:
        """Take one line of the log; gives what of it are numbers, the step among them."""
        step = line.get("step")
        numbers: dict[str, float] = {}
        for name, value in line.items():
            kind = type(value)
            if kind is not float and kind is not int:
                value = _FROM_TEXT.get(value) if kind is str else None
                if value is None:
                    continue
            if name == "elapsed_s":
                continue
            numbers[name] = value
            if name == "step":
                continue
            summary = self.by_name.get(name)
            if summary is None:
                if len(self.by_name) >= MOST_SERIES:
                    self.too_many = True
                    continue
                summary = self.by_name[name] = Summary(value)
            summary.add(value, step)
        self.lines += 1
        return numbers

    def last(self) -> dict[str, float]:
        """Name -> last value."""
        return {self._mask(name): summary.last for name, summary in self.by_name.items()}

    def to_json(self) -> dict[str, Any]:
        return {self._mask(name): summary.to_json() for name, summary in self.by_name.items()}

    @property
    def has_secrets(self) -> bool:
        """Whether the name of a series holds a secret."""
        return any(self._mask(name) != name for name in self.by_name)


@final
class Tail:
    """Reads the lines of a file that others append to; a last line without an end waits for the rest of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1
        self._rest = b""
        self._at = 0
        self._passed: deque[tuple[int, int]] = deque()
        self.damaged = 0  # lines that are no JSON: a power cut may leave one

    def lines(self) -> Iterator[dict[str, Any]]:
        """What has come since the last call."""
        if self._descriptor < 0:
            try:
                self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return
        while data := self._read():
            whole, end, self._rest = (self._rest + data).rpartition(b"\n")
            for line in whole.decode("utf-8", "replace").split("\n") if end else ():
                values = _line(line)
                if values is None:
                    self.damaged += 1
                else:
                    yield values

    def pass_over(self, begin: int, end: int) -> None:
        """Leave out these bytes of the file, which lie behind what was read: who reads has written them, and knows them."""
        if self._passed and self._passed[-1][1] == begin:
            begin = self._passed.pop()[0]
        self._passed.append((begin, end))

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _read(self) -> bytes:
        size = CHUNK_BYTES
        while self._passed:
            begin, end = self._passed[0]
            if self._at < begin:
                size = min(size, begin - self._at)
                break
            self._at = os.lseek(self._descriptor, end, os.SEEK_SET)
            self._passed.popleft()
        data = os.read(self._descriptor, size)
        self._at += len(data)
        return data


def _line(line: str) -> dict[str, Any] | None:
    """One line; what follows the part of another that was cut; None for what is no line of a log."""
    for start in (0, line.rfind(_BEGINS)):
        try:
            values, end = _decode(line, max(start, 0))
        except ValueError:
            continue
        if end == len(line) and isinstance(values, dict):
            return values
    return None


def plain(value: float) -> float | str:
    """A number as JSON has it: NaN and infinity are texts.

    >>> plain(0.5), plain(math.nan), plain(-math.inf)
    (0.5, 'NaN', '-Infinity')
    """
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


@final
class Appender:
    """Appends lines to a log of metrics on behalf of a script that does not do it itself; many lines go in one write.

    Where that is not possible (no space is left), `lost` counts the lines, `why` says why, and the script goes on.
    `tail`, which reads the same file, passes over what was appended here.
    """

    def __init__(self, path: Path, started: float, tail: Tail | None = None) -> None:
        self._tail = tail
        self.path = path
        self.started = started
        self.lost = 0
        self.why = "no space left"
        self._lines: list[str] = []
        self._descriptor = -1

    def add(self, values: dict[str, Any], elapsed_s: float | None = None) -> None:
        """A line, at this moment unless said otherwise; it is written by the next `flush`."""
        elapsed_s = time.monotonic() - self.started if elapsed_s is None else elapsed_s
        line = {"elapsed_s": round(elapsed_s, 6), **values}
        try:
            self._lines.append(_encode(line))
        except ValueError:  # NaN or infinity is among them
            self._lines.append(_encode({name: plain(number) for name, number in line.items()}))
        if len(self._lines) >= _MANY:
            self.flush()

    def flush(self) -> None:
        if not self._lines:
            return
        data = "".join(f"{line}\n" for line in self._lines).encode("utf-8", "backslashreplace")
        count, self._lines = len(self._lines), []
        try:
            if self._descriptor < 0:
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
                self._descriptor = os.open(self.path, flags, 0o666)
            written = os.write(self._descriptor, data)
        except OSError as error:  # no space, or the script has removed the folder: it goes on
            self.why = os.strerror(error.errno or 0)
            written = 0
        if written < len(data):
            self.lost += count if not written else data.count(b"\n", written)
            if written and not data[:written].endswith(b"\n"):
                written -= self._cut(written - data.rfind(b"\n", 0, written) - 1)
        if written and self._tail is not None:
            end = os.lseek(self._descriptor, 0, os.SEEK_CUR)
            self._tail.pass_over(end - written, end)

    def close(self) -> None:
        self.flush()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _cut(self, size: int) -> int:
        """Take back the part of a line, unless another process has written behind it; readers cope with that. How much was."""
        end = os.lseek(self._descriptor, 0, os.SEEK_CUR)
        if os.fstat(self._descriptor).st_size != end:
            return 0
        os.ftruncate(self._descriptor, end - size)
        os.lseek(self._descriptor, end - size, os.SEEK_SET)
        return size
