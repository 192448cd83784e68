"""What a batch job reads that is no file: a question to a database, and sources that are one table."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, final

from penstock.errors import DeclarationError
from penstock.serving.batch.inputs import Input, rows_at_once

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.data.sources.databases import Asked
    from penstock.data.sources.declared import DeclaredSource


class _NoFile:
    """A part that is no file: nothing tells before it is read whether it is as it was."""

    identity = ""

    @property
    def place(self) -> Path | None:
        return None

    def state(self) -> str:
        return ""

    def is_open(self) -> bool:
        return False


# ---------------------------------------------------------------- databases


@final
@dataclass(frozen=True)
class QueryPart(_NoFile):
    """A question to a database. It is asked anew each time: what it answers has no digest before it was read."""

    url: str
    query: str
    name: str

    @contextmanager
    def opened(self) -> Iterator[Input]:
        from penstock.data.sources import databases

        with databases.opened(databases.without_table(self.url)[0], Path()) as database:
            yield _QueryInput(database, self.query, self.name)


@final
@dataclass(frozen=True)
class _QueryInput:
    """Within one transaction: whoever asks twice gets the same rows."""

    database: Asked
    query: str
    name: str

    @cached_property
    def names(self) -> tuple[str, ...]:
        from penstock.data.sources.databases import clean_names

        names, _ = self.database.rows(self.query)
        return clean_names(names)

    def batches(self, numbers: Collection[str] = ()) -> Iterator[pa.RecordBatch]:
        from itertools import islice

        import pyarrow as pa

        from penstock.data.sources.databases import text_of

        names, size = self.names, rows_at_once(len(self.names))
        _, rows = self.database.rows(self.query)
        while some := list(islice(rows, size)):
            columns = [
                pa.array([text_of(cell, name) for cell in cells], pa.string())
                for name, cells in zip(names, zip(*some, strict=True), strict=True)
            ]
            yield pa.RecordBatch.from_arrays(columns, names=list(names))

    def digest(self) -> str:
        return ""

    def refuse_change(self) -> None:
        return


def asked_for(place: str, query: str) -> tuple[str, str]:
    """What is asked of a database, and what that is called."""
    from penstock.data.sources import databases

    databases.check_no_password(place)
    url, table = databases.without_table(place)
    if bool(table) == bool(query):
        raise DeclarationError(
            f"{url} is to be asked for {'a table and a query' if table else 'nothing'}",
            why="one of its tables, or a query, must be said",
            way_out=f'--input "{url}?table=NAME", or --query "SELECT ..."',
        )
    if table:
        return f"SELECT * FROM {'.'.join(map(databases.quoted, table.split('.')))}", table
    return query.strip().rstrip(";"), "query"


# ---------------------------------------------------------------- other sources


@final
@dataclass(frozen=True)
class SourcePart(_NoFile):
    """A source that is one table: a folder of texts or images, or what a plug-in reads."""

    source: DeclaredSource
    name: str

    @contextmanager
    def opened(self) -> Iterator[Input]:
        yield _SourceInput(self.source, self.name)


@final
@dataclass
class _SourceInput:
    source: DeclaredSource
    name: str
    _digest: str = field(default="", init=False)

    @property
    def names(self) -> tuple[str, ...]:
        return self.source.names

    def batches(self, numbers: Collection[str] = ()) -> Iterator[pa.RecordBatch]:
        for batch in self.source.batches():
            yield batch.table

    def digest(self) -> str:
        self._digest = self.source.digest()
        return self._digest

    def refuse_change(self) -> None:
        if self._digest and self.source.digest() != self._digest:
            from penstock.data.sources.kind import changed

            raise changed(self.name, why="its digest is not what it was when reading began")
