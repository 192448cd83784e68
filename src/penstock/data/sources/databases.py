"""Databases that are asked for rows: what tells SQLite and PostgreSQL apart, and the text of their values.

What is read is never changed: SQLite is opened read-only, PostgreSQL in a read-only transaction that sees one state.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Protocol, final
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

from penstock.errors import DeclarationError, SourceError
from penstock.parts import need

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_QUOTED = re.compile(r'["«»„“”]\s*(.+?)\s*["«»“”]')  # a server quotes names as its language does
FETCH_ROWS = 5_000


class Asked(Protocol):
    """An open database."""

    def rows(
        self, query: str, *, after: tuple[str, Any] | None = None, order: str = ""
    ) -> tuple[tuple[str, ...], Iterator[Sequence[Any]]]:
        """Names of the columns, and the rows, which are fetched as they are asked for.

        Parameters
        ----------
        after : a column of the query and the value that it has at least.
        order : a column by which the rows come.
        """
        ...


@final
class Secrets:
    """Environment variables that stand in a URL as ``${NAME}``; their values never reach a message."""

    def __init__(self) -> None:
        self._values: list[str] = []

    def expand(self, text: str) -> str:
        """The text with the variables' values.

        Raises
        ------
        DeclarationError : a variable is not set.
        """

        def value(match: re.Match[str]) -> str:
            found = os.environ.get(match[1])
            if found is None:
                raise DeclarationError(
                    f"the environment variable {match[1]} is not set",
                    why="[data] source names it, so that no password stands in the file",
                    way_out=f"export {match[1]}=...",
                )
            if found:
                self._values.append(found)
            return found

        return _VARIABLE.sub(value, text)

    def mask(self, text: str) -> str:
        for value in sorted(self._values, key=len, reverse=True):
            text = text.replace(value, "***")
        return text


def without_table(place: str) -> tuple[str, str]:
    """A database's URL without ``table=...``, and the table ("" without one).

    >>> without_table("sqlite:///shop.db?table=orders")
    ('sqlite:///shop.db', 'orders')
    """
    parts = urlsplit(place)
    options = parts.query.split("&") if parts.query else []
    tables = [unquote(option[6:]) for option in options if option.startswith("table=")]
    rest = "&".join(option for option in options if not option.startswith("table="))
    url = f"{parts.scheme}://{parts.netloc}{parts.path}" + (f"?{rest}" if rest else "")
    return url, tables[-1] if tables else ""


def check_no_password(place: str) -> None:
    """Refuse a password that stands in a URL in the clear: it would be in the repository, in the ledger, in every record.

    Raises
    ------
    DeclarationError : there is one. The message does not say it.
    """
    parts = urlsplit(place)
    user, _, host = parts.netloc.rpartition("@")
    name, colon, password = user.partition(":")
    in_query = [key for key, value in parse_qsl(parts.query) if "password" in key and not _VARIABLE.fullmatch(value)]
    if (colon and password and not _VARIABLE.fullmatch(password)) or in_query:
        clean = urlunsplit(parts._replace(netloc=f"{name}:${{DB_PASSWORD}}@{host}", query=""))
        raise DeclarationError(
            "the URL of the database holds a password",
            why="what is declared is kept in the ledger and in version control",
            way_out=f"write {clean}, and set DB_PASSWORD in the environment",
        )


@contextmanager
def opened(url: str, root: Path) -> Iterator[Asked]:
    """A database, for reading.

    Raises
    ------
    SourceError : it cannot be reached, or refuses. No message holds a password. DeclarationError : a variable is not set.
    MissingExtra : its driver is not installed.
    """
    check_no_password(url)
    secrets = Secrets()
    if urlsplit(url).scheme == "sqlite":
        with _sqlite(url, root, secrets) as database:
            yield database
    else:
        with _postgres(url, secrets) as database:
            yield database


@contextmanager
def _sqlite(url: str, root: Path, secrets: Secrets) -> Iterator[Asked]:
    import sqlite3

    path = Path(secrets.expand(unquote(urlsplit(url).path[1:])))
    path = path if path.is_absolute() else root / path
    if not path.is_file():
        raise SourceError(
            f"there is no database {path}",
            why=f"{url} names it; after sqlite:/// a path is relative to the project, after sqlite://// absolute",
            way_out="check the path",
        )
    try:
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)
        try:
            connection.execute("BEGIN")  # one state of the database for all that is asked
            try:
                yield _Sqlite(connection)
            except sqlite3.OperationalError as error:
                if (name := str(error).removeprefix("no such table: ")) != str(error):
                    with suppress(sqlite3.Error):  # then what it said first is told
                        asked = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
                        raise no_table(path.name, name, [row[0] for row in connection.execute(asked)]) from error
                raise
        finally:
            connection.close()
    except (sqlite3.Error, OverflowError) as error:
        raise SourceError(
            f"the database {path.name} does not answer",
            why=f"{error}",
            way_out="check the query with the program sqlite3; [data] cursor and key must be columns that it gives",
        ) from error


def no_table(database: str, name: str, known: Sequence[str]) -> SourceError:
    """That a database has no such table, with those that it has."""
    near = get_close_matches(name, known, 1)
    listed = ", ".join(sorted(known)[:10]) + (f" and {len(known) - 10} more" if len(known) > 10 else "")
    return SourceError(
        f"the database {database} has no table {name!r}",
        why=f"its tables are {listed}" if known else "it has no tables, or none that this user may see",
        way_out=f"write {near[0]!r}" if near else "correct ?table= in [data] source, or the query",
    )


class _Sqlite:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def rows(
        self, query: str, *, after: tuple[str, Any] | None = None, order: str = ""
    ) -> tuple[tuple[str, ...], Iterator[Sequence[Any]]]:
        cursor = self._connection.execute(_around(query, after, order, "?"), () if after is None else (after[1],))
        return tuple(column[0] for column in cursor.description or ()), _fetched(cursor)


@contextmanager
def _postgres(url: str, secrets: Secrets) -> Iterator[Asked]:
    need("psycopg", extra="postgres", used_for="a source in PostgreSQL")
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    try:
        given = {name: secrets.expand(str(value)) for name, value in conninfo_to_dict(url).items()}
        with psycopg.connect(**{"connect_timeout": "10", **given}) as connection:  # type: ignore[arg-type]
            connection.read_only = True
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.execute("SET LOCAL TIME ZONE 'UTC'")
            connection.execute(
                "SET LOCAL synchronize_seqscans = off"
            )  # asked twice, a table gives its rows in one order
            try:
                yield _Postgres(connection)
            except psycopg.errors.UndefinedTable as error:
                missing = _QUOTED.search(error.diag.message_primary or "")
                if missing and error.diag.source_function != "errorMissingRTE":  # that is an alias that no FROM names
                    with suppress(psycopg.Error):  # then what it said first is told
                        connection.rollback()
                        asked = "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
                        listed = [
                            name if schema == "public" else f"{schema}.{name}"
                            for schema, name in connection.execute(asked)
                        ]
                        raise no_table(_shown(url), missing[1], listed) from None
                raise
    except psycopg.Error as error:
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise SourceError(
            f"the database {_shown(url)} does not answer",
            why=secrets.mask(first),
            way_out="check with psql that the server runs, the user and its password, and the query; [data] cursor and key must be "
            "columns that it gives",
        ) from None  # the driver's own error may hold what must not be seen


class _Postgres:
    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._number = 0

    def rows(
        self, query: str, *, after: tuple[str, Any] | None = None, order: str = ""
    ) -> tuple[tuple[str, ...], Iterator[Sequence[Any]]]:
        self._number += 1
        cursor = self._connection.cursor(name=f"penstock_{self._number}")  # on the server: memory stays bounded
        cursor.itersize = FETCH_ROWS
        if after is None:
            cursor.execute(_around(query, None, order, ""))
        else:
            cursor.execute(_around(query.replace("%", "%%"), after, order.replace("%", "%%"), "%s"), (after[1],))
        return tuple(column.name for column in cursor.description or ()), iter(cursor)


def _around(query: str, after: tuple[str, Any] | None, order: str, mark: str) -> str:
    if after is None and not order:
        return query
    where = "" if after is None else f" WHERE q.{quoted(after[0])} >= {mark}"
    return f"SELECT * FROM ({query}) AS q{where}" + (f" ORDER BY q.{quoted(order)}" if order else "")


def _fetched(cursor: Any) -> Iterator[Sequence[Any]]:
    while rows := cursor.fetchmany(FETCH_ROWS):
        yield from rows


def _shown(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.netloc.rpartition('@')[2]}{parts.path}" or url


def quoted(name: str) -> str:
    """A name as SQL has it.

    >>> quoted("my table")
    '"my table"'
    """
    return '"' + name.replace('"', '""') + '"'


def clean_names(names: Sequence[str]) -> tuple[str, ...]:
    """The columns of a query as they are called from here on.

    Raises
    ------
    SourceError : two have one name, or one has none.
    """
    from penstock.objects.tabular import clean

    cleaned = tuple(clean(name) for name in names)
    twice = [name for name, count in Counter(cleaned).items() if count > 1]
    if twice or not all(cleaned):
        raise SourceError(
            f"the query gives two columns called {twice[0]!r}" if twice else "the query gives a column without a name",
            why="every column has one name",
            way_out='give one of them another name in the query: SELECT a.id AS id, b.id AS "b_id", ...',
        )
    return cleaned


def text_of(value: Any, column: str) -> str | None:
    """The text of one value; None where the database has none.

    >>> [text_of(v, "c") for v in (3, 2.5, True, None, float("nan"), Decimal("1.50"), dt.date(2024, 2, 29))]
    ['3', '2.5', 'true', None, None, '1.50', '2024-02-29']

    Raises
    ------
    SourceError : raw bytes.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float | Decimal):
        return None if math.isnan(value) else str(value)
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat() if value.tzinfo is not None else value.isoformat()
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        raise SourceError(
            f"column {column!r} of the query holds raw bytes",
            why="bytes are neither a number nor a text, a category or a time",
            way_out="leave it out of the query, or convert it there",
        )
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
