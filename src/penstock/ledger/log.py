"""The log of a run: one line of JSON per call, in the run's own file."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from typing import Any, final

from penstock.errors import StoreFull
from penstock.objects.files import naming_full_disk

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_WORD = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


@final
class LogFile:
    """Appends lines. Each goes to the system in one write of its own, so a killed process loses none.

    Every line is valid JSON: numbers that JSON lacks are written as the texts ``"NaN"``, ``"Infinity"``, ``"-Infinity"``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1
        self._start = time.monotonic()
        self._names: dict[str, str] = {}

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
        data = (line + "}\n").encode()
        if self._descriptor < 0:
            self._open()
        with naming_full_disk(self.path):
            written = os.write(self._descriptor, data)
        if written != len(data):
            self._undo(written)

    def close(self) -> Path | None:
        """End writing; the file, None where nothing was logged."""
        if self._descriptor < 0:
            return None
        os.close(self._descriptor)
        self._descriptor = -1
        return self.path

    def _name(self, name: str) -> str:
        """A name as JSON, with the comma before and the colon behind; encoded once."""
        if (known := self._names.get(name)) is None:
            known = self._names[name] = f",{_encode(name)}:"
        return known

    def _open(self) -> None:
        with naming_full_disk(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0))

    def _undo(self, written: int) -> None:
        """Cut a line of which only a part found space."""
        os.ftruncate(self._descriptor, os.fstat(self._descriptor).st_size - written)
        raise StoreFull(
            f"no space left while writing {self.path.name!r}",
            why=f"the log of a run could not be extended: {self.path.parent}",
            way_out="free some space there and run the same command again",
        )


def read_log(data: bytes) -> Iterator[dict[str, Any]]:
    """The lines of a log; a last line that was cut by a crash is left out."""
    for line in data.splitlines(keepends=True):
        if line.endswith(b"\n"):
            values = json.loads(line)
            yield {name: _NOT_FINITE.get(v, v) if isinstance(v, str) else v for name, v in values.items()}


def _plain(value: Any) -> Any:
    """A value that JSON has: NumPy's scalars become Python's, numbers that are not finite become texts."""
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not isfinite(value):
        return _WORD[repr(value)]
    return value
