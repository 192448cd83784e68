"""Digests of files that are only read again when the file has changed."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import Any, final

from penstock.ledger.database import Database
from penstock.ledger.schema import put_many
from penstock.objects.files import sha256_file
from penstock.objects.store import changed_while_read

SETTLED_S = 2.0
"""A file may change again within one tick of its own clock without its time telling. The coarsest file systems tick every
two seconds; the digest of a younger file is therefore not remembered."""

AT_ONCE = 500
"""So many files are asked for in one query; SQLite takes no more than some thousands of values."""


@final
class Digests:
    """What is remembered of files here and elsewhere."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, path: Path) -> str:
        """The digest of a file's bytes: remembered while its size, time and inode stay the same.

        Raises
        ------
        SourceError : the file changed while it was read.
        FileNotFoundError : there is no such file.
        """
        return self.of_all([path])[0]

    def of_all(self, paths: list[Path]) -> list[str]:
        """As `of`, of many files, in their order: what is remembered is asked for, and what is new written, in one go."""
        names = _resolved(paths)
        known: dict[str, tuple[tuple[int, int, int], str]] = {}
        with self._database.read() as connection:
            for start in range(0, len(names), AT_ONCE):
                query = "SELECT path, size_bytes, mtime_ns, inode, digest FROM file_stats WHERE path IN :paths"
                for row in connection.all(query, paths=names[start : start + AT_ONCE]):
                    known[row.path] = ((row.size_bytes, row.mtime_ns, row.inode), row.digest)
        found: list[str] = []
        fresh: dict[str, dict[str, Any]] = {}
        now = time.time()  # before they are read: what is written meanwhile is young
        for name in names:
            before = _stat(name)
            remembered = known.get(name)
            if remembered is not None and remembered[0] == before:
                found.append(remembered[1])
                continue
            digest = _read(name, before)
            found.append(digest)
            size_bytes, mtime_ns, inode = before
            if now - mtime_ns / 1e9 >= SETTLED_S:
                fresh[name] = {
                    "path": name, "size_bytes": size_bytes, "mtime_ns": mtime_ns, "inode": inode, "digest": digest
                }  # fmt: skip
        if fresh:
            with self._database.write() as connection:
                put_many(connection, "file_stats", list(fresh.values()))
        return found

    def elsewhere(self, url: str, identity: str) -> str | None:
        """The digest of a file that is elsewhere, if its store still says the same of it (its size, tag and time)."""
        with self._database.read() as connection:
            known = connection.one("SELECT * FROM file_stats WHERE path = :path", path=url)
        if known is None or known.inode != _number(identity):
            return None
        digest: str = known.digest
        return digest

    def remember(self, url: str, identity: str, digest: str) -> None:
        """Remember the digest of a file that is elsewhere."""
        row = {"path": url, "size_bytes": 0, "mtime_ns": 0, "inode": _number(identity), "digest": digest}
        with self._database.write() as connection:
            put_many(connection, "file_stats", [row])


def _resolved(paths: list[Path]) -> list[str]:
    """The names by which files are remembered: links of their folders are followed, a file that is a link is itself."""
    folders: dict[str, str] = {}  # resolving each path takes longer than all the rest
    names: list[str] = []
    for path in map(os.fspath, paths):
        folder, name = os.path.split(path)
        if folder not in folders:
            folders[folder] = os.path.realpath(folder or ".")
        names.append(os.path.join(folders[folder], name))
    return names


def _read(name: str, before: tuple[int, int, int]) -> str:
    """The digest of a file that was as `before`. Raises SourceError: it is not any more."""
    digest = sha256_file(Path(name))
    if _stat(name) != before:
        raise changed_while_read(Path(name))
    return digest


def _number(identity: str) -> int:
    """63 bits of what a store says of a file, in the place of an inode."""
    return int.from_bytes(hashlib.sha256(identity.encode()).digest()[:8], "big") >> 1


def _stat(path: Path | str) -> tuple[int, int, int]:
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns, status.st_ino
