"""A table or a query of a database by its URL; with a cursor column, only rows that are newer than the known ones."""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, final

from penstock.data.sources import databases
from penstock.data.sources.kind import Around, NotFetched, SourceSettings
from penstock.data.sources.row_keys import RowKeys, by_chunk, replaced_by, replaced_within
from penstock.data.sources.snapshots import CHUNK_ROWS, Snapshot, Snapshots, SnapshotSource, positions
from penstock.errors import DeclarationError, SourceError

if TYPE_CHECKING:
    import numpy as np

SCHEMES = ("sqlite", "postgresql", "postgres")
_ALL = 1 << 128


@final
class Query:
    """The kind of ``sqlite:///shop.db?table=orders`` and ``postgresql://user:${DB_PASSWORD}@host/shop``."""

    name = "sql"

    def claims(self, settings: SourceSettings, around: Around) -> bool:
        return settings.scheme in SCHEMES

    def open(self, settings: SourceSettings, around: Around) -> SnapshotSource:
        """Ask the database (unless `around` says otherwise), keep what is new, and give all rows that are known.

        Raises
        ------
        SourceError : the database cannot be reached, the query fails, or what it gives is no table.
        DeclarationError : there is neither a table nor a query, or both; a password in the clear; a variable is not set.
        """
        if around.snapshots is None:
            raise SourceError(
                f"{settings.place} can only be read within a project",
                why="a query cannot be asked again, so what it answered is kept",
                way_out="write its rows into a file, and name that",
            )
        databases.check_no_password(settings.place)
        url, table = databases.without_table(settings.place)
        if bool(table) == bool(settings.query):
            raise DeclarationError(
                f"{url} is to be asked for {'a table and a query' if table else 'nothing'}",
                why="[data] source names a database; one of its tables, or a query, must be said",
                way_out=f'source = "{url}?table=NAME", or query = "SELECT ..."',
            )
        query = (
            settings.query.strip().rstrip(";") or f"SELECT * FROM {'.'.join(map(databases.quoted, table.split('.')))}"
        )
        params: dict[str, Any] = {"url": url, "query": query}
        params |= {"cursor": settings.cursor} if settings.cursor else {}
        params |= {"key": settings.key} if settings.key else {}
        params |= {"drop": sorted(settings.drop)} if settings.drop else {}
        params |= {"only": sorted(settings.only)} if settings.only else {}
        snapshots, digest = around.snapshots, around.pinned or around.snapshots.last(params)
        warnings: tuple[str, ...] = ()
        if around.pinned is None and not around.dry:
            with databases.opened(url, around.root) as database:
                digest, warnings = _Fetch(database, query, settings, snapshots, digest).do(params)
        if digest is None:
            raise NotFetched(
                "nothing was fetched from the database yet", why="nothing runs here", way_out="`penstock run`"
            )
        options = {name: value for name, value in params.items() if name != "url"}
        found = SnapshotSource(
            snapshots,
            digest,
            options=options,
            origin={"url": url},
            warnings=warnings,
        )
        found.why = (f"{found.snapshot.n_rows} rows of {'table ' + table if table else 'the query'}",)
        return found


