"""An open run: what happens inside ``with ledger.run(...) as run``."""

from __future__ import annotations

import traceback
from pathlib import Path
from types import TracebackType
from typing import Any, Self, final

from penstock.errors import PenstockError, StoreError
from penstock.ledger.cost import Meter
from penstock.ledger.environment import environment, source
from penstock.ledger.log import LogFile
from penstock.ledger.record import DONE, FAILED, INTERRUPTED
from penstock.ledger.runs import Runs
from penstock.objects.store import ObjectStore

LOG_NAME = "metrics.jsonl"


@final
class Run:
    """One operation while it happens. Made by `Ledger.run`; recorded from the moment its block is entered.

    What `keep`, `output` and `metric` were given is in the ledger when they return; what `log` was given is in the run's
    file. Leaving the block records status, duration and cost; an error is recorded and goes on its way.

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
        code: str,
        project: str | None,
        seed: int | None,
        params: dict[str, Any],
        inputs: dict[str, Any],
    ) -> None:
        self.id = ""
        self.operation = operation
        self.key = key
        self._runs = runs
        self._objects = objects
        self._logs = logs
        self._folder = folder
        self._begin = {"code": code, "project": project, "seed": seed, "params": params, "inputs": inputs}
        self._outputs: dict[str, Any] = {}
        self._cost: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self.id = self._runs.begin(
            operation=self.operation,
            key=self.key,
            environment=environment(),
            source=source(self._folder),
            **self._begin,  # type: ignore[arg-type]
        )
        self._meter = Meter()
        self._log = LogFile(self._logs / self.id / LOG_NAME)
        return self

    def log(self, **values: Any) -> None:
        """Append one line to the run's log, such as ``run.log(step=3, roc_auc=0.8)``. Cheap: some microseconds.

        Values are numbers (NaN and infinity too), texts, booleans or None.
        """
        self._log.append(values)

    def metric(self, name: str, value: float, *, low: float | None = None, high: float | None = None) -> None:
        """Record a final metric, with its interval where there is one."""
        self._runs.set_metric(self.id, name, value, low, high)

    def keep(self, name: str, body: bytes | Path, *, media: str = "application/octet-stream") -> str:
        """Store an artifact, as bytes or from a file, and return its digest. `media` is its media type."""
        if isinstance(body, Path):
            digest, size_bytes = self._objects.put_file(body), body.stat().st_size
        else:
            digest, size_bytes = self._objects.put(body), len(body)
        self._runs.set_artifact(self.id, name, digest, size_bytes, media)
        return digest

    def output(self, name: str, value: Any) -> None:
        """Record a small JSON value. A digest in it counts as made by this run."""
        self._outputs[name] = value
        self._runs.set_outputs(self.id, self._outputs)

    def note_cost(self, **values: float) -> None:
        """Add to the costs that are measured anyway, such as ``run.note_cost(money_eur=0.4)``."""
        self._cost.update(values)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        cost = {**self._meter.read(), **self._cost}
        status, told = _told(error)
        try:
            log = self._log.close()
            digest = None if log is None else self._objects.put_file(log)
            self._runs.end(self.id, status=status, seconds=cost["wall_s"], cost=cost, error=told, log=digest)
        except StoreError as unrecorded:
            if error is None:
                raise
            error.add_note(f"the ledger could not record the end of run {self.id}: {unrecorded.what}")


def _told(error: BaseException | None) -> tuple[str, dict[str, Any] | None]:
    """Status and recorded error of a run that ended with `error`."""
    if error is None:
        return DONE, None
    if isinstance(error, PenstockError):
        return FAILED, dict(error.to_json())
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
