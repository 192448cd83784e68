"""What the ledger knows: the half of it that only reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock import __version__
from penstock.errors import NotFound
from penstock.ledger.database import Database
from penstock.ledger.log import read_log
from penstock.ledger.part import Part
from penstock.ledger.run import LOG_NAME
from penstock.ledger.status import DONE, key_of
from penstock.objects.store import ObjectStore

if TYPE_CHECKING:  # loaded when they are first used
    from penstock.ledger.lineage import Lineage
    from penstock.ledger.reading import Reading, Where
    from penstock.ledger.record import RunRecord, RunSummary
    from penstock.ledger.sql import Row


class Known:
    """Runs and what they kept, found and read. `penstock.ledger.ledger.Ledger` is the whole."""

    objects: ObjectStore
    state: Path
    _database: Database
    _reading: Part[Reading] = Part("Reading")

    @staticmethod
    def key_of(
        operation: str,
        inputs: dict[str, Any] | None = None,
        params: dict[str, Any] | None = None,
        code: str = __version__,
    ) -> str:
        """The key of a result: equal for equal operation, inputs, parameters and code."""
        return key_of(operation, inputs or {}, params or {}, code)

    def find(self, operation: str, key: str) -> RunRecord | None:
        """The newest run that is done with this key, None where there is none. Whether its artifacts are there: `intact`."""
        return self._reading.find(operation, key)

    def intact(self, record: RunRecord) -> bool:
        """Whether all artifacts of a run are still stored."""
        return not self.lost(record)

    def lost(self, record: RunRecord) -> list[str]:
        """Names of the artifacts of a run that are stored no more."""
        return [name for name, kept in record.artifacts.items() if not self.objects.has(kept["digest"])]

    def artifact(self, record: RunRecord, name: str) -> bytes:
        """The bytes of an artifact of a run.

        Raises
        ------
        NotFound : the run kept nothing of this name, or the store has it no more.
        """
        if name not in record.artifacts:
            raise NotFound(
                f"run {record.id} has no artifact {name!r}",
                why=f"it kept: {', '.join(record.artifacts) or 'nothing'}",
                way_out="use one of these, or look at the run with `penstock show`",
            )
        return self.objects.get(record.artifacts[name]["digest"])

    def get(self, reference: str) -> RunRecord:
        """The run of an id, or of a unique beginning of one. NotFound names the nearest."""
        return self._reading.get(reference)

    def runs(
        self,
        operation: str | None = None,
        status: str | None = None,
        limit: int | None = None,
        *,
        project: str | None = None,
        parent: str | None = None,
        deleted: bool | None = False,
        order: str = "r.id DESC",
        where: Where | None = None,
    ) -> list[RunRecord]:
        """Runs, newest first. A run whose process died is ``interrupted``.

        Parameters
        ----------
        parent : only those that belong to this run. deleted : True for those that were thrown away, None for both.
        where : a condition in SQL on the run ``r``, and its parameters; ``r.status`` is as shown. order : SQL.
        """
        from penstock.ledger.reading import chosen

        condition = chosen(operation, status, project, parent, deleted, where)
        return self._reading.records(condition, order=order, limit=limit)

    def summaries(
        self,
        operation: str | None = None,
        status: str | None = None,
        limit: int | None = None,
        *,
        project: str | None = None,
        parent: str | None = None,
        deleted: bool | None = False,
        order: str = "r.id DESC",
        where: Where | None = None,
        columns: Iterable[str] = ("params", "metrics", "tags"),
    ) -> list[RunSummary]:
        """As `runs`, with what a listing shows only, for many runs at once.

        Parameters
        ----------
        columns : what is filled beside ids, instants and names: params, metrics, tags, notes, inputs, outputs, source,
            cost, error.
        """
        from penstock.ledger.reading import chosen

        condition = chosen(operation, status, project, parent, deleted, where)
        return self._reading.summaries(condition, order=order, limit=limit, columns=columns)

    def ask(self, sql: str, params: Mapping[str, Any] | None = None) -> list[Row]:
        """The rows of a query, written as `penstock.ledger.sql` says; their columns are attributes. Nothing can be written."""
        with self._database.read() as connection:
            return connection.all(sql, **(params or {}))

    def dead(self) -> list[str]:
        """Ids of the runs that are recorded as running though their process is gone. They are shown as ``interrupted``."""
        return self._reading.dead()

    def children(self, run_id: str, *, deleted: bool | None = False) -> list[RunRecord]:
        """The runs that belong to a run, oldest first."""
        return self.runs(parent=run_id, deleted=deleted, order="r.id")

    def why(
        self,
        operation: str,
        inputs: dict[str, Any] | None = None,
        params: dict[str, Any] | None = None,
        code: str = __version__,
    ) -> str:
        """One line on why this result is known, or why it is not: what differs from the newest run that is done."""
        from penstock.ledger.why import differences

        inputs, params = inputs or {}, params or {}
        known = self.find(operation, self.key_of(operation, inputs, params, code))
        if known is not None:
            lost = self.lost(known)
            return f"run {known.id} made it, but {', '.join(lost)} is lost" if lost else f"known from run {known.id}"
        newest = self.runs(operation, DONE, limit=1)
        if newest:
            return "; ".join(differences(newest[0], inputs, params, code)) or "it was recorded under another key"
        attempt = self.runs(operation, limit=1)
        if attempt:
            return f"never finished: the last attempt, run {attempt[0].id}, is {attempt[0].status}"
        return "for the first time"

    def log_of(self, record: RunRecord) -> Iterator[dict[str, Any]]:
        """What a run has logged, line by line; of a run that is still running, what it has logged so far."""
        try:
            file = open(self.folder_of(record.id) / LOG_NAME, "rb")  # noqa: SIM115 - tried apart from its use
        except FileNotFoundError:
            ended = record.log or self.get(record.id).log  # it may have ended since the record was read
            yield from read_log(self.objects.get(ended)) if ended else ()
            return
        with file:
            yield from read_log(file)

    def folder_of(self, run_id: str) -> Path:
        """The folder of a run on this machine, for what is written while it happens; it need not exist."""
        return self.state / "runs" / run_id

    def lineage(self, ref: str) -> Lineage:
        """Everything upstream and downstream of a run or a digest. NotFound where nothing is known of it."""
        from penstock.ledger.lineage import trace

        return trace(self._database, self._reading, ref)
