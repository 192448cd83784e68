"""Running one stage: what is already known is not computed twice, and it is said why something was.

A stage is a function of a context, its inputs (digests) and its parameters (JSON values), and of nothing else. That is what
makes it cacheable by content and what lets `reproduce` do it again from its record alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.ledger.ledger import Ledger
    from penstock.ledger.record import RunRecord
    from penstock.ledger.run import Run
    from penstock.objects.store import ObjectStore
    from penstock.project.project import Project

CODE = {
    "contract": "1",
    "ingest": "2",
    "append": "2",
    "recipe": "1",
    "features": "4",
    "search": "6",
    "evaluate": "1",
    "nested": "3",
    "judge": "1",
    "fallback": "3",
    "package": "2",
    "quantised": "1",
    "register": "1",
}
"""Version of each stage's code: raised when the same inputs would give another result, so that old results are not reused."""

Listener = Callable[[str, str, str], None]
"""Told ``(stage, "start" | "ran" | "known", why)``."""


@dataclass(frozen=True)
class Context:
    """What a stage may touch. `replay` is the record that is being reproduced; `progress` is told of finished trials."""

    project: Project
    replay: RunRecord | None = None
    progress: Callable[..., None] | None = None

    @property
    def ledger(self) -> Ledger:
        return self.project.ledger

    @property
    def objects(self) -> ObjectStore:
        return self.project.objects


Work = Callable[[Context, "Run", dict[str, Any], dict[str, Any]], None]
"""A stage: it reads its inputs by digest, and gives its outputs to the run."""


@dataclass(frozen=True, slots=True)
class Step:
    """What happened to one stage in this pipeline run."""

    name: str
    status: str  # "ran" or "known"
    seconds: float
    why: str
    run: str

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "status": self.status,
            "seconds": round(self.seconds, 3),
            "why": self.why,
            "run": self.run,
        }


class WouldRun(Exception):
    """In a dry run: this stage is not known. No error: how a dry run stops."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(name, why)
        self.name, self.why = name, why


@dataclass
class Stages:
    """Runs stages one after the other and remembers what happened to each.

    Used in a ``with`` block. The pipeline's own run is opened in the ledger when the first stage has work to do: where all is
    known, nothing is written.

    Parameters
    ----------
    operation : name of the pipeline's own run: ``run`` or ``retrain``.
    before_work : called once before the next stage that has work to do; where all is known, never.
    refused : a gate before the data set that said no and was overridden; the report shows it.
    dry : raise `WouldRun` at the first stage that is not known instead of running it.
    """

    context: Context
    operation: str = "run"
    listener: Listener | None = None
    dry: bool = False
    steps: list[Step] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    before_work: Callable[[], None] | None = None
    refused: dict[str, Any] | None = None
    _whole: Run | None = None
    _open: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Stages:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._whole is not None:
            self._whole.output("steps", [step.to_json() for step in self.steps])
        self._open.__exit__(kind, error, trace)

    def do(self, name: str, work: Work, inputs: dict[str, Any], params: dict[str, Any]) -> RunRecord:
        """The record of this stage: the known one, or that of a new run."""
        ledger = self.context.ledger
        key = ledger.key_of(name, inputs, params, CODE[name])
        known = ledger.find(name, key)
        if known is not None and ledger.intact(known):
            self._warn(known)
            self.note(name, "known", 0.0, f"run {known.id} did exactly this", known.id)
            return known
        why = ledger.why(name, inputs, params, CODE[name])
        if self.dry:
            raise WouldRun(name, why)
        if self.before_work is not None:
            self.before_work()
            self.before_work = None
        self.whole  # noqa: B018 - opens the pipeline's own run before its first stage
        if self.listener:
            self.listener(name, "start", why)
        start = time.perf_counter()
        with ledger.run(name, inputs=inputs, params=params, code=CODE[name], project=self.context.project.name) as run:
            work(self.context, run, inputs, params)
        self.note(name, "ran", time.perf_counter() - start, why, run.id)
        record = ledger.get(run.id)
        self._warn(record)
        return record

    def _warn(self, record: RunRecord) -> None:
        """What the run has to say. That a budget was too short is measured time, which no run says twice alike: an output of its own."""
        self.warnings += record.outputs.get("warnings", [])
        if "too_short" in record.outputs:
            self.warnings.append(record.outputs["too_short"])

    def note(self, name: str, status: str, seconds: float, why: str, run: str) -> None:
        """Remember what happened to a stage."""
        self.steps.append(Step(name, status, seconds, why, run))
        if self.listener:
            self.listener(name, status, why)

    @property
    def whole(self) -> Run:
        """The pipeline's own run in the ledger."""
        if self._whole is None:
            self._whole = self._open.enter_context(
                self.context.ledger.run(self.operation, project=self.context.project.name)
            )
        return self._whole

    @property
    def nothing_to_do(self) -> bool:
        """All stages so far were known."""
        return self._whole is None
