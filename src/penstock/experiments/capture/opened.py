"""Which files a run has opened, as its Python processes tell (see `inside/first/sitecustomize.py`)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, final

from penstock.experiments.metrics.series import Tail

OPENED = "opened.jsonl"


@final
class Opened:
    """What was opened so far; `look` takes note of what is new.

    Attributes
    ----------
    read : files that were read, and not written before; path -> the line of code that opened it first ("" where unknown).
    stamps : of those, size, time of change (ns) and inode when each was opened first.
    written : files that were opened for writing.
    events : TensorBoard's event files among them.
    unsealed : sealed file -> how it was seen to be opened.
    interpreter : of the first Python process: python, executable, prefix, path.
    more : a process opened more files than it tells of.
    """

    def __init__(self, folder: Path, sealed: Iterable[Path] = ()) -> None:
        self._tail = Tail(folder / OPENED)
        self._sealed = {os.path.realpath(path): str(path) for path in sealed}
        self.read: dict[str, str] = {}
        self.stamps: dict[str, tuple[int, ...]] = {}
        self.written: dict[str, None] = {}
        self.events: dict[str, None] = {}
        self.unsealed: dict[str, str] = {}
        self.interpreter: dict[str, Any] | None = None
        self.uses: set[str] = set()
        self.more = False

    def look(self) -> None:
        for line in self._tail.lines():
            if "path" in line:
                self._file(line["path"], line.get("mode", "r"), line.get("at", ""), line.get("stamp"))
            elif "interpreter" in line and self.interpreter is None:
                self.interpreter = line["interpreter"]
            elif "uses" in line:
                self.uses.add(line["uses"])
            elif line.get("more"):
                self.more = True

    def close(self) -> None:
        self._tail.close()

    def _file(self, path: str, mode: str, at: str, stamp: list[int] | None) -> None:
        sealed = self._sealed.get(os.path.realpath(path)) if self._sealed else None
        if sealed is not None:
            self.unsealed.setdefault(sealed, f"opened at {at}" if at else "opened by its Python")
        if mode == "w":
            self.written[path] = None
            if "tfevents" in os.path.basename(path):
                self.events[path] = None
        elif path not in self.written:
            self.read.setdefault(path, at)
            if stamp is not None:
                self.stamps.setdefault(path, tuple(stamp))
