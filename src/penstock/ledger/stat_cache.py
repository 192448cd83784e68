"""Digests of files that are only read again when the file has changed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import sqlalchemy as sa

from penstock.ledger.database import Database
from penstock.ledger.schema import file_stats
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
    query = sa.select(file_stats).where(file_stats.c.path == str(path))
    with database.read() as connection:
        known = connection.execute(query).one_or_none()
    if known is not None and (known.size_bytes, known.mtime_ns, known.inode) == before:
        return known.digest
    digest = sha256_file(path)
    if _stat(path) != before:
        raise changed_while_read(path)
    size_bytes, mtime_ns, inode = before
    if time.time() - mtime_ns / 1e9 >= SETTLED_S:
        values = {"size_bytes": size_bytes, "mtime_ns": mtime_ns, "inode": inode, "digest": digest}
        with database.write() as connection:
            connection.execute(file_stats.delete().where(file_stats.c.path == str(path)))
            connection.execute(file_stats.insert().values(path=str(path), **values))
    return digest


def _stat(path: Path) -> tuple[int, int, int]:
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns, status.st_ino
