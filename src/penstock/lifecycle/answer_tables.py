"""Answers in a table of a database: the rows of an input and the record of it are one transaction, so that each is there once or not at all."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, final
from urllib.parse import unquote, urlsplit

from penstock.data.sources.databases import Secrets, check_no_password, quoted, without_table
from penstock.errors import BadParameter, StoreError
from penstock.objects.files import naming_full_disk
from penstock.parts import need
from penstock.serving.batch.done import Done

if TYPE_CHECKING:
    import pyarrow as pa

RECORDS = "penstock_answered"
INPUT = "input"


@final
class AnswerTable:
    """A place for answers (`penstock.serving.batch.done.Place`): ``sqlite:///scores.db?table=answers``, or PostgreSQL.

    The table is made where it is not there. Beside the columns of an answer it has `input`, the name of what was answered; the answers to
    an input take the place of earlier ones to it. What is done stands in the table `RECORDS`.

    Raises
    ------
    BadParameter : the URL names no table. DeclarationError : it holds a password.
    """

    def __init__(self, place: str) -> None:
        check_no_password(place)
        self._url, self.table = without_table(place)
        if not self.table:
            raise BadParameter(
                f"the output {self._url} names no table",
                why="a database holds many; answers go into one, which is made where it is not there",
                way_out=f'--output "{self._url}?table=answers"',
            )
        self.url = place
        scheme = urlsplit(self._url).scheme
        self._dialect: _Dialect = _Sqlite(self._url) if scheme == "sqlite" else _Postgres(self._url)

    @property
    def database(self) -> str:
        """Its URL without the table."""
        return self._url

    def records(self) -> dict[str, Done]:
        with self._dialect.opened() as database:
            _make_records(database)
            rows = database.rows(f"SELECT record FROM {RECORDS} WHERE output = {self._dialect.mark}", (self.table,))
        found = [Done.from_json(json.loads(text), self._dialect.shown) for (text,) in rows]
        return {done.input: done for done in found}

    def holds(self, done: Done) -> bool:
        with self._dialect.opened() as database:
            if database.columns(self.table) is None:
                return False
            query = f"SELECT COUNT(*) FROM {_name(self.table)} WHERE {quoted(INPUT)} = {self._dialect.mark}"
            ((count,),) = database.rows(query, (done.input,))
        return bool(count == done.rows)

    def path(self, name: str) -> Path | None:
        return None

    def keep(self, name: str, schema: pa.Schema, batches: Iterator[pa.RecordBatch], done: Callable[[], Done]) -> Done:
        """As `Place.keep`. The answers wait in a file until the last is there, so that the database is locked for a moment only."""
        mark = self._dialect.mark
        with _spooled(schema, batches) as answers, self._dialect.opened() as database:
            _make_records(database)
            self._make_table(database, schema)
            database.run(f"DELETE FROM {_name(self.table)} WHERE {quoted(INPUT)} = {mark}", (name,))
            columns = (INPUT, *schema.names)
            for batch in answers:
                values = [[name] * batch.num_rows, *(column.to_pylist() for column in batch.columns)]
                database.insert(_name(self.table), columns, zip(*values, strict=True))
            kept = replace(done(), output=self.table)
            database.run(f"DELETE FROM {RECORDS} WHERE output = {mark} AND input = {mark}", (self.table, name))
            record = json.dumps(kept.to_json(), ensure_ascii=False)
            database.run(
                f"INSERT INTO {RECORDS} (output, input, record) VALUES ({mark}, {mark}, {mark})",
                (self.table, name, record),
            )
        return kept

    def _make_table(self, database: _Database, schema: pa.Schema) -> None:
        wanted = [(INPUT, "TEXT"), *((field.name, self._dialect.type_of(field.type)) for field in schema)]
        there = database.columns(self.table)
        if there is None:
            columns = ", ".join(f"{quoted(name)} {kind}" for name, kind in wanted)
            database.run(f"CREATE TABLE {_name(self.table)} ({columns})", ())
        elif list(there) != [name for name, _ in wanted]:
            raise BadParameter(
                f"the table {self.table!r} has other columns than the answers",
                why=f"it has {', '.join(there)}; the answers have {', '.join(name for name, _ in wanted)}",
                way_out="name another table; or drop this one, if it holds answers of a model with other classes",
            )


@contextmanager
def _spooled(schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Iterator[Iterator[pa.RecordBatch]]:
    """The same batches, after the last was taken."""
    import pyarrow as pa

    with tempfile.TemporaryDirectory(prefix="penstock-answers-") as scratch:
        path = Path(scratch) / "answers"
        with naming_full_disk(path), pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, schema) as writer:
            for batch in batches:
                writer.write_batch(batch)
        with pa.OSFile(str(path), "rb") as file, pa.ipc.open_stream(file) as reader:
            yield iter(reader)


def _name(table: str) -> str:
    return ".".join(map(quoted, table.split(".")))


def _make_records(database: _Database) -> None:
    database.run(
        f"CREATE TABLE IF NOT EXISTS {RECORDS} (output TEXT, input TEXT, record TEXT, PRIMARY KEY (output, input))", ()
    )


# ---------------------------------------------------------------- what tells the databases apart


class _Database(Protocol):
    """Open, within one transaction."""

    def run(self, statement: str, values: Sequence[Any]) -> None: ...
    def rows(self, query: str, values: Sequence[Any]) -> list[Any]: ...
    def insert(self, table: str, columns: Sequence[str], rows: Iterator[Sequence[Any]]) -> None: ...
    def columns(self, table: str) -> tuple[str, ...] | None:
        """The columns of a table; None where there is none."""
        ...


class _Dialect(Protocol):
    mark: str
    shown: str

    def opened(self) -> AbstractContextManager[_Database]:
        """A transaction: kept when the block ends, undone where it raises or the process dies."""
        ...

    def type_of(self, kind: pa.DataType) -> str: ...


def _type_of(kind: pa.DataType, numbers: str, truth: str) -> str:
    import pyarrow.types as kinds

    if kinds.is_boolean(kind):
        return truth
    if kinds.is_integer(kind):
        return "BIGINT"
    return numbers if kinds.is_floating(kind) else "TEXT"


@final
class _Sqlite:
    mark = "?"

    def __init__(self, url: str) -> None:
        self._url = url
        self.shown = url

    def type_of(self, kind: pa.DataType) -> str:
        return _type_of(kind, "REAL", "BOOLEAN")

    @contextmanager
    def opened(self) -> Iterator[_Database]:
        path = Path(Secrets().expand(unquote(urlsplit(self._url).path[1:])))
        if not path.parent.is_dir():
            raise StoreError(
                f"{path.name} cannot be written",
                why=f"there is no folder {path.parent}",
                way_out="make the folder first",
            )
        try:
            connection = sqlite3.connect(path, timeout=30, isolation_level=None)
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield _OpenSqlite(connection)
                connection.execute("COMMIT")
            finally:
                connection.close()  # undoes what was not committed
        except (sqlite3.Error, OverflowError) as error:
            raise StoreError(
                f"the database {path.name} does not take the answers",
                why=str(error),
                way_out="check that it is a database of SQLite that may be written, with room on its disk",
            ) from error


class _OpenSqlite:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def run(self, statement: str, values: Sequence[Any]) -> None:
        self._connection.execute(statement, values)

    def rows(self, query: str, values: Sequence[Any]) -> list[Any]:
        return self._connection.execute(query, values).fetchall()

    def insert(self, table: str, columns: Sequence[str], rows: Iterator[Sequence[Any]]) -> None:
        marks = ", ".join("?" * len(columns))
        self._connection.executemany(f"INSERT INTO {table} ({', '.join(map(quoted, columns))}) VALUES ({marks})", rows)

    def columns(self, table: str) -> tuple[str, ...] | None:
        schema, _, name = table.rpartition(".")
        found = self._connection.execute(
            "SELECT name FROM pragma_table_info(?, ?)", (name, schema or "main")
        ).fetchall()
        return tuple(row[0] for row in found) or None


@final
class _Postgres:
    mark = "%s"

    def __init__(self, url: str) -> None:
        need("psycopg", extra="postgres", used_for="answers in PostgreSQL")
        parts = urlsplit(url)
        self._url = url
        self.shown = f"{parts.netloc.rpartition('@')[2]}{parts.path}" or url

    def type_of(self, kind: pa.DataType) -> str:
        return _type_of(kind, "DOUBLE PRECISION", "BOOLEAN")

    @contextmanager
    def opened(self) -> Iterator[_Database]:
        import psycopg
        from psycopg.conninfo import conninfo_to_dict

        secrets = Secrets()
        try:
            given: dict[str, Any] = {n: secrets.expand(str(v)) for n, v in conninfo_to_dict(self._url).items()}
            with psycopg.connect(**{"connect_timeout": "10", **given}) as connection:
                connection.execute("SELECT pg_advisory_xact_lock(7305814)")  # two jobs do not make one table at once
                yield _OpenPostgres(connection)
        except psycopg.Error as error:
            first = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise StoreError(
                f"the database {self.shown} does not take the answers",
                why=secrets.mask(first),
                way_out="check with psql that the server runs, the user and its password, and that it may make and write the "
                "table",
            ) from None  # the driver's own error may hold what must not be seen


class _OpenPostgres:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def run(self, statement: str, values: Sequence[Any]) -> None:
        self._connection.execute(statement, values or None)

    def rows(self, query: str, values: Sequence[Any]) -> list[Any]:
        return list(self._connection.execute(query, values).fetchall())

    def insert(self, table: str, columns: Sequence[str], rows: Iterator[Sequence[Any]]) -> None:
        with (
            self._connection.cursor() as cursor,
            cursor.copy(f"COPY {table} ({', '.join(map(quoted, columns))}) FROM STDIN") as copy,
        ):
            for row in rows:
                copy.write_row(row)

    def columns(self, table: str) -> tuple[str, ...] | None:
        schema, _, name = table.rpartition(".")
        found = self._connection.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = %s AND table_schema = "
            "COALESCE(%s, current_schema()) ORDER BY ordinal_position",
            (name, schema or None),
        ).fetchall()
        return tuple(row[0] for row in found) or None
