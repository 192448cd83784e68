"""The runs of a ledger: find and list."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias, final

from penstock.errors import BadParameter, NotFound
from penstock.ledger.connection import Connection
from penstock.ledger.database import Database
from penstock.ledger.process import Process
from penstock.ledger.record import DONE, INTERRUPTED, RUNNING, STATUSES, RunRecord, RunSummary
from penstock.ledger.schema import json_value, read, tables
from penstock.ledger.sql import Row

Where: TypeAlias = tuple[str, dict[str, Any]]
"""A condition on runs: SQL in which the run is ``r``, and its parameters. ``r.status`` is the status as it is shown."""

PAGE = 500
ALIKE = 0.85
"""How much of a mistyped id is the same as in the one that is meant; two characters of 22 may be others."""
_PLAIN = (
    "id", "operation", "status", "project", "parent", "started_at", "ended_at", "seconds", "who", "host", "deleted_at",
)  # fmt: skip
_STRUCTURED = ("params", "inputs", "outputs", "source", "cost", "error")


@final
class Reading:
    """Reading of runs. `Ledger` is what others use."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, reference: str) -> RunRecord:
        """The run of an id, or of the beginning of one where only one run begins so.

        Raises
        ------
        NotFound : there is none, or more than one; the message names the nearest.
        """
        query = "SELECT * FROM runs WHERE id = :id"
        begins = "SELECT * FROM runs WHERE substr(id, 1, :length) = :id ORDER BY id DESC LIMIT 4"
        with self._database.read() as connection:
            found = connection.all(query, id=reference)
            found = found or connection.all(begins, id=reference, length=len(reference))
            if len(found) == 1:
                return _records(connection, found)[0]
            if not found:
                raise absent(connection, reference)
        near = [row.id for row in found]
        raise NotFound(
            f"more than one run begins with {reference!r}",
            why=f"the newest are {', '.join(near[:3])}",
            way_out=f"write more of the id, such as {near[0]}",
        )

    def find(self, operation: str, key: str) -> RunRecord | None:
        """The newest run that is done with this key and was not thrown away, None where there is none."""
        query = (
            "SELECT * FROM runs WHERE operation = :operation AND key = :key AND status = :done AND deleted_at IS NULL "
            "ORDER BY id DESC LIMIT 1"
        )
        with self._database.read() as connection:
            rows = connection.all(query, operation=operation, key=key, done=DONE)
            return next(iter(_records(connection, rows)), None)

    def by_ids(self, ids: Iterable[str]) -> dict[str, RunRecord]:
        """Those of the given runs that exist, by id."""
        with self._database.read() as connection:
            rows = connection.all("SELECT * FROM runs WHERE id IN :ids", ids=list(ids))
            return {record.id: record for record in _records(connection, rows)}

    def dead(self) -> list[str]:
        """Ids of the runs that are recorded as running though their process is gone."""
        with self._database.read() as connection:
            return _dead(connection)

    def records(self, where: Where, *, order: str, limit: int | None) -> list[RunRecord]:
        """Runs as a whole."""
        with self._database.read() as connection:
            query, params = _query(connection, ", ".join(f"r.{name}" for name in tables()["runs"]), where, order, limit)
            found: list[RunRecord] = []
            for page in connection.pages(query, PAGE, **params):
                found += _records(connection, page)
            return found

    def summaries(self, where: Where, *, order: str, limit: int | None, columns: Iterable[str]) -> list[RunSummary]:
        """What a listing shows of runs: three queries, however many runs."""
        asked = set(columns)
        structured = [name for name in _STRUCTURED if name in asked]
        with self._database.read() as connection:
            query, params = _query(connection, ", ".join(f"r.{n}" for n in (*_PLAIN, *structured)), where, order, limit)
            width = len(_PLAIN)
            found = []
            for row in connection.all(query, **params):
                more = {n: json_value(v) for n, v in zip(structured, row[width:], strict=True)} if structured else {}
                found.append(RunSummary(*row[:width], **more))
            by_id = {run.id: run for run in found}
            for name in ("metrics", "tags", "notes"):
                if name in asked:
                    _ATTACH[name](connection, by_id)
        return found


def chosen(
    operation: str | None = None,
    status: str | None = None,
    project: str | None = None,
    parent: str | None = None,
    deleted: bool | None = False,
    where: Where | None = None,
) -> Where:
    """One condition of several.

    Parameters
    ----------
    deleted : False for those that are not thrown away, True for those that are, None for both.

    Raises
    ------
    BadParameter : there is no such status.
    """
    if status is not None and status not in STATUSES:
        raise BadParameter(
            f"no run has the status {status!r}", why=f"there are: {', '.join(STATUSES)}", way_out="use one of these"
        )
    parts, params = [], {}
    for name, value in (("operation", operation), ("status", status), ("project", project), ("parent", parent)):
        if value is not None:
            parts.append(f"r.{name} = :run_{name}")
            params[f"run_{name}"] = value
    if deleted is not None:
        parts.append(f"r.deleted_at IS {'NOT ' if deleted else ''}NULL")
    if where is not None:
        parts.append(f"({where[0]})" if where[0] else "1 = 1")
        params |= where[1]
    return " AND ".join(parts), params


