"""One SQL text for both databases, and rows whose columns have names.

Statements are written for SQLite, with parameters as ``:name``; ``IN :names`` takes a list of texts. For PostgreSQL they are
translated, each once. A text that no database can hold (half of a surrogate pair, as in a file name that is not UTF-8; a NUL)
is stored with an escape in its place; in JSON, which escapes the same way, it comes back as it was.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from operator import itemgetter
from typing import Any

_PARTS = (
    r"(?P<literal>'(?:[^']|'')*'|\"[^\"]*\"|::)|(?P<list>\bIN ):(?P<of>[A-Za-z_]\w*)"
    r"|:(?P<name>[A-Za-z_]\w*)|(?P<percent>%)"
)


@lru_cache(maxsize=1024)
def translated(sql: str, *, sqlite: bool) -> str:
    """A statement as the driver of a database takes it.

    >>> translated("SELECT 1 FROM runs WHERE id IN :ids AND note = ':x 5%'", sqlite=True)
    "SELECT 1 FROM runs WHERE id IN (SELECT value FROM json_each(:ids)) AND note = ':x 5%'"
    >>> translated("SELECT 1 FROM runs WHERE id IN :ids AND seconds < :s", sqlite=False)
    'SELECT 1 FROM runs WHERE id IN (SELECT unnest(%(ids)s::text[])) AND seconds < %(s)s'
    """
    if sqlite and "IN :" not in sql:  # most are; so the pattern need not be compiled where a run is only recorded
        return sql

    def part(found: re.Match[str]) -> str:
        if found["list"] is not None:
            name = found["of"]
            return f"IN (SELECT value FROM json_each(:{name}))" if sqlite else f"IN (SELECT unnest(%({name})s::text[]))"
        if sqlite:
            return found[0]
        if found["name"] is not None:
            return f"%({found['name']})s"
        return found[0].replace("%", "%%")

    return re.sub(_PARTS, part, sql)


def bound(values: dict[str, Any], *, sqlite: bool) -> dict[str, Any]:
    """Parameters as the driver takes them."""
    return {name: _bound(value, sqlite) for name, value in values.items()}


def _bound(value: Any, sqlite: bool) -> Any:
    if isinstance(value, str):
        return value if value.isascii() and "\0" not in value else storable(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        texts = [storable(text) for text in value]
        return json.dumps(texts) if sqlite else texts
    return value


def storable(text: str) -> str:
    """A text that every database can hold.

    >>> storable("é \\udcff \\0") == "é " + chr(92) + "udcff " + chr(92) + "u0000"
    True
    """
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\u0000")


class Row(tuple[Any, ...]):
    """One row: a tuple whose values are attributes too, by the names of their columns."""

    __slots__ = ()
    columns: tuple[str, ...] = ()

    def __getattr__(self, name: str) -> Any:  # the classes that `row_class` makes have the columns themselves
        raise AttributeError(f"no column {name!r}; there are: {', '.join(self.columns)}")

    def to_dict(self) -> dict[str, Any]:
        return dict(zip(self.columns, self, strict=True))


@lru_cache(maxsize=512)
def row_class(columns: tuple[str, ...]) -> type[Row]:
    """The class of the rows of a query with these columns.

    >>> row_class(("id", "status"))(("1", "done")).status
    'done'
    """
    fields = {name: property(itemgetter(index)) for index, name in enumerate(columns)}
    return type("Row", (Row,), {"__slots__": (), "columns": columns, **fields})
