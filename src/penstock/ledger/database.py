"""The database under the ledger: SQLite or PostgreSQL, one writer at a time, short transactions."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, final

from penstock.errors import DamagedStore, PenstockError, StoreError, StoreFull
from penstock.ledger.place import Place, parse_place
from penstock.ledger.sql import Row, bound, row_class, translated

WAIT_S = 60.0
"""How long a writer waits for the others. Transactions take milliseconds; this long means that something hangs."""
ROOM_BYTES = 65_536
"""Of free disk below which an I/O error of SQLite means that there is no room: its index of the log takes 32 KiB."""
IDLE = 8
"""Connections that are kept open for the next transaction."""

_ADVISORY_LOCK = 0x50454E53  # "PENS": any number that other programs on the same server are unlikely to take
_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_WRITE = f"BEGIN; SET LOCAL lock_timeout = '{WAIT_S:.0f}s'; SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"
_LEFT_TO_PARENT: list[Any] = []  # connections of a forked child's parent: never closed here, not even when collected


_NO_WRITING = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL)


class Conflict(Exception):
    """A statement broke a constraint, such as a key that is there already. Who wrote the statement words it."""


@final
class _ForReading(sqlite3.Connection):
    """A connection where nothing can be written. Never kept: what it reads may change once it can."""


@final
class Connection:
    """One transaction. Statements are written as `penstock.ledger.sql` says.

    Attributes
    ----------
    is_sqlite : whether the database is a file of this machine, where the two databases must be told apart.
    """

    __slots__ = ("_raw", "is_sqlite")

    def __init__(self, raw: Any, *, is_sqlite: bool) -> None:
        self._raw = raw
        self.is_sqlite = is_sqlite

    def all(self, sql: str, /, **params: Any) -> list[Row]:
        """All rows."""
        cursor = self._run(sql, params)
        made = _rows_of(cursor)
        return [made(values) for values in cursor.fetchall()]

    def pages(self, sql: str, size: int, /, **params: Any) -> Iterator[list[Row]]:
        """All rows, `size` at a time."""
        cursor = self._run(sql, params)
        made = _rows_of(cursor)
        while page := cursor.fetchmany(size):
            yield [made(values) for values in page]

    def one(self, sql: str, /, **params: Any) -> Row | None:
        """The first row, None where there is none."""
        cursor = self._run(sql, params)
        values = cursor.fetchone()
        return None if values is None else _rows_of(cursor)(values)

    def value(self, sql: str, /, **params: Any) -> Any:
        """The first column of the first row, None where there is none."""
        values = self._run(sql, params).fetchone()
        return None if values is None else values[0]

    def values(self, sql: str, /, **params: Any) -> list[Any]:
        """The first column of all rows."""
        return [values[0] for values in self._run(sql, params).fetchall()]

    def execute(self, sql: str, /, **params: Any) -> int:
        """Run a statement; gives the number of rows that it changed."""
        return int(self._run(sql, params).rowcount)

    def many(self, sql: str, rows: Iterable[Mapping[str, Any]], /) -> None:
        """Run a statement once for each of some rows of parameters."""
        values = [bound(dict(row), sqlite=self.is_sqlite) for row in rows]
        if values:
            self._raw.cursor().executemany(translated(sql, sqlite=self.is_sqlite), values)

    def has_table(self, name: str) -> bool:
        """Whether there is such a table."""
        if self.is_sqlite:
            query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = :name"
        else:
            # read as a table, not by to_regclass, whose memory may be older than the lock that this transaction waited for
            query = "SELECT 1 FROM pg_tables WHERE tablename = :name AND schemaname = ANY (current_schemas(false))"
        return self.value(query, name=name) is not None

    def _run(self, sql: str, params: dict[str, Any]) -> Any:
        if not params:
            return self._raw.execute(sql)
        return self._raw.execute(translated(sql, sqlite=self.is_sqlite), bound(params, sqlite=self.is_sqlite))


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
            if (worded := self._worded(error)) is None:
                raise
            raise worded from error

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

    def _worded(self, error: Exception) -> Exception | None:
        """A driver's error as one of ours; None for what is no error of the driver."""
        if isinstance(error, sqlite3.Error):
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code == sqlite3.SQLITE_CONSTRAINT:
                return Conflict(str(error))
            return self._told(error, code, "")
        if self.is_sqlite:
            return None
        import psycopg

        if not isinstance(error, psycopg.Error):
            return None
        if isinstance(error, psycopg.IntegrityError):
            return Conflict(str(error))
        return self._told(error, 0, error.sqlstate or "")

    def _told(self, error: Exception, code: int, state: str) -> PenstockError:
        why = self._at.hidden((str(error).strip() or type(error).__name__).splitlines()[0])
        full = code == sqlite3.SQLITE_FULL or state == "53100"
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
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) or state == "55P03":
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
        import shutil

        assert self.file is not None
        try:
            return shutil.disk_usage(self.file.parent).free < ROOM_BYTES
        except OSError:
            return False


def _rows_of(cursor: Any) -> type[Row]:
    return row_class(tuple([column[0] for column in cursor.description]))


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