def absent(connection: Connection, reference: str) -> NotFound:
    """The error for a run that is not there, naming one whose id resembles it."""
    ids = connection.values("SELECT id FROM runs ORDER BY id DESC LIMIT 1000")
    near = _near(ids, reference)
    return NotFound(
        f"there is no run {reference!r}",
        why=f"the nearest is {near}" if near else "no id begins so" if ids else "no run has been recorded yet",
        way_out=f"write {near}, or list all with `penstock runs`"
        if near
        else "list all with `penstock runs`"
        if ids
        else "start one with `penstock run`",
    )


def _near(ids: Sequence[str], reference: str) -> str | None:
    """The id of which a text is a mistyped beginning, None where it resembles none: most of an id is the same on one day."""
    import difflib

    shortened = [run_id[: len(reference)] for run_id in ids]
    near = difflib.get_close_matches(reference, shortened, 1, cutoff=ALIKE)
    return ids[shortened.index(near[0])] if near else None


def _query(connection: Connection, columns: str, where: Where, order: str, limit: int | None) -> tuple[str, Any]:
    """A query on runs as they are shown: one whose process is gone is interrupted, whatever its row says."""
    condition, params = where
    gone = _dead(connection)
    table = "runs"
    if gone:
        others = ", ".join(name for name in tables()["runs"] if name != "status")
        shown = f"CASE WHEN status = '{RUNNING}' AND id IN :gone_ids THEN '{INTERRUPTED}' ELSE status END"
        table, params = f"(SELECT {others}, {shown} AS status FROM runs)", {**params, "gone_ids": gone}
    query = f"SELECT {columns} FROM {table} r" + (f" WHERE {condition}" if condition else "") + f" ORDER BY {order}"
    if limit is not None:
        query, params = f"{query} LIMIT :limit_rows", {**params, "limit_rows": limit}
    return query, params


def _dead(connection: Connection) -> list[str]:
    """Runs that are recorded as running though their process is gone."""
    running = connection.all("SELECT id, process FROM runs WHERE status = :running", running=RUNNING)
    return [row.id for row in running if Process.from_json(json_value(row.process)).is_gone()]


def _records(connection: Connection, rows: Sequence[Row]) -> list[RunRecord]:
    """Join what belongs to some runs, with one query per table."""
    if not rows:
        return []
    ids = [row.id for row in rows]
    artifacts: dict[str, dict[str, Any]] = {run_id: {} for run_id in ids}
    query = "SELECT * FROM run_outputs WHERE run IN :ids AND size_bytes IS NOT NULL ORDER BY name"
    for row in connection.all(query, ids=ids):
        artifacts[row.run][row.name] = {"digest": row.digest, "size_bytes": row.size_bytes, "media": row.media}
    metrics: dict[str, dict[str, Any]] = {run_id: {} for run_id in ids}
    for row in connection.all("SELECT * FROM run_metrics WHERE run IN :ids ORDER BY name", ids=ids):
        value = math.nan if row.value is None else row.value
        metrics[row.run][row.name] = {"value": value, "low": row.low, "high": row.high}
    used = list({row.environment for row in rows})
    bodies = {
        row.digest: json_value(row.body)
        for row in connection.all("SELECT digest, body FROM environments WHERE digest IN :used", used=used)
    }
    tags, notes = _tags(connection, ids), _notes(connection, ids)
    return [
        _record(
            row,
            environment=bodies[row.environment],
            artifacts=artifacts[row.id],
            metrics=metrics[row.id],
            tags=tags.get(row.id, {}),
            notes=notes.get(row.id, []),
        )
        for row in rows
    ]


def _record(row: Row, **joined: Any) -> RunRecord:
    fields = read("runs", row)
    process = Process.from_json(fields.pop("process"))
    record = RunRecord(**{**fields, **joined})
    if record.status == RUNNING and process.is_gone():
        return replace(record, status=INTERRUPTED)
    return record


def _tags(connection: Connection, ids: list[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for run, name, value in connection.all("SELECT * FROM run_tags WHERE run IN :ids ORDER BY name", ids=ids):
        found.setdefault(run, {})[name] = value
    return found


def _notes(connection: Connection, ids: list[str]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in connection.all("SELECT * FROM run_notes WHERE run IN :ids ORDER BY number", ids=ids):
        note = row.to_dict()
        found.setdefault(note.pop("run"), []).append(note)
    return found


def _attach_metrics(connection: Connection, runs: dict[str, RunSummary]) -> None:
    query = "SELECT run, name, value FROM run_metrics WHERE run IN :ids ORDER BY name"
    for run, name, value in connection.all(query, ids=list(runs)):
        runs[run].metrics[name] = math.nan if value is None else value


def _attach_tags(connection: Connection, runs: dict[str, RunSummary]) -> None:
    for run, tags in _tags(connection, list(runs)).items():
        runs[run].tags = tags


def _attach_notes(connection: Connection, runs: dict[str, RunSummary]) -> None:
    for run, notes in _notes(connection, list(runs)).items():
        runs[run].notes = notes


_ATTACH = {"metrics": _attach_metrics, "tags": _attach_tags, "notes": _attach_notes}
