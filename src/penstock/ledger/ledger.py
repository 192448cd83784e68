"""The ledger: everything that happened, in one database and one object store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, final

import sqlalchemy as sa

from penstock import __version__
from penstock.errors import DeclarationError, NotFound
from penstock.ledger.audit import Audit
from penstock.ledger.database import Database
from penstock.ledger.datasets import Datasets
from penstock.ledger.envelopes import Envelopes
from penstock.ledger.lineage import Lineage, trace
from penstock.ledger.locks import Locks
from penstock.ledger.log import read_log
from penstock.ledger.migrations import migrate
from penstock.ledger.record import DONE, RunRecord, key_of
from penstock.ledger.registry import Registry
from penstock.ledger.run import LOG_NAME, Run
from penstock.ledger.runs import Runs
from penstock.ledger.secrets import secret
from penstock.ledger.stat_cache import cached_digest
from penstock.ledger.trials import Trials
from penstock.ledger.why import differences
from penstock.objects.store import ObjectStore


@final
class Ledger:
    """What happened in a project: runs, data sets, models, openings of envelopes, and who did what.

    One instance may be shared between threads; any number of processes may have the same ledger open. Writes are short
    transactions, one at a time; what a method has written is durable when it returns.

    Attributes
    ----------
    objects : the store of the artifacts.
    trials, registry, seal, datasets, audit, locks : the parts of the ledger.
    """

    def __init__(self, database: Database, objects: ObjectStore, *, state: Path) -> None:
        self.objects = objects
        self.state = state
        self.trials = Trials(database)
        self.registry = Registry(database)
        self.seal = Envelopes(database)
        self.datasets = Datasets(database)
        self.audit = Audit(database)
        self.locks = Locks(database)
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
            if not database.is_sqlite:
                raise DeclarationError(
                    "a ledger on a server needs a local folder for the logs of runs",
                    why="Ledger.open was called without `state`",
                    way_out="give state=Path('.penstock')",
                )
            state = Path(sa.make_url(text).database or "").parent
        migrate(database)
        return cls(database, objects, state=state)

    # ---- runs

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
    ) -> Run:
        """A new run, to be entered: ``with ledger.run("search", inputs=..., params=...) as run``.

        Parameters
        ----------
        inputs, params : name -> JSON value. Digests in `inputs` are the edges of the lineage.
        key : under which the result will be found; by default what `key_of` makes of the rest.
        code : version of the code that runs.
        """
        inputs, params = inputs or {}, params or {}
        return Run(
            self._runs,
            self.objects,
            logs=self.state / "runs",
            folder=self.state.parent,
            operation=operation,
            key=key if key is not None else key_of(operation, inputs, params, code),
            code=code,
            project=project,
            seed=seed,
            params=params,
            inputs=inputs,
        )

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
        return self._runs.find(operation, key)

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
        return self._runs.get(reference)

    def runs(
        self,
        operation: str | None = None,
        status: str | None = None,
        limit: int | None = None,
        *,
        project: str | None = None,
    ) -> list[RunRecord]:
        """Runs, newest first. A run whose process died is ``interrupted``."""
        return self._runs.newest(operation=operation, status=status, limit=limit, project=project)

    def why(
        self,
        operation: str,
        inputs: dict[str, Any] | None = None,
        params: dict[str, Any] | None = None,
        code: str = __version__,
    ) -> str:
        """One line on why this result is known, or why it is not: what differs from the newest run that is done."""
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
        path = self.state / "runs" / record.id / LOG_NAME
        if path.exists():
            return read_log(path.read_bytes())
        return read_log(self.objects.get(record.log) if record.log else b"")

    def lineage(self, ref: str) -> Lineage:
        """Everything upstream and downstream of a run or a digest. NotFound where nothing is known of it."""
        return trace(self._database, self._runs, ref)

    # ---- small services

    def secret(self, name: str, size_bytes: int = 64) -> bytes:
        """A key that is made once, from the system's randomness, and is the same for all from then on."""
        return secret(self._database, name, size_bytes)

    def cached_digest(self, path: Path) -> str:
        """The digest of a file, read again only when its size, time or inode has changed."""
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
