"""Files that are declared by globs, ``[run] outputs`` and ``[run] inputs``: how they were before a run, which does not know yet
what it will read and write (that is `penstock.experiments.capture.files`)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import final

from penstock.project.workspace import Workspace


@final
class DeclaredOutputs:
    """The files that match ``[run] outputs``: looked at before the run and after it, to see which of them it wrote.

    Parameters
    ----------
    patterns : globs relative to the workspace (``**`` for any folders); a folder means all files in it.
    """

    def __init__(self, workspace: Workspace, patterns: Iterable[str]) -> None:
        self._root = workspace.root
        self._patterns = tuple(patterns)
        self._before = {file: _stamp(file) for file in self._matching()}

    def written(self) -> list[Path]:
        """Those that are new or have changed since, in the order of their names."""
        return [Path(file) for file in self._matching() if self._before.get(file) != _stamp(file)]

    def _matching(self) -> Iterator[str]:
        found: set[str] = set()
        for pattern in self._patterns:
            import glob

            for name in glob.iglob(pattern, root_dir=self._root, recursive=True, include_hidden=True):
                place = os.path.join(self._root, name)
                if os.path.isdir(place):
                    found.update(os.path.join(folder, file) for folder, _, names in os.walk(place) for file in names)
                else:
                    found.add(os.path.normpath(place))
        for file in sorted(found):
            parts = os.path.relpath(file, self._root).split(os.sep)
            if ".penstock" not in parts and ".git" not in parts and os.path.isfile(file):
                yield file


def stamps_of(root: Path, patterns: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """Of the files that match globs: path -> size, time of change (ns) and inode."""
    found: dict[str, tuple[int, ...]] = {}
    for pattern in patterns:
        import glob  # with most runs, not at all

        for name in sorted(glob.glob(pattern, root_dir=root, recursive=True)):
            path = os.path.abspath(root / name)
            if (stamp := _stamp(path)) is not None:
                found[path] = stamp
    return found


def _stamp(file: str) -> tuple[int, int, int] | None:
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino
