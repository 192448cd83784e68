"""One transaction of the database under the ledger: statements and their rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, final

from penstock.ledger.sql import Row, bound, row_class, translated


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


def _rows_of(cursor: Any) -> type[Row]:
    return row_class(tuple([column[0] for column in cursor.description]))