@dataclass
class _Fetch:
    """One question to a database, and what becomes of the rows that it gives."""

    database: databases.Asked
    query: str
    settings: SourceSettings
    snapshots: Snapshots
    before: str | None
    chunks: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    content: int = 0

    def do(self, params: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
        """Digest of the snapshot (the one before, where nothing has changed), and what is to be said."""
        known = None if self.before is None else self.snapshots.load(self.before)
        if not self.settings.cursor:
            return self._all(known, params), ()
        return self._newer(known, params)

    # ------------------------------------------------------------ without a cursor: all rows, each time

    def _all(self, known: Snapshot | None, params: dict[str, Any]) -> str:
        if known is not None and self.before is not None and self._same(known):
            return self.before
        names, rows = self.database.rows(self.query, order=self.settings.key)
        names, texts = self._texts(names, rows)
        self._store(names, ((text, _hash(text)) for text, _, _ in texts))
        found = Snapshot(names, tuple(self.chunks), tuple(self.sizes), (positions(),) * len(self.chunks), self.content)
        self._refuse_nothing(found)
        return self.snapshots.keep(found, params, {"before": self.before, "new": found.n_rows})

    def _same(self, known: Snapshot) -> bool:
        """Whether the rows are those that are known, perhaps in another order. Nothing is stored to find out."""
        names, rows = self.database.rows(self.query)
        names, texts = self._texts(names, rows)
        if names != known.names:
            return False
        content = count = 0
        for text, _, _ in texts:
            content, count = (content + int(_hash(text), 16)) % _ALL, count + 1
            if count > known.n_rows:
                return False
        return (content, count) == (known.content, known.n_rows)

    # ------------------------------------------------------------ with a cursor: those that are newer

    def _newer(self, known: Snapshot | None, params: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
        column = self.settings.cursor
        after = None if known is None else (column, known.last)
        names, rows = self.database.rows(self.query, after=after, order=column)
        self._check_column("cursor", column, names)
        place = names.index(column)
        key = None
        if self.settings.key:
            self._check_column("key", self.settings.key, names)
            key = names.index(self.settings.key)
        names, texts = self._texts(names, rows, cursor=place, key=key)
        if known is not None and known.names != names:
            raise SourceError(
                f"the columns of the query are not what they were: {', '.join(names)}",
                why=f"the rows that are known have {', '.join(known.names)}; newer ones are put below them",
                way_out="write the query so that it gives those columns, or change it (then all rows are fetched again)",
            )
        edge = Counter(known.edge) if known is not None else Counter()
        at_edge: list[str] = []
        last: Any = None if known is None else known.last
        without = 0
        keys: RowKeys | None = None

        def new() -> Iterator[tuple[list[str | None], str]]:
            nonlocal last, without, keys
            for text, value, row_key in texts:
                if value is None:
                    without += 1
                    continue
                hashed = _hash(text)
                if value != last:
                    last = value
                    at_edge.clear()
                at_edge.append(hashed)
                if edge[hashed] > 0 and known is not None and value == known.last:
                    edge[hashed] -= (
                        1  # it is known: rows with the last value are asked for again, as more may have come
                    )
                    continue
                if key is not None:
                    keys = keys or RowKeys(self.snapshots.key_secret())
                    keys.add(row_key)
                yield text, hashed

        self._store(names, new())
        warnings: tuple[str, ...] = ()
        if without:
            warnings = (
                f"{without} rows have no {column!r}, the cursor, and are left out: they would never be fetched again",
            )
        if not self.chunks and known is not None and self.before is not None:
            return self.before, warnings
        chunks = (*(known.chunks if known else ()), *self.chunks)
        sizes = (*(known.rows if known else ()), *self.sizes)
        gone = (*(known.gone if known else ()), *(positions(),) * len(self.chunks))
        of_keys: tuple[tuple[str, int], ...] = ()
        if keys is not None and key is not None:
            gone, of_keys = self._replaced(known, key, keys.array())
        found = Snapshot(
            names,
            chunks,
            sizes,
            gone,
            ((known.content if known else 0) + self.content) % _ALL,
            last,
            tuple(at_edge),
            of_keys,
        )
        self._refuse_nothing(found)
        replaced = sum(map(len, found.gone)) - (sum(map(len, known.gone)) if known else 0)
        told = {"before": self.before, "new": sum(self.sizes), "replaced": replaced}
        return self.snapshots.keep(found, params, told), warnings

    def _replaced(
        self, known: Snapshot | None, key: int, newer: np.ndarray
    ) -> tuple[tuple[array[int], ...], tuple[tuple[str, int], ...]]:
        """Of each chunk the rows whose place others have taken, and where the hashes of all keys are."""
        import numpy as np

        gone: list[array[int]] = []
        segments: list[tuple[str, int]] = []
        lengths: list[int] = []
        if known is not None:
            for digest, chunks in self._of_known(known, key):
                first = len(gone)
                sizes = known.rows[first : first + chunks]
                of_segment = self.snapshots.keys(digest)
                found = by_chunk(replaced_by(of_segment, newer), sizes)
                gone += [
                    positions(sorted({*before, *now})) if len(now) else before
                    for before, now in zip(known.gone[first : first + chunks], found, strict=True)
                ]
                segments.append((digest, chunks))
                lengths.append(len(of_segment))
        gone += map(positions, by_chunk(replaced_within(newer), self.sizes))
        chunks = len(self.chunks)
        while segments and lengths.pop() <= 2 * len(newer):  # so that there are few, however often little comes
            digest, before_it = segments.pop()
            newer, chunks = np.concatenate([self.snapshots.keys(digest), newer]), chunks + before_it
        return tuple(gone), (*segments, (self.snapshots.put_keys(newer), chunks))

    def _of_known(self, known: Snapshot, key: int) -> Iterator[tuple[str, int]]:
        """The hashes of the keys of what is known: as they are kept, else (of snapshots without) as the chunks say."""
        yield from known.keys
        for chunk in range(sum(chunks for _, chunks in known.keys), len(known.chunks)):
            keys = RowKeys(self.snapshots.key_secret())
            for text in self.snapshots.rows(known, chunk).column(key).to_pylist():
                keys.add(text)
            yield self.snapshots.put_keys(keys.array()), 1

    # ------------------------------------------------------------ both

    def _texts(
        self, names: Sequence[str], rows: Iterator[Sequence[Any]], cursor: int | None = None, key: int | None = None
    ) -> tuple[tuple[str, ...], Iterator[tuple[list[str | None], Any, str | None]]]:
        """Clean names, and of each row the texts (none of columns that are not kept), the value of the cursor and the key's text."""
        cleaned = databases.clean_names(names)
        only = self.settings.only or cleaned
        kept = [name in only and name not in self.settings.drop for name in cleaned]

        def texts() -> Iterator[tuple[list[str | None], Any, str | None]]:
            for row in rows:
                value = None if cursor is None else _value(row[cursor], cleaned[cursor])
                yield (
                    [
                        databases.text_of(cell, name) if keep else None
                        for cell, name, keep in zip(row, cleaned, kept, strict=True)
                    ],
                    value,
                    None if key is None else databases.text_of(row[key], cleaned[key]),
                )

        return cleaned, texts()

    def _store(self, names: tuple[str, ...], texts: Iterator[tuple[list[str | None], str]]) -> None:
        """Seal the rows, which come with their hashes, in chunks."""
        waiting: list[list[str | None]] = []
        for text, hashed in texts:
            self.content = (self.content + int(hashed, 16)) % _ALL
            waiting.append(text)
            if len(waiting) == CHUNK_ROWS:
                self._seal(names, waiting)
                waiting = []
        if waiting:
            self._seal(names, waiting)

    def _seal(self, names: tuple[str, ...], rows: list[list[str | None]]) -> None:
        self.chunks.append(self.snapshots.seal_rows(names, rows))
        self.sizes.append(len(rows))

    def _refuse_nothing(self, found: Snapshot) -> None:
        if found.n_rows == 0:
            raise SourceError(
                "the query gives no rows",
                why=f"its columns are {', '.join(found.names)}, and nothing below them",
                way_out="check the query and the table",
            )

    def _check_column(self, setting: str, name: str, names: Sequence[str]) -> None:
        if name not in names:
            raise DeclarationError(
                f"the query gives no column {name!r}",
                why=f"[data] {setting} names it; the columns are {', '.join(names)}",
                way_out=f"take it into the query, or correct {setting}",
            )


def _hash(row: list[str | None]) -> str:
    """128 bits of a row, in hexadecimal digits."""
    return blake2b(json.dumps(row).encode(), digest_size=16).hexdigest()


def _value(value: Any, column: str) -> Any:
    """The value of a cursor as it is kept and asked for again: numbers and texts as they are, others as text."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else databases.text_of(value, column)
