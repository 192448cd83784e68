"""Data-set versions: what they are made from, and which one a project is at."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, final

from penstock.errors import NotFound
from penstock.ledger.clock import now_text
from penstock.ledger.connection import Connection
from penstock.ledger.database import Database
from penstock.ledger.schema import insert, put_many, read, update


@dataclass(frozen=True, slots=True)
class DatasetRecord:
    """One version of a data set.

    Attributes
    ----------
    digest : what names the version. `manifest` : digest of the stored manifest; the same unless told otherwise.
    parent : the version before, None for a first one. `source` : where it was read from, and how.
    details : row counts, differences from the parent, and the like. `run` : the run that made it.
    number : counts the versions of the ledger, from 1, in the order in which they were made.
    forgotten_at : when its rows were let go of for good; None: they are stored.
    """

    digest: str
    parent: str | None
    manifest: str
    source: dict[str, Any]
    run: str | None
    number: int
    created_at: str
    details: dict[str, Any] = field(default_factory=dict)
    forgotten_at: str | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@final
class Datasets:
    """Data-set versions in the ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        digest: str,
        parent: str | None,
        source: dict[str, Any],
        *,
        manifest: str | None = None,
        run: str | None = None,
        details: dict[str, Any] | None = None,
    ) -> DatasetRecord:
        """Record a version. One that is known already stays as it was first recorded; one that was forgotten is stored anew."""
        with self._database.write() as connection:
            found = _get(connection, digest)
            if found is not None:
                if found.forgotten_at is None:
                    return found
                anew: dict[str, Any] = {"source": source, "details": details or {}, "run": run, "forgotten_at": None}
                update(connection, "datasets", anew, "digest = :of", of=digest)
                return replace(found, **anew)
            newest = connection.value("SELECT max(number) FROM datasets") or 0
            record = DatasetRecord(
                digest=digest,
                parent=parent,
                manifest=manifest or digest,
                source=source,
                run=run,
                number=newest + 1,
                created_at=now_text(),
                details=details or {},
            )
            insert(connection, "datasets", asdict(record))
        return record

    def get(self, digest: str) -> DatasetRecord:
        """A version, by its digest or a unique beginning of it.

        Raises
        ------
        NotFound : there is none, or more than one.
        """
        query = "SELECT * FROM datasets WHERE substr(digest, 1, :length) = :digest LIMIT 2"
        with self._database.read() as connection:
            rows = connection.all(query, digest=digest, length=len(digest))
        if len(rows) != 1:
            raise NotFound(
                f"there is no data set {digest!r}" if not rows else f"more than one data set begins with {digest!r}",
                why="the ledger has no such version" if not rows else "the beginning is too short",
                way_out="list the versions with `penstock data log`",
            )
        return DatasetRecord(**read("datasets", rows[0]))

    def forget(self, digest: str, details: dict[str, Any]) -> DatasetRecord:
        """Let a version be one whose rows are gone; `details` take the place of those that quote values.

        Its number, parent, source and digest stay: what came of it is still known. One that is forgotten already keeps its instant.

        Raises
        ------
        NotFound : no such version.
        """
        found = self.get(digest)
        at = found.forgotten_at or now_text()
        with self._database.write() as connection:
            update(connection, "datasets", {"details": details, "forgotten_at": at}, "digest = :of", of=found.digest)
        return replace(found, details=details, forgotten_at=at)

    def forgotten(self) -> frozenset[str]:
        """Digests of the versions that are forgotten."""
        with self._database.read() as connection:
            return frozenset(connection.values("SELECT digest FROM datasets WHERE forgotten_at IS NOT NULL"))

    def heads(self) -> dict[str, str]:
        """Project -> digest of the version that it is at, of all projects of the ledger."""
        with self._database.read() as connection:
            rows = connection.all("SELECT project, digest FROM dataset_heads ORDER BY project")
        return {row.project: row.digest for row in rows}

    def head(self, project: str) -> str | None:
        """Digest of the version that a project is at, None before its first."""
        with self._database.read() as connection:
            digest: str | None = connection.value("SELECT digest FROM dataset_heads WHERE project = :p", p=project)
        return digest

    def set_head(self, project: str, digest: str) -> None:
        """Let a project be at a version.

        Raises
        ------
        NotFound : no such version.
        """
        self.get(digest)
        with self._database.write() as connection:
            put_many(connection, "dataset_heads", [{"project": project, "digest": digest}])

    def log(self, digest: str | None = None) -> list[DatasetRecord]:
        """Versions, newest first: all of the ledger, or one and its ancestors."""
        with self._database.read() as connection:
            rows = connection.all("SELECT * FROM datasets ORDER BY number DESC")
        records = [DatasetRecord(**read("datasets", row)) for row in rows]
        if digest is None:
            return records
        by_digest = {record.digest: record for record in records}
        line: list[DatasetRecord] = []
        step: str | None = digest
        while step is not None and step in by_digest:
            line.append(by_digest[step])
            step = by_digest[step].parent
        return line


def _get(connection: Connection, digest: str) -> DatasetRecord | None:
    row = connection.one("SELECT * FROM datasets WHERE digest = :digest", digest=digest)
    return None if row is None else DatasetRecord(**read("datasets", row))
