"""The runs of a ledger: begin, extend, end, find and list."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from penstock.errors import BadParameter, NotFound
from penstock.ledger.clock import instant_text, new_run_id, now, now_text
from penstock.ledger.database import Database
from penstock.ledger.process import Process
from penstock.ledger.record import DONE, INTERRUPTED, RUNNING, STATUSES, RunRecord
from penstock.ledger.schema import environments, run_inputs, run_metrics, run_outputs, runs
from penstock.objects.digests import digest_of_json, digests_within

PAGE = 200


@final
class Runs:
    """Runs in the database. `Ledger` and the open `Run` are what others use."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # ---- writing

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
        environment: dict[str, Any],
        source: dict[str, Any],
    ) -> str:
        """Record that a run of this process has started, and return its id."""
        environment_digest = digest_of_json(environment)
        row = {
            "operation": operation,
            "status": RUNNING,
            "key": key,
            "code": code,
            "project": project,
            "seed": seed,
            "params": params,
            "inputs": inputs,
            "outputs": {},
            "environment": environment_digest,
            "source": source,
            "cost": {},
            "process": Process.current().to_json(),
        }
        with self._database.write() as connection:
            known = sa.select(environments.c.digest).where(environments.c.digest == environment_digest)
            if connection.scalar(known) is None:
                connection.execute(environments.insert().values(digest=environment_digest, body=environment))
            run_id = self._insert(connection, row)
            edges = [{"run": run_id, "name": name, "digest": digest} for name, digest in digests_within(inputs)]
            if edges:
                connection.execute(run_inputs.insert(), edges)
        return run_id

    def _insert(self, connection: sa.Connection, row: dict[str, Any]) -> str:
        """Insert under a new id. Two runs of one microsecond may draw the same: the later draws again."""
        while True:
            started = now()
            run_id = new_run_id(started)
            try:
                with connection.begin_nested():
                    connection.execute(runs.insert().values(id=run_id, started_at=instant_text(started), **row))
            except IntegrityError:
                continue
            return run_id

    def set_artifact(self, run_id: str, name: str, digest: str, size_bytes: int, media: str) -> None:
        """Record a stored output; the last of a name counts."""
        with self._database.write() as connection:
            _put(connection, run_outputs, run_id, name, digest=digest, size_bytes=size_bytes, media=media)

    def set_outputs(self, run_id: str, outputs: dict[str, Any]) -> None:
        """Record all small outputs of a run, and the digests among them as edges of the lineage."""
        with self._database.write() as connection:
            connection.execute(runs.update().where(runs.c.id == run_id).values(outputs=outputs))
            for name, digest in digests_within(outputs, "outputs"):
                _put(connection, run_outputs, run_id, name, digest=digest)

    def set_metric(self, run_id: str, name: str, value: float, low: float | None, high: float | None) -> None:
        """Record a final metric; the last of a name counts. NaN is stored as an absent value (SQLite has no NaN)."""
        with self._database.write() as connection:
            _put(connection, run_metrics, run_id, name, value=_no_nan(value), low=_no_nan(low), high=_no_nan(high))

    def end(
        self, run_id: str, *, status: str, seconds: float, cost: dict[str, Any], error: Any, log: str | None
    ) -> None:
        """Record how a run ended."""
        values = {"status": status, "seconds": seconds, "cost": cost, "error": error, "log": log}
        with self._database.write() as connection:
            connection.execute(runs.update().where(runs.c.id == run_id).values(ended_at=now_text(), **values))

    # ---- reading

    def get(self, reference: str) -> RunRecord:
        """The run of an id, or of the beginning of one where only one run begins so.

        Raises
        ------
        NotFound : there is none, or more than one; the message names the nearest.
        """
        query = sa.select(runs).where(runs.c.id.startswith(reference, autoescape=True)).order_by(runs.c.id.desc())
        with self._database.read() as connection:
            found = connection.execute(query.limit(4)).all()
            if len(found) == 1:
                return self._records(connection, found)[0]
            near = [row.id for row in found] or self._near(connection, reference)
        if found:
            raise NotFound(
                f"more than one run begins with {reference!r}",
                why=f"the newest are {', '.join(near[:3])}",
                way_out=f"write more of the id, such as {near[0]}",
            )
        raise NotFound(
            f"there is no run {reference!r}",
            why=f"the nearest is {near[0]}" if near else "no run has been recorded yet",
            way_out=f"write {near[0]}, or list all with `penstock runs`" if near else "start one with `penstock run`",
        )

    def find(self, operation: str, key: str) -> RunRecord | None:
        """The newest run that is done with this key, None where there is none."""
        query = (
            sa.select(runs)
            .where(runs.c.operation == operation, runs.c.key == key, runs.c.status == DONE)
            .order_by(runs.c.id.desc())
            .limit(1)
        )
        with self._database.read() as connection:
            return next(iter(self._records(connection, connection.execute(query).all())), None)

    def newest(
        self,
        *,
        operation: str | None = None,
        status: str | None = None,
        project: str | None = None,
        limit: int | None = None,
    ) -> list[RunRecord]:
        """Runs, newest first.

        Raises
        ------
        BadParameter : `status` is none of the four.
        """
        if status is not None and status not in STATUSES:
            raise BadParameter(
                f"no run has the status {status!r}", why=f"there are: {', '.join(STATUSES)}", way_out="use one of these"
            )
        query = sa.select(runs).order_by(runs.c.id.desc())
        if operation is not None:
            query = query.where(runs.c.operation == operation)
        if project is not None:
            query = query.where(runs.c.project == project)
        if status in (RUNNING, INTERRUPTED):  # which of the two a run is depends on its process
            query = query.where(runs.c.status.in_((RUNNING, INTERRUPTED)))
        else:
            query = query.where(runs.c.status == status) if status is not None else query
            query = query.limit(limit)
        with self._database.read() as connection:
            found: list[RunRecord] = []
            for page in connection.execute(query).partitions(PAGE):
                records = self._records(connection, page)
                found += [record for record in records if status is None or record.status == status]
                if limit is not None and len(found) >= limit:
                    return found[:limit]
            return found

    def by_ids(self, ids: Iterable[str]) -> dict[str, RunRecord]:
        """Those of the given runs that exist, by id."""
        with self._database.read() as connection:
            rows = connection.execute(sa.select(runs).where(runs.c.id.in_(list(ids)))).all()
            return {record.id: record for record in self._records(connection, rows)}

    def _near(self, connection: sa.Connection, reference: str) -> list[str]:
        """Ids that resemble a mistyped one."""
        import difflib

        ids = list(connection.scalars(sa.select(runs.c.id).order_by(runs.c.id.desc()).limit(1000)))
        shortened = [run_id[: len(reference)] for run_id in ids]
        near = difflib.get_close_matches(reference, shortened, 1, cutoff=0.0)
        return [ids[shortened.index(near[0])]] if near else []

    def _records(self, connection: sa.Connection, rows: Sequence[sa.Row[Any]]) -> list[RunRecord]:
        """Join what belongs to some runs, with one query per table."""
        if not rows:
            return []
        ids = [row.id for row in rows]
        artifacts: dict[str, dict[str, Any]] = {run_id: {} for run_id in ids}
        query = sa.select(run_outputs).where(run_outputs.c.run.in_(ids), run_outputs.c.size_bytes.is_not(None))
        for row in connection.execute(query.order_by(run_outputs.c.name)):
            artifacts[row.run][row.name] = {"digest": row.digest, "size_bytes": row.size_bytes, "media": row.media}
        metrics: dict[str, dict[str, Any]] = {run_id: {} for run_id in ids}
        for row in connection.execute(sa.select(run_metrics).where(run_metrics.c.run.in_(ids))):
            value = math.nan if row.value is None else row.value
            metrics[row.run][row.name] = {"value": value, "low": row.low, "high": row.high}
        used = sa.select(environments).where(environments.c.digest.in_({row.environment for row in rows}))
        bodies = {row.digest: row.body for row in connection.execute(used)}
        return [_record(row, bodies[row.environment], artifacts[row.id], metrics[row.id]) for row in rows]


def _record(
    row: sa.Row[Any], environment: dict[str, Any], artifacts: dict[str, Any], metrics: dict[str, Any]
) -> RunRecord:
    fields = dict(row._mapping)
    process = Process.from_json(fields.pop("process"))
    fields.update(environment=environment, artifacts=artifacts, metrics=metrics)
    record = RunRecord(**fields)
    if record.status == RUNNING and process.is_gone():
        return replace(record, status=INTERRUPTED)
    return record


def _put(connection: sa.Connection, table: sa.Table, run_id: str, name: str, **values: Any) -> None:
    """Insert or replace the row of (run, name)."""
    found = connection.execute(table.update().where(table.c.run == run_id, table.c.name == name).values(**values))
    if found.rowcount == 0:
        connection.execute(table.insert().values(run=run_id, name=name, **values))


def _no_nan(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else float(value)
