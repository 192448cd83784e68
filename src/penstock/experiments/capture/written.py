"""Files that runs were seen to write: what a program has made is no source, whatever it is called.

They are remembered in ``.penstock/cache/written.jsonl``, a line per file and content, so that runs at the same time lose nothing of
each other. A file counts as made while it has the content that the run gave it: one that a person edits is source again. Python modules
are source whoever wrote them: an import of one may be answered by its compiled form, so that nobody sees that it was needed.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, final

from penstock.experiments.capture.matters import ending, own_folder, why_not
from penstock.objects.digests import digest_of
from penstock.project.workspace import Workspace

FILE = Path("cache", "written.jsonl")
WHY = "written by a run"
_SPARE_LINES = 1000


@final
class Written:
    """What runs have written, as far as it could be taken for source. A damaged line counts as none."""

    def __init__(self, workspace: Workspace) -> None:
        self._root, self._path = workspace.root, workspace.state / FILE
        self._largest_bytes = workspace.declaration.run.source.max_file_bytes
        self._known: dict[str, tuple[list[int], str]] = {}  # name -> size, time and inode; digest
        lines = 0
        with suppress(OSError), self._path.open("rb") as file:  # none yet: nothing was written
            for line in file:
                lines += 1
                with suppress(ValueError, TypeError):  # cut by a crash
                    name, stamp, digest = json.loads(line)
                    self._known[name] = (stamp, digest)
        if lines > 2 * len(self._known) + _SPARE_LINES:
            self._shorten()

    def has(self, name: str, status: os.stat_result) -> bool:
        """Whether a file, named from the root, is as a run has written it."""
        if name not in self._known:
            return False
        stamp, digest = self._known[name]
        if stamp == _stamp(status):
            return True
        if stamp[0] != status.st_size:
            return False
        with suppress(OSError):  # who reads it for the snapshot says so
            return digest_of((self._root / name).read_bytes()) == digest
        return False

    def remember(self, files: Mapping[str, str | None]) -> None:
        """Add files that a run has written.

        Parameters
        ----------
        files : absolute path -> digest, None where it is not known yet.
        """
        lines = []
        root = str(self._root) + os.sep
        for file, digest in files.items():
            name = os.path.normpath(file).removeprefix(root).replace(os.sep, "/")
            if not self._may_be_source(name):
                continue
            with suppress(OSError):  # gone again
                status = os.stat(file)
                if not stat.S_ISREG(status.st_mode) or status.st_size > self._largest_bytes:
                    continue
                entry = (_stamp(status), digest or digest_of(Path(file).read_bytes()))
                if self._known.get(name) != entry:
                    self._known[name] = entry
                    lines.append(_line(name, entry))
        if lines:
            with suppress(OSError):  # what is not remembered is source the next time, as before
                self._path.parent.mkdir(parents=True, exist_ok=True)
                with self._path.open("ab", buffering=0) as opened:
                    opened.write(b"".join(lines))

    def _may_be_source(self, name: str) -> bool:
        parts = name.split("/")
        if os.path.isabs(name) or ".." in parts or not all(map(own_folder, parts[:-1])):
            return False
        return why_not(name) is None and ending(name) != "py"

    def _shorten(self) -> None:
        """Leave one line for each file. What another run adds meanwhile may be lost, and is source once more."""
        unfinished = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        with suppress(OSError):
            unfinished.write_bytes(b"".join(_line(name, entry) for name, entry in self._known.items()))
            os.replace(unfinished, self._path)


def _line(name: str, entry: tuple[list[int], str]) -> bytes:
    body: list[Any] = [name, *entry]
    return json.dumps(body, separators=(",", ":")).encode() + b"\n"


def _stamp(status: os.stat_result) -> list[int]:
    return [status.st_size, status.st_mtime_ns, status.st_ino]
