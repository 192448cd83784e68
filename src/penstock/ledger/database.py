"""The database under the ledger: SQLite or PostgreSQL, one writer at a time, short transactions."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, final

from penstock.errors import StoreError
from penstock.ledger.connection import Connection
from penstock.ledger.place import Place, parse_place
from penstock.ledger.wording import worded

WAIT_S = 60.0
"""How long a writer waits for the others. Transactions take milliseconds; this long means that something hangs."""
IDLE = 8
"""Connections that are kept open for the next transaction."""

_ADVISORY_LOCK = 0x50454E53  # "PENS": any number that other programs on the same server are unlikely to take
_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_WRITE = f"BEGIN; SET LOCAL lock_timeout = '{WAIT_S:.0f}s'; SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"
_LEFT_TO_PARENT: list[Any] = []  # connections of a forked child's parent: never closed here, not even when collected


_NO_WRITING = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL)


@final
class _ForReading(sqlite3.Connection):
    """A connection where nothing can be written. Never kept: what it reads may change once it can."""


@final
class Database:
    """Transactions on one database. It is opened when the first begins.

    `write` lets one writer in at a time, on both databases: SQLite by ``BEGIN IMMEDIATE``, PostgreSQL by an advisory lock.
    So a transaction that reads, decides and writes needs no further care, and version numbers have no gaps.

    Attributes
    ----------
    place : the URL without its password, for messages. file : where it is a file, else None.
    is_sqlite : whether the database is a file of this machine.
    why_read_only : why a transaction that reads could do no more than that, "" where none was so.
    """

    def __init__(self, url: str) -> None:
        self._at: Place = parse_place(url)
        self.place = self._at.shown
        self.file = self._at.file
        self.is_sqlite = self.file is not None
        self.why_read_only = ""
        self._idle: list[Any] = []
        self._own = threading.local()  # of each thread: the transaction that its others belong to
        if self.file is None:
            from penstock.parts import need

            need("psycopg", extra="postgres", used_for="a ledger on PostgreSQL")
        else:
            _make_folder(self.file, self.place)
        _forget_in_children(self)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that can only read, on one consistent state; also where nothing may be written, or the disk is full."""
        if (around := self._around()) is not None:
            yield around
            return
        with self._transaction("BEGIN" if self.is_sqlite else _READ) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may write; durable when the block has ended, undone when it raises.

        Raises
        ------
        StoreFull : no space is left; nothing was written.
        StoreError : another writer did not finish within a minute, or the server is not there.
        Conflict : a constraint was broken.
        """
        if (around := self._around()) is not None:
            yield around
            return
        with self._transaction("BEGIN IMMEDIATE" if self.is_sqlite else _WRITE) as connection:
            yield connection

    @contextmanager
    def together(self) -> Iterator[None]:
        """Let all that this thread reads and writes inside be one transaction: durable when the block has ended, undone when it raises.

        An error inside is for the whole: whoever catches one there would keep half of what it ended. Other writers wait
        meanwhile, so that nothing slow belongs inside.
        """
        if self._around() is not None:
            yield
            return
        with self.write() as connection:
            self._own.connection = connection
            try:
                yield
            finally:
                self._own.connection = None

    def _around(self) -> Connection | None:
        """The transaction of this thread that the others belong to, None where each is one of its own."""
        around: Connection | None = getattr(self._own, "connection", None)
        return around

    def settle(self) -> None:
        """Move what the log of SQLite holds into the file itself, so that nothing has to find room there later."""
        if self.is_sqlite:
            with self._telling():
                raw = self._idle.pop() if self._idle else self._connect(reading=False)
                try:
                    raw.execute("PRAGMA query_only = False")
                    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                finally:
                    self._give_back(raw)

    def scrub(self) -> None:
        """Let nothing be read in the file of SQLite that is deleted or written over: pages that are free hold what was in them.

        The file is written anew; it is long work for a large ledger. A server's database does this by itself, in time (`VACUUM`).

        Raises
        ------
        StoreFull : no space is left for another copy; what is recorded stays as it is.
        StoreError : somebody read the old file all the time, so that it still holds what was deleted. It can be tried again.
        """
        if not self.is_sqlite:
            return
        with self._telling():
            raw = self._idle.pop() if self._idle else self._connect(reading=False)
            try:
                raw.execute("PRAGMA query_only = False")
                raw.execute("VACUUM")
                is_busy, *_ = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                self._give_back(raw)
        if is_busy:
            raise StoreError(
                f"the ledger {self._at.shown} still holds what was deleted from it",
                why=f"another process has been reading it for more than {WAIT_S:.0f} seconds, so that the file could not be written anew",
                way_out="end what reads it (`fuser` on the file tells who does) and run the same command again: all else is done",
            )

    def close(self) -> None:
        """Close all connections that are not in use; the next use opens new ones."""
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Connection]:
        with self._telling():
            raw = self._begun(begin)
            try:
                yield Connection(raw, is_sqlite=self.is_sqlite)
                raw.execute("COMMIT")
            except BaseException:
                with suppress(Exception):  # one that is broken has nothing to undo any more
                    raw.execute("ROLLBACK")
                raise
            finally:
                self._give_back(raw)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Map the driver's errors onto our tree."""
        try:
            yield
        except Exception as error:
            if (ours := worded(error, self._at, WAIT_S)) is None:
                raise
            raise ours from error

    def _begun(self, begin: str) -> Any:
        """A connection inside a new transaction. One that was kept may have been ended by the server meanwhile."""
        while self._idle:
            raw = self._idle.pop()
            try:
                self._begin(raw, begin)
            except Exception:
                if self.is_sqlite or not raw.broken:
                    self._give_back(raw)
                    raise
                raw.close()
            else:
                return raw
        raw = self._connect(reading=begin in ("BEGIN", _READ))
        try:
            self._begin(raw, begin)
        except BaseException:
            raw.close()
            raise
        return raw

    def _begin(self, raw: Any, begin: str) -> None:
        if self.is_sqlite:  # PostgreSQL says it in the statement itself
            raw.execute(f"PRAGMA query_only = {begin == 'BEGIN'}")
        raw.execute(begin)

    def _connect(self, *, reading: bool) -> Any:
        if self.file is None:
            import psycopg

            return psycopg.connect(self._at.url, autocommit=True)
        raw = sqlite3.connect(self.file, timeout=WAIT_S, isolation_level=None, check_same_thread=False)
        try:
            _prepare_sqlite(raw)
        except BaseException as error:
            raw.close()
            if (
                reading
                and isinstance(error, sqlite3.OperationalError)
                and (error.sqlite_errorcode & 0xFF) in _NO_WRITING
            ):
                return self._connect_to_read(error)
            raise
        return raw

    def _connect_to_read(self, error: sqlite3.OperationalError) -> Any:
        """A connection where SQLite cannot make the files that it keeps beside the database.

        It uses those of another process that is at work. Where there are none, all is in the database itself, and nobody
        is changing it: it is read as a file that never changes, for one transaction.
        """
        assert self.file is not None
        log = self.file.with_name(self.file.name + "-wal")
        for how in ("mode=ro", "mode=ro&immutable=1"):
            if "immutable" in how and log.is_file() and log.stat().st_size:
                raise StoreError(
                    f"the ledger {self.place} cannot be read here",
                    why=f"{log.name} holds what a killed process wrote last, and nothing can be written here ({error})",
                    way_out="use the ledger where it may be written to, or copy its folder to such a place",
                ) from error
            raw = sqlite3.connect(
                f"{self.file.as_uri()}?{how}",
                timeout=WAIT_S,
                isolation_level=None,
                check_same_thread=False,
                uri=True,
                factory=_ForReading,
            )
            try:
                raw.execute("SELECT name FROM sqlite_master").fetchone()
            except sqlite3.OperationalError:
                raw.close()
                continue
            self.why_read_only = str(error)
            return raw
        raise error

    def _give_back(self, raw: Any) -> None:
        """Keep a connection for the next transaction, if it is in none."""
        usable = not raw.in_transaction if self.is_sqlite else not raw.closed and raw.info.transaction_status == 0
        if usable and len(self._idle) < IDLE and not isinstance(raw, _ForReading):
            self._idle.append(raw)
        else:
            raw.close()


def _prepare_sqlite(connection: sqlite3.Connection) -> None:
    """Set a new connection up: write-ahead log, durable commits."""
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


def _forget_in_children(database: Database) -> None:
    """A forked child must not use its parent's connections: SQLite's locks and a server's socket belong to the parent."""
    if not hasattr(os, "register_at_fork"):
        return
    reference = weakref.ref(database)

    def forget() -> None:
        if (mine := reference()) is not None:
            _LEFT_TO_PARENT.append(mine._idle)
            mine._idle = []
            mine._own = threading.local()

    os.register_at_fork(after_in_child=forget)


def _make_folder(file: Any, place: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"the ledger {place} cannot be made",
            why=f"{error.strerror}: {file.parent}",
            way_out="choose a folder that may be written to",
        ) from error
