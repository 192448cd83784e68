"""The ledger: everything that happened, in one database and one object store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, final

from penstock import __version__
from penstock.errors import DeclarationError, NotFound
from penstock.ledger.clock import seconds_between
from penstock.ledger.database import Database
from penstock.ledger.log import read_log
from penstock.ledger.migrations import migrate
from penstock.ledger.run import LOG_NAME, Run, store_artifact
from penstock.ledger.runs import Runs
from penstock.ledger.status import DONE, QUEUED, key_of
from penstock.objects.store import ObjectStore

if TYPE_CHECKING:  # the parts are loaded when they are first used: starting a run needs none of them
    from penstock.ledger.access import Access
    from penstock.ledger.audit import Audit
    from penstock.ledger.datasets import Datasets
    from penstock.ledger.decisions import Decisions
    from penstock.ledger.envelopes import Envelopes
    from penstock.ledger.experiments import Experiments
    from penstock.ledger.items import Items
    from penstock.ledger.lineage import Lineage
    from penstock.ledger.locks import Locks
    from penstock.ledger.reading import Reading, Where
    from penstock.ledger.record import RunRecord, RunSummary
    from penstock.ledger.registry import Registry
    from penstock.ledger.sql import Row
    from penstock.ledger.trash import Trash
    from penstock.ledger.trials import Trials


@final
class Ledger:
    """What happened in a project: runs, data sets, models, openings of envelopes, and who did what.

    One instance may be shared between threads; any number of processes may have the same ledger open. Writes are short
    transactions, one at a time; what a method has written is durable when it returns.

    Attributes
    ----------
    objects : the store of the artifacts. state : the folder for what runs write while they happen.
    is_sqlite : whether it is a file of this machine.
    trials, registry, seal, datasets, items, access, audit, locks, decisions, experiments : the parts of the ledger.
    """

    def __init__(self, database: Database, objects: ObjectStore, *, state: Path) -> None:
        self.objects = objects
        self.state = state
        self.is_sqlite = database.is_sqlite
        self._runs = Runs(database)
        self._database = database

    @classmethod
    def open(cls, url: str | Path, objects: ObjectStore, *, state: Path | None = None) -> Ledger:
        """Open a ledger, make it where there is none, and bring it to the newest schema.

        Parameters
        ----------
        url : a file, ``sqlite:////absolute/path/ledger.db``, or ``postgresql://user@host/database``.
        state : folder for the logs of runs, on this machine; next to the file where the ledger is one.

        Raises
        ------
        NewerFormat : a later release of Penstock has changed it.
        DamagedStore : the file is no ledger any more. StoreError : the place cannot be reached.
        DeclarationError : `url` is no place for a ledger, or `state` is missing.
        """
        text = str(url)
        if "://" not in text:
            text = f"sqlite:///{Path(text).absolute()}"
        database = Database(text)
        if state is None:
            if database.file is None:
                raise DeclarationError(
                    "a ledger on a server needs a local folder for the logs of runs",
                    why="Ledger.open was called without `state`",
                    way_out="give state=Path('.penstock')",
                )
            state = database.file.parent
        migrate(database)
        return cls(database, objects, state=state)

    # ---- runs as blocks

    def run(
        self,
        operation: str,
        *,
        inputs: dict[str, Any] | None = None,
        params: dict[str, Any] | None = None,
        key: str | None = None,
        code: str = __version__,
        seed: int | None = None,
        project: str | None = None,
        parent: str | None = None,
        environment: dict[str, Any] | None = None,
        source: dict[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
        takes: str | None = None,
    ) -> Run:
        """A new run, to be entered: ``with ledger.run("search", inputs=..., params=...) as run``.

        Parameters
        ----------
        inputs, params : name -> JSON value. Digests in `inputs` are the edges of the lineage.
        key : under which the result will be found; by default what `key_of` makes of the rest.
        code : version of the code that runs.
        parent : id of the run that this one belongs to.
        environment, source : instead of those of this process and of the project's folder.
        takes : id of a queued run that begins now. It keeps its id, operation, project and parent, and the inputs and
            params that are not given. ProjectError where another process was faster.
        """
        begin = {"code": code, "seed": seed, "params": params, "inputs": inputs, "tags": tags}
        made = key
        if takes is None:
            begin.update(project=project, parent=parent, params=params or {}, inputs=inputs or {})
        if made is None:
            made = key_of(operation, inputs or {}, params or {}, code)
        return Run(
            self._runs,
            self.objects,
            logs=self.state / "runs",
            folder=self.state.parent,
            operation=operation,
            key=made,
            takes=takes,
            environment=environment,
            source=source,
            begin=begin,
        )

    # ---- runs that one process begins and another may end

    def begin(
        self,
        operation: str,
        *,
        inputs: dict[str, Any] | None = None,
        params: dict[str, Any] | None = None,
        key: str | None = None,
        code: str = __version__,
        seed: int | None = None,
        project: str | None = None,
        parent: str | None = None,
        environment: dict[str, Any] | None = None,
        source: dict[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
        owned: bool = True,
    ) -> str:
        """Begin a run without a block, and return its id; `end` ends it, also from another process.

        Parameters
        ----------
        owned : whether it is interrupted when this process ends before `end` was called.
        environment, source : nothing, unless given.
        """
        inputs, params = inputs or {}, params or {}
        return self._runs.begin(
            operation=operation,
            key=key if key is not None else key_of(operation, inputs, params, code),
            code=code,
            project=project,
            seed=seed,
            params=params,
            inputs=inputs,
            environment=environment or {},
            source=source or {},
            parent=parent,
            tags=tags,
            owned=owned,
        )

    def end(
        self,
        run_id: str,
        *,
        status: str = DONE,
        error: dict[str, Any] | None = None,
        cost: dict[str, Any] | None = None,
        ended_at: str | None = None,
        outputs: Mapping[str, Any] | None = None,
    ) -> None:
        """End a run that `begin` began: how, at what cost, and when (an instant as it is stored; now by default).

        Its log on this machine goes into the object store.

        Raises
        ------
        NotFound : there is no such run. BadParameter : a run does not end so.
        """
        record = self.get(run_id)
        log = self.folder_of(record.id) / LOG_NAME
        self._runs.end(
            record.id,
            status=status,
            seconds=seconds_between(record.started_at, ended_at),
            cost=cost,
            error=error,
            log=self.objects.put_file(log) if log.is_file() else None,
            ended_at=ended_at,
            outputs=outputs,
        )

    def resume(self, run_id: str, *, owned: bool = True) -> None:
        """Let a run that has ended go on, in this process."""
        self._runs.resume(run_id, owned=owned)

    def set_params(self, run_id: str, params: Mapping[str, Any]) -> None:
        """Record more parameters of a run, or other values of those it has."""
        self._runs.change(run_id, params=params)

    def set_inputs(self, run_id: str, inputs: Mapping[str, Any]) -> None:
        """Record more inputs of a run. Digests in them are edges of the lineage."""
        self._runs.change(run_id, inputs=inputs)

    def set_outputs(self, run_id: str, outputs: Mapping[str, Any]) -> None:
        """Record more outputs of a run. Digests in them are edges of the lineage."""
        self._runs.change(run_id, outputs=outputs)

    def set_metrics(self, run_id: str, metrics: Mapping[str, Any]) -> None:
        """Record final metrics of a run: name -> number, or {"value", "low", "high"}. The last of a name counts."""
        self._runs.change(run_id, metrics=metrics)

    def set_artifacts(self, run_id: str, artifacts: Mapping[str, Mapping[str, Any]]) -> None:
        """Record artifacts of a run that are stored already: name -> {"digest", "size_bytes", "media"}."""
        self._runs.change(run_id, artifacts=artifacts)

    def change(self, run_id: str, **fields: Any) -> None:
        """Other names and instants of a run: `operation`, `project`, `parent`, `started_at`, `ended_at`, `who`, `seed`."""
        strange = set(fields) - {"operation", "project", "parent", "started_at", "ended_at", "who", "seed"}
        if strange:
            raise TypeError(f"cannot be changed: {', '.join(sorted(strange))}")
        self._runs.change(run_id, values=fields)

    def keep(self, run_id: str, name: str, body: bytes | Path, *, media: str = "application/octet-stream") -> str:
        """Store an artifact of a run, as bytes or from a file, and return its digest."""
        kept = store_artifact(self.objects, body, media)
        self._runs.change(run_id, artifacts={name: kept})
        return str(kept["digest"])

    # ---- the queue

    def enqueue(
        self,
        operation: str,
        *,
        params: dict[str, Any],
        inputs: dict[str, Any],
        spec: dict[str, Any],
        project: str | None = None,
        parent: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """Record a run that is to begin later, and return its id. What is needed to begin it is ``outputs["queued"]``.

        `run` with `takes` begins it, `delete` takes it out of the queue.
        """
        return self._runs.begin(
            operation=operation,
            key=key_of(operation, inputs, params, __version__),
            code=__version__,
            project=project,
            seed=None,
            params=params,
            inputs=inputs,
            outputs={"queued": spec},
            environment={},
            source={},
            parent=parent,
            tags=tags,
            status=QUEUED,
        )

    def requeue(self, run_id: str) -> None:
        """Put a run from the queue that failed or was interrupted into the queue again, under its id.

        Raises
        ------
        ProjectError : it is running or done, or was never queued. NotFound : there is no such run.
        """
        self._runs.requeue(run_id)

    # ---- tags, notes, the trash

    def tag(self, run_id: str, tags: Mapping[str, str | None]) -> None:
        """Set tags of a run: name -> text ("" for a bare one), or None to remove it."""
        self._runs.tag(run_id, tags)

    def note(self, run_id: str, text: str, *, who: str | None = None) -> int:
        """Add a note to a run; gives its number. `who` is the user of the operating system unless given."""
        return self._runs.note(run_id, text, who)

    def delete(self, ids: Iterable[str]) -> list[str]:
        """Throw runs away, with those that belong to them; gives their ids. `restore` brings them back."""
        return self._trash.delete(ids)

    def restore(self, ids: Iterable[str]) -> list[str]:
        """Bring runs back, with those that were thrown away with them; gives their ids."""
        return self._trash.restore(ids)

    def forget(self, ids: Iterable[str]) -> list[str]:
        """Remove runs for good, with those that belong to them and their folders; gives their ids. The audit trail tells of it.

        Objects are not touched: others may use them.

        Raises
        ------
        ProjectError : a run is still running, or is the proof of a model, a data set or an opened envelope.
        """
        import shutil

        gone = self._trash.forget(ids)
        if gone:
            self.audit.append("forget", f"{len(gone)} runs" if len(gone) > 1 else gone[0], {"runs": gone})
        for run_id in gone:
            if (folder := self.folder_of(run_id)).is_dir():
                shutil.rmtree(folder)
        return gone

    def take_over(self, records: Iterable[Mapping[str, Any]], *, origin: str) -> list[str]:
        """Record runs of another ledger under their own ids, all or none; gives those that were not known. `origin` is told.

        Raises
        ------
        ArchiveError : one of them is no record of a run.
        """
        from penstock.ledger.arriving import take_over

        taken = take_over(self._database, records)
        if taken:
            self.audit.append(
                "import", f"{len(taken)} runs" if len(taken) > 1 else taken[0], {"runs": taken, "from": origin}
            )
        return taken

    # ---- what is known

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

    # ---- the other parts

    @cached_property
    def trials(self) -> Trials:
        from penstock.ledger.trials import Trials

        return Trials(self._database)

    @cached_property
    def registry(self) -> Registry:
        from penstock.ledger.registry import Registry

        return Registry(self._database)

    @cached_property
    def seal(self) -> Envelopes:
        from penstock.ledger.envelopes import Envelopes

        return Envelopes(self._database)

    @cached_property
    def datasets(self) -> Datasets:
        from penstock.ledger.datasets import Datasets

        return Datasets(self._database)

    @cached_property
    def items(self) -> Items:
        from penstock.ledger.items import Items

        return Items(self._database)

    @cached_property
    def access(self) -> Access:
        from penstock.ledger.access import Access

        return Access(self._database, self.audit)

    @cached_property
    def audit(self) -> Audit:
        from penstock.ledger.audit import Audit

        return Audit(self._database)

    @cached_property
    def locks(self) -> Locks:
        from penstock.ledger.locks import Locks

        return Locks(self._database)

    @cached_property
    def decisions(self) -> Decisions:
        from penstock.ledger.decisions import Decisions

        return Decisions(self._database)

    @cached_property
    def experiments(self) -> Experiments:
        from penstock.ledger.experiments import Experiments

        return Experiments(self._database)

    @cached_property
    def _reading(self) -> Reading:
        from penstock.ledger.reading import Reading

        return Reading(self._database)

    @cached_property
    def _trash(self) -> Trash:
        from penstock.ledger.trash import Trash

        return Trash(self._database)

    # ---- small services

    def secret(self, name: str, size_bytes: int = 64) -> bytes:
        """A key that is made once, from the system's randomness, and is the same for all from then on."""
        from penstock.ledger.secrets import secret

        return secret(self._database, name, size_bytes)

    def cached_digest(self, path: Path) -> str:
        """The digest of a file, read again only when its size, time or inode has changed."""
        from penstock.ledger.stat_cache import cached_digest

        return cached_digest(self._database, path)

    def lock(self, name: str, *, wait_s: float = 0.0) -> AbstractContextManager[None]:
        """One process at a time inside the block; ProjectError names the holder. Locks of dead processes are free."""
        return self.locks.hold(name, wait_s=wait_s)

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
