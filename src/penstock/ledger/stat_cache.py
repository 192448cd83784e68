"""Digests of files that are only read again when the file has changed."""

from __future__ import annotations

import os
import time
from pathlib import Path

from penstock.ledger.database import Database
from penstock.ledger.schema import put_many
from penstock.objects.files import sha256_file
from penstock.objects.store import changed_while_read

SETTLED_S = 2.0
"""A file may change again within one tick of its own clock without its time telling. The coarsest file systems tick every
two seconds; the digest of a younger file is therefore not remembered."""


def cached_digest(database: Database, path: Path) -> str:
    """The digest of a file's bytes: remembered while its size, time and inode stay the same.

    Raises
    ------
    SourceError : the file changed while it was read.
    FileNotFoundError : there is no such file.
    """
    path = path.resolve()
    before = _stat(path)
    with database.read() as connection:
        known = connection.one("SELECT * FROM file_stats WHERE path = :path", path=str(path))
    if known is not None and (known.size_bytes, known.mtime_ns, known.inode) == before:
        remembered: str = known.digest
        return remembered
    digest = sha256_file(path)
    if _stat(path) != before:
        raise changed_while_read(path)
    size_bytes, mtime_ns, inode = before
    if time.time() - mtime_ns / 1e9 >= SETTLED_S:
        row = {"path": str(path), "size_bytes": size_bytes, "mtime_ns": mtime_ns, "inode": inode, "digest": digest}
        with database.write() as connection:
            put_many(connection, "file_stats", [row])
    return digest


def _stat(path: Path) -> tuple[int, int, int]:
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns, status.st_ino
