"""The ledger: everything that happened, in one database and one object store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, final

from penstock import __version__
from penstock.errors import DeclarationError
from penstock.ledger.clock import seconds_between
from penstock.ledger.database import Database
from penstock.ledger.known import Known
from penstock.ledger.migrations import migrate
from penstock.ledger.part import Part
from penstock.ledger.run import LOG_NAME, Run, store_artifact
from penstock.ledger.runs import Runs
from penstock.ledger.status import DONE, QUEUED, key_of
from penstock.objects.store import ObjectStore

if TYPE_CHECKING:  # the parts are loaded when they are first used: starting a run needs none of them
    from penstock.ledger.access import Access
    from penstock.ledger.audit import Audit
    from penstock.ledger.datasets import Datasets
    from penstock.ledger.decisions import Decisions
    from penstock.ledger.digests import Digests
    from penstock.ledger.envelopes import Envelopes
    from penstock.ledger.experiments import Experiments
    from penstock.ledger.items import Items
    from penstock.ledger.locks import Locks
    from penstock.ledger.registry import Registry
    from penstock.ledger.trash import Trash
    from penstock.ledger.trials import Trials


@final
class Ledger(Known):
    """What happened in a project: runs, data sets, models, openings of envelopes, and who did what.

    One instance may be shared between threads; any number of processes may have the same ledger open. Writes are short
    transactions, one at a time; what a method has written is durable when it returns.

    Attributes
    ----------
    objects : the store of the artifacts. state : the folder for what runs write while they happen.
    is_sqlite : whether it is a file of this machine.
    trials, registry, seal, datasets, items, access, audit, locks, decisions, digests, experiments : the parts of the ledger.
    """

    trials: Part[Trials] = Part("Trials")
    registry: Part[Registry] = Part("Registry")
    seal: Part[Envelopes] = Part("Envelopes", module="envelopes")
    datasets: Part[Datasets] = Part("Datasets")
    items: Part[Items] = Part("Items")
    access: Part[Access] = Part("Access", needs=("audit",))
    audit: Part[Audit] = Part("Audit")
    locks: Part[Locks] = Part("Locks")
    decisions: Part[Decisions] = Part("Decisions")
    digests: Part[Digests] = Part("Digests")
    experiments: Part[Experiments] = Part("Experiments")
    _trash: Part[Trash] = Part("Trash")

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

    def strip(
        self,
        run_id: str,
        *,
        artifacts: Iterable[str] = (),
        outputs: dict[str, Any],
        error: dict[str, Any] | None = None,
        key: str = "",
    ) -> None:
        """Let go of artifacts of a run, by their names, and of what it said but for `outputs` and `error`; its record and all digests stay.

        What it did counts as not known from then on, but under the `key` that is given. Objects are not touched: others may use them.
        """
        from penstock.ledger.trash import strip

        strip(self._database, run_id, artifacts=artifacts, outputs=outputs, error=error, key=key)

    def scrub(self) -> None:
        """Leave nothing that was deleted or written over to be read in the ledger's file. Long work for a large one; StoreFull as in writing."""
        self._database.scrub()

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

    # ---- several changes as one

    def together(self) -> AbstractContextManager[None]:
        """A block in which all that this thread records is one transaction: all of it is there when the block has ended, or
        nothing, whenever the process is killed. Other writers wait meanwhile: nothing slow belongs inside.

        >>> import tempfile; from penstock.objects.local import LocalStore
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with Ledger.open(f"{folder}/ledger.db", LocalStore(Path(folder))) as ledger:
        ...         with ledger.together():
        ...             event = ledger.audit.append("greet", "world")
        ...             event = ledger.audit.append("greet", "moon")
        ...         len(ledger.audit.events())
        2
        """
        return self._database.together()

    # ---- small services

    def secret(self, name: str, size_bytes: int = 64) -> bytes:
        """A key that is made once, from the system's randomness, and is the same for all from then on."""
        from penstock.ledger.secrets import secret

        return secret(self._database, name, size_bytes)

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
