"""The log of a run: one line of JSON per call, in the run's own file."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from math import isfinite
from pathlib import Path
from threading import Lock
from typing import Any, final

from penstock.errors import StoreFull
from penstock.objects.files import naming_full_disk

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode
NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
LOG_WORDS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
"""Numbers that JSON lacks, as a log has them: their texts, and the texts of Python's `repr` of them."""
_TOGETHER = 1000
"""Lines that are read at once."""
_BEGINS = b'{"elapsed_s":'


@final
class LogFile:
    """Appends lines. Each goes to the system in one write of its own, so a killed process loses none.

    Every line is valid JSON: numbers that JSON lacks are written as the texts ``"NaN"``, ``"Infinity"``, ``"-Infinity"``.
    Any number of threads and processes may append to one file.

    Parameters
    ----------
    started : when the run began, as `time.monotonic` told it (one clock for all processes of a machine); now, by default.
    """

    def __init__(self, path: Path, started: float | None = None) -> None:
        self.path = path
        self._descriptor = -1
        self._start = time.monotonic() if started is None else started
        self._names: dict[str, str] = {}
        self._opening = Lock()

    def append(self, values: dict[str, Any]) -> None:
        """Write one line: seconds since the run began, then the values.

        Raises
        ------
        StoreFull : no space is left; no part of the line was kept.
        """
        line = f'{{"elapsed_s":{time.monotonic() - self._start:.6f}'
        for name, value in values.items():
            line += self._name(name)
            if type(value) is int or (type(value) is float and isfinite(value)):
                line += repr(value)
            else:
                line += _encode(_plain(value))
        data = (line + "}\n").encode("utf-8", "backslashreplace")  # as JSON escapes what UTF-8 lacks
        if self._descriptor < 0:
            self._open()
        with naming_full_disk(self.path):
            written = os.write(self._descriptor, data)
        if written != len(data):
            self._undo(written)

    def close(self) -> Path | None:
        """End writing; the file, None where nothing was logged, by whomever."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        return self.path if self.path.is_file() else None

    def _name(self, name: str) -> str:
        """A name as JSON, with the comma before and the colon behind; encoded once."""
        if (known := self._names.get(name)) is None:
            known = self._names[name] = f",{_encode(name)}:"
        return known

    def _open(self) -> None:
        with self._opening, naming_full_disk(self.path):
            if self._descriptor < 0:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
                self._descriptor = os.open(self.path, flags, 0o666)

    def _undo(self, written: int) -> None:
        """Cut a line of which only a part found space, unless another process has written behind it: `read_log` copes."""
        end = os.lseek(self._descriptor, 0, os.SEEK_CUR)
        if os.fstat(self._descriptor).st_size == end:
            os.ftruncate(self._descriptor, end - written)
        raise StoreFull(
            f"no space left while writing {self.path.name!r}",
            why=f"the log of a run could not be extended: {self.path.parent}",
            way_out="free some space there and run the same command again",
        )


def read_log(lines: bytes | Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The lines of a log (its bytes, or the open file). What was cut by a crash or a full disk is left out."""
    rest = iter(lines.splitlines(keepends=True) if isinstance(lines, bytes) else lines)
    while some := [line for line in islice(rest, _TOGETHER) if line.endswith(b"\n")]:
        for values in _read_at_once(some):
            yield {name: NOT_FINITE.get(v, v) if isinstance(v, str) else v for name, v in values.items()}


def _read_at_once(lines: list[bytes]) -> list[dict[str, Any]]:
    """Some lines as one list of JSON, which is read several times as fast as line by line; or each by itself where one is damaged."""
    try:
        together = json.loads(b"[" + b",".join(lines) + b"]")
    except ValueError:
        together = []
    if len(together) == len(lines) and all(type(values) is dict for values in together):
        return list(together)
    return [values for line in lines if (values := _values(line)) is not None]


def _values(line: bytes) -> dict[str, Any] | None:
    """One line; what follows the part of another that was cut; None for what is no line of a log."""
    for start in (0, line.rfind(_BEGINS)):
        try:
            values = json.loads(line[start:])
        except ValueError:
            continue
        return values if isinstance(values, dict) else None
    return None


def _plain(value: Any) -> Any:
    """A value that JSON has: NumPy's scalars become Python's, numbers that are not finite become texts."""
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not isfinite(value):
        return LOG_WORDS[repr(value)]
    return value
