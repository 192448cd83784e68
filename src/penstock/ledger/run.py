"""An open run: what happens inside ``with ledger.run(...) as run``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, final

from penstock.errors import PenstockError, StoreError
from penstock.ledger.cost import Meter
from penstock.ledger.environment import environment, source
from penstock.ledger.log import LogFile
from penstock.ledger.runs import Runs
from penstock.ledger.status import DONE, FAILED, INTERRUPTED, STOPPED
from penstock.objects.store import ObjectStore

LOG_NAME = "metrics.jsonl"


@final
class Run:
    """One operation while it happens. Made by `Ledger.run`; recorded from the moment its block is entered.

    What `keep`, `output`, `metric` and their like were given is in the ledger when they return; what `log` was given is in
    the run's file. Leaving the block records status, duration and cost; an error is recorded and goes on its way.

    Attributes
    ----------
    id : the run's id, from the moment the block is entered.
    operation, key : as given; the key under which the result will be found.
    """

    def __init__(
        self,
        runs: Runs,
        objects: ObjectStore,
        *,
        logs: Path,
        folder: Path,
        operation: str,
        key: str,
        takes: str | None,
        environment: dict[str, Any] | None,
        source: dict[str, Any] | None,
        begin: dict[str, Any],
    ) -> None:
        self.id = ""
        self.operation = operation
        self.key = key
        self._runs = runs
        self._objects = objects
        self._logs = logs
        self._folder = folder
        self._takes = takes
        self._environment = environment
        self._source = source
        self._begin = begin
        self._cost: dict[str, Any] = {}
        self._stopped: str | None = None

    def __enter__(self) -> Self:
        begin = {
            **self._begin,
            "key": self.key,
            "environment": environment() if self._environment is None else self._environment,
            "source": source(self._folder) if self._source is None else self._source,
        }
        if self._takes is None:
            self.id = self._runs.begin(operation=self.operation, **begin)
        else:
            self._runs.take(self._takes, **begin)
            self.id = self._takes
        self._meter = Meter()
        self._log = LogFile(self.log_path)
        return self

    @property
    def folder(self) -> Path:
        """A folder of this run on this machine, for what is written while it happens. Whoever writes first makes it."""
        return self._logs / self.id

    @property
    def log_path(self) -> Path:
        """The file of the log. Other processes may append to it (`penstock.ledger.log.LogFile`)."""
        return self.folder / LOG_NAME

    def log(self, **values: Any) -> None:
        """Append one line to the run's log, such as ``run.log(step=3, roc_auc=0.8)``. Cheap: some microseconds.

        Values are numbers (NaN and infinity too), texts, booleans or None.
        """
        self._log.append(values)

    def metric(self, name: str, value: float, *, low: float | None = None, high: float | None = None) -> None:
        """Record a final metric, with its interval where there is one."""
        self.record(metrics={name: {"value": value, "low": low, "high": high}})

    def keep(self, name: str, body: bytes | Path, *, media: str = "application/octet-stream") -> str:
        """Store an artifact, as bytes or from a file, and return its digest. `media` is its media type."""
        kept = store_artifact(self._objects, body, media)
        self.record(artifacts={name: kept})
        return str(kept["digest"])

    def input(self, name: str, value: Any) -> None:
        """Record another input. A digest in it counts as taken by this run."""
        self.record(inputs={name: value})

    def output(self, name: str, value: Any) -> None:
        """Record a small JSON value. A digest in it counts as made by this run."""
        self.record(outputs={name: value})

    def params(self, params: Mapping[str, Any]) -> None:
        """Record more parameters, or other values of those given."""
        self.record(params=params)

    def environment(self, environment: dict[str, Any]) -> None:
        """Record where it really happened, when that is known only later."""
        self.record(environment=environment)

    def record(
        self,
        *,
        params: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        outputs: Mapping[str, Any] | None = None,
        metrics: Mapping[str, Any] | None = None,
        artifacts: Mapping[str, Mapping[str, Any]] | None = None,
        environment: dict[str, Any] | None = None,
        source: dict[str, Any] | None = None,
    ) -> None:
        """Record many things at once: one transaction instead of one each.

        Parameters
        ----------
        params, inputs, outputs : added to what is there. environment, source : replace what is there.
        metrics : name -> number or {"value", "low", "high"}.
        artifacts : name -> {"digest", "size_bytes", "media"} of what is stored already.
        """
        self._runs.change(
            self.id,
            params=params,
            inputs=inputs,
            outputs=outputs,
            metrics=metrics,
            artifacts=artifacts,
            environment=environment,
            source=source,
        )

    def note_cost(self, **values: Any) -> None:
        """Add to the costs that are measured anyway, or correct them, such as ``run.note_cost(money=0.4)``; None takes one out."""
        self._cost.update(values)

    def stop(self, reason: str) -> None:
        """Let the run end as ``stopped``, for this reason, when its block ends without an error."""
        self._stopped = reason

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        cost = {name: value for name, value in {**self._meter.read(), **self._cost}.items() if value is not None}
        status, told = _told(error)
        outputs = None
        if self._stopped is not None and error is None:
            status, outputs = STOPPED, {"stopped": self._stopped}
        try:
            log = self._log.close()
            digest = None if log is None else self._objects.put_file(log)
            self._runs.end(
                self.id, status=status, seconds=cost["wall_s"], cost=cost, error=told, log=digest, outputs=outputs
            )
        except StoreError as unrecorded:
            if error is None:
                raise
            error.add_note(f"the ledger could not record the end of run {self.id}: {unrecorded.what}")


def store_artifact(objects: ObjectStore, body: bytes | Path, media: str) -> dict[str, Any]:
    """Store bytes or a file; gives {"digest", "size_bytes", "media"}."""
    if isinstance(body, Path):
        return {"digest": objects.put_file(body), "size_bytes": body.stat().st_size, "media": media}
    return {"digest": objects.put(body), "size_bytes": len(body), "media": media}


def _told(error: BaseException | None) -> tuple[str, dict[str, Any] | None]:
    """Status and recorded error of a run that ended with `error`."""
    if error is None:
        return DONE, None
    if isinstance(error, PenstockError):
        return FAILED, dict(error.to_json())
    import traceback

    told: dict[str, Any] = {
        "code": "bug",
        "what": f"{type(error).__name__}: {error}",
        "why": "Penstock did not foresee this",
        "try": "report it with the traceback that `penstock show` prints",
        "traceback": "".join(traceback.format_exception(error)),
    }
    if isinstance(error, Exception):
        return FAILED, told
    told.update(code="interrupted", why="the run was stopped from outside", **{"try": "run the same command again"})
    return INTERRUPTED, told
