"""Experiments: named groups of runs, as MLflow's clients think of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, final

from penstock.errors import BadParameter, NotFound
from penstock.ledger.clock import now_text
from penstock.ledger.connection import Connection
from penstock.ledger.database import Database
from penstock.ledger.schema import insert, read, update


@dataclass(frozen=True, slots=True)
class Experiment:
    """A named group. `details` is the client's: tags, the place of artifacts. `deleted_at` : when it was thrown away."""

    id: str
    name: str
    details: dict[str, Any] = field(default_factory=dict)
    created_at: str = ""
    deleted_at: str | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@final
class Experiments:
    """Experiments in the ledger. Ids count from 1; "0" is free for a client's default."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: str, details: dict[str, Any] | None = None, *, id: str | None = None) -> Experiment:  # noqa: A002
        """Record a new one, under the next number unless an `id` is given.

        Raises
        ------
        BadParameter : the name (also of one that was thrown away) or the id is taken, or empty.
        """
        if not name.strip():
            raise BadParameter("an experiment has no name", why="the name is empty", way_out="give it one")
        with self._database.write() as connection:
            taken = connection.one("SELECT name FROM experiments WHERE name = :name OR id = :id", name=name, id=id)
            if taken is not None:
                raise BadParameter(
                    f"there is an experiment {taken.name!r} already",
                    why="names and ids mean one experiment, also when it was thrown away",
                    way_out="choose another name, or bring that one back",
                )
            numbers = [int(known) for known in connection.values("SELECT id FROM experiments") if known.isdecimal()]
            found = Experiment(id or str(max(numbers, default=0) + 1), name, details or {}, now_text())
            insert(connection, "experiments", asdict(found))
        return found

    def get(self, id: str) -> Experiment:  # noqa: A002
        """One, by its id.

        Raises
        ------
        NotFound : there is none.
        """
        with self._database.read() as connection:
            return _get(connection, id)

    def by_name(self, name: str) -> Experiment | None:
        """One, by its name; None where there is none."""
        with self._database.read() as connection:
            row = connection.one("SELECT * FROM experiments WHERE name = :name", name=name)
        return None if row is None else Experiment(**read("experiments", row))

    def all(self, *, deleted: bool | None = False) -> list[Experiment]:
        """All that were not thrown away (True: those that were; None: both), oldest first."""
        with self._database.read() as connection:
            rows = connection.all("SELECT * FROM experiments ORDER BY created_at, id")
        found = [Experiment(**read("experiments", row)) for row in rows]
        return [e for e in found if deleted is None or (e.deleted_at is not None) == deleted]

    def update(self, id: str, *, name: str | None = None, details: dict[str, Any] | None = None) -> Experiment:  # noqa: A002
        """Rename one, or merge into its details.

        Raises
        ------
        NotFound : there is none. BadParameter : the name is taken.
        """
        with self._database.write() as connection:
            found = _get(connection, id)
            other = connection.value("SELECT id FROM experiments WHERE name = :name", name=name or found.name)
            if other not in (None, id):
                raise BadParameter(
                    f"there is an experiment {name!r} already",
                    why="names mean one experiment",
                    way_out="choose another name",
                )
            values = {"name": name or found.name, "details": {**found.details, **(details or {})}}
            update(connection, "experiments", values, "id = :experiment", experiment=id)
            return _get(connection, id)

    def delete(self, id: str, *, restore: bool = False) -> Experiment:  # noqa: A002
        """Throw one away, or bring it back with `restore`. Its runs are not touched.

        Raises
        ------
        NotFound : there is none.
        """
        with self._database.write() as connection:
            _get(connection, id)
            values = {"deleted_at": None if restore else now_text()}
            update(connection, "experiments", values, "id = :experiment", experiment=id)
            return _get(connection, id)


def _get(connection: Connection, id: str) -> Experiment:  # noqa: A002
    row = connection.one("SELECT * FROM experiments WHERE id = :id", id=id)
    if row is None:
        known = ", ".join(connection.values("SELECT name FROM experiments ORDER BY name")) or "none"
        raise NotFound(f"there is no experiment {id!r}", why=f"there are: {known}", way_out="use one of these")
    return Experiment(**read("experiments", row))
