"""Runs that are thrown away, brought back, and forgotten for good."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, final

from penstock.errors import ProjectError
from penstock.ledger.clock import now_text
from penstock.ledger.connection import Connection
from penstock.ledger.database import Database
from penstock.ledger.process import Process
from penstock.ledger.reading import absent
from penstock.ledger.schema import json_value, update
from penstock.ledger.status import RUNNING

_BELONGING = ("run_inputs", "run_outputs", "run_metrics", "run_tags", "run_notes")
_PROOF = (
    ("model_versions", "run", "name || '@' || version"),
    ("datasets", "run", "'data set ' || substr(digest, 8, 12)"),
    ("envelopes", "opened_by_run", "'envelope ' || number || ' of data set ' || substr(dataset, 8, 12)"),
)


@final
class Trash:
    """Throwing runs away. Those that belong to a run (a batch, a pipeline) go and come back with it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def delete(self, ids: Iterable[str]) -> list[str]:
        """Throw runs away; gives those that were not yet. They stay known by their ids, and `restore` brings them back.

        Raises
        ------
        NotFound : there is no such run; nothing was thrown away.
        """
        with self._database.write() as connection:
            found = _with_children(connection, ids)
            query = "SELECT id FROM runs WHERE id IN :ids AND deleted_at IS NULL ORDER BY id"
            gone: list[str] = connection.values(query, ids=found)
            connection.execute("UPDATE runs SET deleted_at = :at WHERE id IN :ids", at=now_text(), ids=gone)
        return gone

    def restore(self, ids: Iterable[str]) -> list[str]:
        """Bring runs back, with those that were thrown away with them; gives all that are back."""
        with self._database.write() as connection:
            asked = list(ids)
            found = _with_children(connection, asked)
            times = connection.values("SELECT DISTINCT deleted_at FROM runs WHERE id IN :ids", ids=asked)
            times = [at for at in times if at is not None]
            query = "SELECT id FROM runs WHERE id IN :ids AND deleted_at IN :times ORDER BY id"
            back: list[str] = connection.values(query, ids=found, times=times)
            connection.execute("UPDATE runs SET deleted_at = NULL WHERE id IN :ids", ids=back)
        return back

    def forget(self, ids: Iterable[str]) -> list[str]:
        """Remove all rows of runs, and of those that belong to them, for good; gives their ids.

        Raises
        ------
        ProjectError : a run is still running, or the proof of a model, a data set or an opened envelope. Nothing was
            removed. NotFound : there is no such run.
        """
        with self._database.write() as connection:
            found = _with_children(connection, ids)
            _refuse_running(connection, found)
            _refuse_proof(connection, found)
            for table in _BELONGING:
                connection.execute(f"DELETE FROM {table} WHERE run IN :ids", ids=found)
            connection.execute("DELETE FROM trials WHERE search IN :ids", ids=found)
            connection.execute("DELETE FROM runs WHERE id IN :ids", ids=found)
            connection.execute("DELETE FROM environments WHERE digest NOT IN (SELECT environment FROM runs)")
        return found


def strip(
    database: Database,
    run_id: str,
    *,
    artifacts: Iterable[str],
    outputs: dict[str, Any],
    error: dict[str, Any] | None,
    key: str,
) -> None:
    """Let go of what a run kept under some names, and of what it said but for `outputs` and `error`. The record of it stays, with all
    digests. By default it is found by no key any more: what it did is not known, should it be asked for again."""
    with database.write() as connection:
        update(connection, "runs", {"key": key, "outputs": outputs, "error": error}, "id = :of", of=run_id)
        connection.execute(
            "UPDATE run_outputs SET size_bytes = NULL, media = NULL WHERE run = :run AND name IN :names",
            run=run_id,
            names=sorted(artifacts),
        )


def _with_children(connection: Connection, ids: Iterable[str]) -> list[str]:
    """The runs, and all that belong to them, however deep; by id."""
    asked = set(ids)
    known = set(connection.values("SELECT id FROM runs WHERE id IN :ids", ids=asked))
    for run_id in sorted(asked - known):
        raise absent(connection, run_id)
    frontier = known
    while frontier:
        frontier = set(connection.values("SELECT id FROM runs WHERE parent IN :ids", ids=frontier)) - known
        known |= frontier
    return sorted(known)


def _refuse_running(connection: Connection, ids: list[str]) -> None:
    query = "SELECT id, process FROM runs WHERE id IN :ids AND status = :running"
    for row in connection.all(query, ids=ids, running=RUNNING):
        process = Process.from_json(json_value(row.process))
        if not process.is_gone():
            raise ProjectError(
                f"run {row.id} is still running",
                why=f"{process} is at it" if process.pid else "nobody has ended it yet",
                way_out="wait for it to end, or end it first",
            )


def _refuse_proof(connection: Connection, ids: list[str]) -> None:
    for table, column, name in _PROOF:
        row = connection.one(f"SELECT {column} AS run, {name} AS name FROM {table} WHERE {column} IN :ids", ids=ids)
        if row is not None:
            raise ProjectError(
                f"run {row.run} cannot be forgotten",
                why=f"it is the proof of {row.name}",
                way_out="leave it where it is: `penstock delete` hides it from the lists",
            )
