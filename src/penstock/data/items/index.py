"""What the files of an item looked like when they were last known to be a version: so that nothing is read again.

One file per item in ``.penstock/data/``. It is a cache of this machine: whoever deletes it loses time only.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import final

from penstock.data.items.scan import Scan
from penstock.project.workspace import Workspace

FORMAT = 1
SETTLED_NS = 2_000_000_000
"""A file may change again within one tick of its own clock without its time telling: a younger one counts as unknown."""


@final
@dataclass(frozen=True)
class Index:
    """The state of a folder or file that was equal to a version.

    Attributes
    ----------
    digest : of the version's tree.
    paths, sizes, times, changes, modes : as in `Scan`. A time of -1: it must be looked at again.
    """

    digest: str
    paths: list[str]
    sizes: list[int]
    times: list[int]
    changes: list[int]
    modes: list[int]

    def is_that_of(self, scan: Scan) -> bool:
        """Whether nothing has changed since, as far as sizes and times tell."""
        return (
            self.sizes == scan.sizes
            and self.times == scan.times
            and self.paths == scan.paths
            and self.changes == scan.changes
            and self.modes == scan.modes
        )

    def stats(self) -> dict[str, tuple[int, int, int, int]]:
        """Path -> size, time, change, mode."""
        return dict(zip(self.paths, zip(self.sizes, self.times, self.changes, self.modes, strict=True), strict=True))


def load_index(workspace: Workspace, name: str, place: str) -> Index | None:
    """The index of an item at a place, None where there is none that can be used."""
    try:
        body = json.loads(_file(workspace, name, place).read_bytes())
        if body["format"] != FORMAT:
            return None
        columns = [body[column] for column in ("paths", "sizes", "times", "changes", "modes")]
        if len({len(column) for column in columns}) != 1:
            return None
        return Index(body["digest"], *columns)
    except (OSError, ValueError, KeyError, TypeError):  # absent or damaged: it is a cache
        return None


def save_index(workspace: Workspace, name: str, place: str, scan: Scan, digest: str, *, read_at_ns: int) -> None:
    """Remember that a scan is the version of a digest. `read_at_ns`: when the first of its files was read."""
    settled = read_at_ns - SETTLED_NS
    times = [t if t < settled and c < settled else -1 for t, c in zip(scan.times, scan.changes, strict=True)]
    body = {
        "format": FORMAT,
        "name": name,
        "place": place,
        "digest": digest,
        "paths": scan.paths,
        "sizes": scan.sizes,
        "times": times,
        "changes": scan.changes,
        "modes": scan.modes,
    }
    from penstock.objects.files import write_atomic

    write_atomic(_file(workspace, name, place), json.dumps(body, separators=(",", ":")).encode())


def now_ns() -> int:
    """The present instant by the clock that the file system uses too."""
    return time.time_ns()


def _file(workspace: Workspace, name: str, place: str) -> Path:
    import hashlib

    key = hashlib.sha256(f"{name}\0{place}".encode("utf-8", "surrogatepass")).hexdigest()[:24]
    return workspace.state / "data" / f"{key}.json"
