"""Files that become data items."""

from __future__ import annotations

import os
from pathlib import Path

from penstock.project.workspace import Workspace


def write(folder: Path, files: dict[str, bytes]) -> Path:
    """Files below a folder, with times that are long past."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
        os.utime(folder / name, (1_600_000_000, 1_600_000_000 + len(data)))
    folder.mkdir(exist_ok=True)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Path -> bytes of all files below a folder."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def table(rows: int, start: int = 0) -> bytes:
    """A CSV without a header."""
    return b"".join(f"{i},{i * 7919 % 10007},name{i}\n".encode() for i in range(start, start + rows))


def stored_bytes(workspace: Workspace) -> int:
    """Bytes of all objects."""
    objects = workspace.objects
    return sum(objects.stat(digest).size_bytes for digest in objects.digests())
