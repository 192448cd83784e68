"""The errors of the two drivers in our words."""

from __future__ import annotations

import os
import sqlite3

from penstock.errors import DamagedStore, NotWritable, PenstockError, StoreError, StoreFull
from penstock.ledger.place import Place

ROOM_BYTES = 65_536
"""Of free disk below which an I/O error of SQLite means that there is no room: its index of the log takes 32 KiB."""


class Conflict(Exception):
    """A statement broke a constraint, such as a key that is there already. Who wrote the statement words it."""


def worded(error: Exception, at: Place, waited_s: float) -> Exception | None:
    """A driver's error as one of ours; None for what is no error of the driver. Writers waited `waited_s` for each other."""
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_CONSTRAINT:
            return Conflict(str(error))
        return _told(error, at, waited_s, code, "")
    if at.file is not None:
        return None
    import psycopg

    if not isinstance(error, psycopg.Error):
        return None
    if isinstance(error, psycopg.IntegrityError):
        return Conflict(str(error))
    return _told(error, at, waited_s, 0, error.sqlstate or "")


def _told(error: Exception, at: Place, waited_s: float, code: int, state: str) -> PenstockError:
    why = at.hidden((str(error).strip() or type(error).__name__).splitlines()[0])
    full = code == sqlite3.SQLITE_FULL or state == "53100"
    if full or (code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN) and _disk_is_full(at)):
        return StoreFull(
            f"no space left for the ledger {at.shown}",
            why=why,
            way_out="free some space there and run the same command again: nothing half-written was kept",
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return DamagedStore(
            f"the ledger {at.shown} is damaged",
            why=why,
            way_out="restore ledger.db from a copy; objects and serving state are not affected",
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM) and not _is_writable(at):
        assert at.file is not None
        return NotWritable(
            f"the ledger {at.shown} cannot be written",
            why=f"{why}: who reads rows is recorded, too",
            way_out=f"run it as the user to whom it belongs, or let this one write there: chown -R {os.geteuid()}:{os.getegid()} {at.file.parent}",
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) or state == "55P03":
        return StoreError(
            f"the ledger {at.shown} was in use for more than {waited_s:.0f} seconds",
            why=why,
            way_out="see which process holds it (`fuser` on the file), or put the project on a local disk",
        )
    return StoreError(
        f"the ledger {at.shown} cannot be used",
        why=why,
        way_out="check that the place exists, that it may be written to, and (PostgreSQL) that the server answers",
    )


def _is_writable(at: Place) -> bool:
    """Whether this process may write the file, and the ones beside it that SQLite needs."""
    assert at.file is not None
    return os.access(at.file.parent, os.W_OK) and (not at.file.exists() or os.access(at.file, os.W_OK))


def _disk_is_full(at: Place) -> bool:
    """SQLite says "I/O error" where there is no room for the files that it keeps beside the database."""
    import shutil

    assert at.file is not None
    try:
        return shutil.disk_usage(at.file.parent).free < ROOM_BYTES
    except OSError:
        return False
