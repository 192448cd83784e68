"""The database under the ledger: SQLite or PostgreSQL, one writer at a time, short transactions."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError

from penstock.errors import DamagedStore, DeclarationError, PenstockError, StoreError, StoreFull
from penstock.parts import need

WAIT_S = 60.0
"""How long a writer waits for the others. Transactions take milliseconds; this long means that something hangs."""
ROOM_BYTES = 65_536
"""Of free disk below which an I/O error of SQLite means that there is no room: its index of the log takes 32 KiB."""

_ADVISORY_LOCK = 0x50454E53  # "PENS": any number that other programs on the same server are unlikely to take


@final
class Database:
    """Transactions on one database.

    `write` lets one writer in at a time, on both engines: SQLite by ``BEGIN IMMEDIATE``, PostgreSQL by an advisory lock.
    So a transaction that reads, decides and writes needs no further care, and version numbers have no gaps.

    Attributes
    ----------
    place : the URL without its password, for messages.
    is_sqlite : whether the database is a file of this machine.
    """

    def __init__(self, url: str) -> None:
        try:
            parsed = sa.make_url(url)
        except ArgumentError as error:
            raise _bad_place(url, str(error)) from error
        self.place = parsed.render_as_string(hide_password=True)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if self.is_sqlite:
            if parsed.database in (None, "", ":memory:"):
                raise _bad_place(self.place, "a ledger in memory would be forgotten at the end of the process")
            _make_folder(Path(parsed.database).parent, self.place)
            arguments: dict[str, Any] = {"connect_args": {"timeout": WAIT_S, "check_same_thread": False}}
        elif parsed.get_backend_name() == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
            need("psycopg", extra="postgres", used_for="a ledger on PostgreSQL")
            arguments = {"pool_pre_ping": True}
        else:
            raise _bad_place(self.place, f"{parsed.get_backend_name()!r} is neither sqlite nor postgresql")
        self._engine = sa.create_engine(parsed, **arguments)
        if self.is_sqlite:
            sa.event.listen(self._engine, "connect", _prepare_sqlite)
            sa.event.listen(self._engine, "begin", _begin_sqlite)
        _forget_in_children(self._engine)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that only reads, on one consistent state."""
        with self._telling(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that may write; durable when the block has ended, undone when it raises.

        Raises
        ------
        StoreFull : no space is left; nothing was written.
        StoreError : another writer did not finish within a minute, or the server is not there.
        """
        with self._telling(), self._engine.connect() as connection:
            connection = connection.execution_options(penstock_writes=True)
            with connection.begin():
                if not self.is_sqlite:
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
                yield connection

    def close(self) -> None:
        """Close all connections; the next use opens new ones."""
        self._engine.dispose()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Map the driver's errors onto our tree; a broken constraint stays one, for the caller to word."""
        try:
            yield
        except IntegrityError:
            raise
        except DBAPIError as error:
            raise self._worded(error) from error

    def _worded(self, error: DBAPIError) -> PenstockError:
        why = str(error.orig).strip().splitlines()[0]
        code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
        full = code == sqlite3.SQLITE_FULL or getattr(error.orig, "sqlstate", None) == "53100"
        if full or (code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN) and self._disk_is_full()):
            return StoreFull(
                f"no space left for the ledger {self.place}",
                why=why,
                way_out="free some space there and run the same command again: nothing half-written was kept",
            )
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return DamagedStore(
                f"the ledger {self.place} is damaged",
                why=why,
                way_out="restore ledger.db from a copy; objects and serving state are not affected",
            )
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return StoreError(
                f"the ledger {self.place} was in use for more than {WAIT_S:.0f} seconds",
                why=why,
                way_out="see which process holds it (`fuser` on the file), or put the project on a local disk",
            )
        return StoreError(
            f"the ledger {self.place} cannot be used",
            why=why,
            way_out="check that the place exists, that it may be written to, and (PostgreSQL) that the server answers",
        )

    def _disk_is_full(self) -> bool:
        """SQLite says "I/O error" where there is no room for the files that it keeps beside the database."""
        folder = Path(sa.make_url(self.place).database or "").parent
        try:
            return shutil.disk_usage(folder).free < ROOM_BYTES
        except OSError:
            return False


def _prepare_sqlite(connection: sqlite3.Connection, record: object) -> None:
    """Set a new connection up: explicit transactions, write-ahead log, durable commits."""
    connection.isolation_level = None  # the driver would otherwise begin transactions on its own, and deferred
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    deadline = time.monotonic() + WAIT_S
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:  # the switch does not wait for other processes as statements do
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("penstock_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _forget_in_children(engine: sa.Engine) -> None:
    """A forked child must not use its parent's connections: SQLite's locks and a server's socket belong to the parent."""
    if not hasattr(os, "register_at_fork"):
        return
    reference = weakref.ref(engine)

    def forget() -> None:
        if (mine := reference()) is not None:
            mine.dispose(close=False)

    os.register_at_fork(after_in_child=forget)


def _make_folder(folder: Path, place: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"the ledger {place} cannot be made",
            why=f"{error.strerror}: {folder}",
            way_out="choose a folder that may be written to",
        ) from error


def _bad_place(place: str, why: str) -> DeclarationError:
    return DeclarationError(
        f"{place!r} is no place for a ledger",
        why=why,
        way_out="write sqlite:////absolute/path/ledger.db or postgresql://user@host/database",
    )
