"""The runs of a ledger: begin, queue, extend, end. How they are read is in `penstock.ledger.reading`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, final

from penstock.errors import BadParameter, NotFound, ProjectError
from penstock.ledger.clock import instant_text, new_run_id, now, now_text
from penstock.ledger.connection import Connection
from penstock.ledger.database import Database
from penstock.ledger.process import Process, user
from penstock.ledger.schema import insert, insert_many, json_value, put_many, update
from penstock.ledger.status import DONE, QUEUED, RUNNING, STATUSES, safe_digest
from penstock.objects.digests import digests_within

ENDS = frozenset(STATUSES) - {QUEUED, RUNNING}
NOBODY = Process(host="", boot="", pid=0, ticks=0)
"""The process of a run that any process may go on with and end: it never counts as gone."""


@final
class Runs:
    """Writing of runs. `Ledger` and the open `Run` are what others use."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # ---- beginning

    def begin(
        self,
        *,
        operation: str,
        key: str,
        code: str,
        project: str | None,
        seed: int | None,
        params: dict[str, Any],
        inputs: dict[str, Any],
        outputs: dict[str, Any] | None = None,
        environment: dict[str, Any],
        source: dict[str, Any],
        parent: str | None = None,
        tags: Mapping[str, str] | None = None,
        status: str = RUNNING,
        owned: bool = True,
    ) -> str:
        """Record that a run of this process has started (or, with `status`, is queued), and return its id.

        Parameters
        ----------
        owned : whether it is interrupted when this process ends without ending it.
        """
        process = Process.current()
        outputs = outputs or {}
        row: dict[str, Any] = {
            "operation": operation,
            "status": status,
            "key": key,
            "code": code,
            "project": project,
            "seed": seed,
            "params": params,
            "inputs": inputs,
            "outputs": outputs,
            "source": source,
            "cost": {},
            "process": (process if owned else NOBODY).to_json(),
            "parent": parent,
            "who": user(),
            "host": process.host,
        }
        with self._database.write() as connection:
            row["environment"] = put_environment(connection, environment)
            run_id = _insert(connection, row)
            edges_in(connection, run_id, inputs, new=True)
            edges_out(connection, run_id, outputs, new=True)
            put_tags(connection, run_id, tags or {})
        return run_id

    def take(
        self,
        run_id: str,
        *,
        params: dict[str, Any] | None,
        inputs: dict[str, Any] | None,
        environment: dict[str, Any],
        source: dict[str, Any],
        key: str | None = None,
        code: str,
        seed: int | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Let a queued run begin in this process. Of any number of attempts, also at once, one succeeds.

        Raises
        ------
        ProjectError : it is not queued (any more). NotFound : there is no such run.
        """
        process = Process.current()
        values: dict[str, Any] = {
            "status": RUNNING,
            "started_at": now_text(),
            "process": process.to_json(),
            "who": user(),
            "host": process.host,
            "source": source,
            "code": code,
        }
        values.update({n: v for n, v in (("params", params), ("inputs", inputs)) if v is not None})
        values.update({n: v for n, v in (("key", key), ("seed", seed)) if v is not None})
        with self._database.write() as connection:
            status = _status(connection, run_id, deleted=False)
            if status != QUEUED:
                raise ProjectError(
                    f"run {run_id} is not queued",
                    why="it was taken out of the queue" if status is None else f"it is {status}: another was faster",
                    way_out="see what is queued with `penstock queue`",
                )
            values["environment"] = put_environment(connection, environment)
            update(connection, "runs", values, "id = :run", run=run_id)
            if inputs is not None:
                edges_in(connection, run_id, inputs)
            put_tags(connection, run_id, tags or {})

    def requeue(self, run_id: str) -> None:
        """Put a run that has ended without result (or whose process is gone) into the queue again.

        Raises
        ------
        ProjectError : it was never queued, still runs, or is done. NotFound : there is no such run.
        """
        with self._database.write() as connection:
            row = connection.one("SELECT status, process, outputs FROM runs WHERE id = :id", id=run_id)
            if row is None:
                raise _absent(connection, run_id)
            alive = row.status == RUNNING and not Process.from_json(json_value(row.process)).is_gone()
            if alive or row.status == DONE or "queued" not in json_value(row.outputs):
                raise ProjectError(
                    f"run {run_id} cannot be queued again",
                    why=f"it is {row.status}" if alive or row.status == DONE else "it was not started from the queue",
                    way_out="start a new one with `penstock run --queue`",
                )
            values = {"status": QUEUED, "ended_at": None, "seconds": None, "error": None}
            update(connection, "runs", values, "id = :run", run=run_id)

    def resume(self, run_id: str, *, owned: bool = True) -> None:
        """Let a run that has ended (or whose process is gone) go on in this process."""
        process = Process.current() if owned else NOBODY
        values = {"status": RUNNING, "ended_at": None, "seconds": None, "error": None, "process": process.to_json()}
        with self._database.write() as connection:
            if update(connection, "runs", values, "id = :run", run=run_id) == 0:
                raise _absent(connection, run_id)

    # ---- extending

    def change(
        self,
        run_id: str,
        *,
        params: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        outputs: Mapping[str, Any] | None = None,
        metrics: Mapping[str, Any] | None = None,
        artifacts: Mapping[str, Mapping[str, Any]] | None = None,
        environment: dict[str, Any] | None = None,
        source: dict[str, Any] | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> None:
        """Record more of a run, in one transaction.

        Parameters
        ----------
        params, inputs, outputs : merged into what is there, with the lineage of the digests in them.
        metrics : name -> number, or {"value", "low", "high"}. artifacts : name -> {"digest", "size_bytes", "media"}.
        environment, source : replace what is there. values : other columns of the run.
        """
        changes: dict[str, Any] = dict(values or {})
        changes.update({"source": source} if source is not None else {})
        merged = {n: v for n, v in (("params", params), ("inputs", inputs), ("outputs", outputs)) if v}
        with self._database.write() as connection:
            if environment is not None:
                changes["environment"] = put_environment(connection, environment)
            if merged:
                row = connection.one("SELECT params, inputs, outputs FROM runs WHERE id = :id", id=run_id)
                if row is None:
                    raise _absent(connection, run_id)
                changes.update({name: {**json_value(getattr(row, name)), **more} for name, more in merged.items()})
            if changes and update(connection, "runs", changes, "id = :run", run=run_id) == 0:
                raise _absent(connection, run_id)
            if not changes and _status(connection, run_id) is None:
                raise _absent(connection, run_id)
            if inputs:
                edges_in(connection, run_id, changes["inputs"])
            if outputs:
                edges_out(connection, run_id, changes["outputs"])
            put_many(connection, "run_metrics", [_metric(run_id, name, m) for name, m in (metrics or {}).items()])
            put_many(connection, "run_outputs", [_artifact(run_id, name, a) for name, a in (artifacts or {}).items()])

    def end(
        self,
        run_id: str,
        *,
        status: str,
        seconds: float,
        cost: dict[str, Any] | None = None,
        error: Any = None,
        log: str | None = None,
        ended_at: str | None = None,
        outputs: Mapping[str, Any] | None = None,
    ) -> None:
        """Record how a run ended."""
        if status not in ENDS:
            raise BadParameter(
                f"a run does not end as {status!r}", f"it ends as: {', '.join(sorted(ENDS))}", "use one of these"
            )
        values = {"status": status, "seconds": seconds, "error": error, "ended_at": ended_at or now_text()}
        values.update({n: v for n, v in (("cost", cost), ("log", log)) if v is not None})
        self.change(run_id, values=values, outputs=outputs)

    # ---- tags and notes

    def tag(self, run_id: str, tags: Mapping[str, str | None]) -> None:
        """Set tags; None removes one.

        Raises
        ------
        NotFound : there is no such run. BadParameter : a tag without a name.
        """
        with self._database.write() as connection:
            if _status(connection, run_id) is None:
                raise _absent(connection, run_id)
            put_tags(connection, run_id, tags)

    def note(self, run_id: str, text: str, who: str | None) -> int:
        """Add a note; gives its number, from 1."""
        if not text.strip():
            raise BadParameter("the note is empty", why="there is nothing to keep", way_out="write what you noticed")
        with self._database.write() as connection:
            if _status(connection, run_id) is None:
                raise _absent(connection, run_id)
            last = connection.value("SELECT max(number) FROM run_notes WHERE run = :run", run=run_id) or 0
            row = {"run": run_id, "number": last + 1, "at": now_text(), "who": who or user(), "text": text}
            insert(connection, "run_notes", row)
        return int(last) + 1


def put_tags(connection: Connection, run_id: str, tags: Mapping[str, str | None]) -> None:
    """Set or remove tags of a run that exists."""
    if not all(isinstance(name, str) and name.strip() for name in tags):
        raise BadParameter("a tag has no name", why="tags are found by their names", way_out="write NAME or NAME=TEXT")
    for name in (name for name, value in tags.items() if value is None):
        connection.execute("DELETE FROM run_tags WHERE run = :run AND name = :name", run=run_id, name=name)
    kept = [{"run": run_id, "name": name, "value": str(value)} for name, value in tags.items() if value is not None]
    put_many(connection, "run_tags", kept)


def _absent(connection: Connection, run_id: str) -> NotFound:
    from penstock.ledger.reading import absent

    return absent(connection, run_id)


def _insert(connection: Connection, row: dict[str, Any]) -> str:
    """Insert under a new id. Two runs of one microsecond may draw the same: the later draws again."""
    while True:
        started = now()
        run_id = new_run_id(started)
        if insert(connection, "runs", {"id": run_id, "started_at": instant_text(started), **row}, or_nothing=True):
            return run_id


def _status(connection: Connection, run_id: str, *, deleted: bool = True) -> str | None:
    """Recorded status of a run; None where there is none (or, unless `deleted`, it was thrown away)."""
    alive = "" if deleted else " AND deleted_at IS NULL"
    status: str | None = connection.value(f"SELECT status FROM runs WHERE id = :id{alive}", id=run_id)
    return status


def put_environment(connection: Connection, body: dict[str, Any]) -> str:
    """Record an environment, once; gives its digest."""
    digest = safe_digest(body)
    if connection.value("SELECT 1 FROM environments WHERE digest = :digest", digest=digest) is None:
        insert(connection, "environments", {"digest": digest, "body": body})
    return digest


def edges_in(connection: Connection, run_id: str, inputs: Mapping[str, Any], *, new: bool = False) -> None:
    """Record the digests in `inputs` as edges of the lineage, in place of those before."""
    if not new:
        connection.execute("DELETE FROM run_inputs WHERE run = :run", run=run_id)
    edges = [{"run": run_id, "name": name, "digest": digest} for name, digest in digests_within(inputs)]
    insert_many(connection, "run_inputs", edges)


def edges_out(connection: Connection, run_id: str, outputs: Mapping[str, Any], *, new: bool = False) -> None:
    """Record the digests in `outputs` as edges of the lineage, in place of those before. Artifacts stay."""
    if not new:
        connection.execute("DELETE FROM run_outputs WHERE run = :run AND size_bytes IS NULL", run=run_id)
    edges = [{"run": run_id, "name": name, "digest": digest} for name, digest in digests_within(outputs, "outputs")]
    put_many(connection, "run_outputs", edges)


def _metric(run_id: str, name: str, metric: Any) -> dict[str, Any]:
    """A row; NaN is stored as an absent value (SQLite has no NaN)."""
    found = metric if isinstance(metric, Mapping) else {"value": metric}
    return {"run": run_id, "name": name, **{part: _no_nan(found.get(part)) for part in ("value", "low", "high")}}


def _artifact(run_id: str, name: str, kept: Mapping[str, Any]) -> dict[str, Any]:
    return {"run": run_id, "name": name, **{part: kept[part] for part in ("digest", "size_bytes", "media")}}


def _no_nan(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else float(value)
