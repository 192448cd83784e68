"""Running one stage: what is already known is not computed twice, and it is said why something was.

A stage is a function of a context, its inputs (digests) and its parameters (JSON values), and of nothing else. That is what
makes it cacheable by content and what lets `reproduce` do it again from its record alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.ledger.ledger import Ledger
    from penstock.ledger.run import Run
    from penstock.ledger.runs import RunRecord
    from penstock.objects.store import ObjectStore
    from penstock.project.project import Project

CODE = {"ingest": 1, "recipe": 1, "search": 1, "evaluate": 1, "judge": 1, "package": 1, "register": 1}
"""Version of each stage's code: raised when the same inputs would give another result, so that old results are not reused."""


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


Work = Callable[["Context", "Run", dict[str, Any], dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Step:
    """What happened to one stage in this pipeline run."""

    name: str
    status: str  # "ran" or "known"
    seconds: float
    why: str
    run: str

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "status": self.status, "seconds": round(self.seconds, 3), "why": self.why, "run": self.run}


@dataclass
class Stages:
    """Runs stages one after the other and remembers what happened to each.

    Parameters
    ----------
    listener : told ``(name, "start" | "ran" | "known", why)``.
    """

    context: Context
    listener: Callable[[str, str, str], None] | None = None
    steps: list[Step] = field(default_factory=list)

    def do(self, name: str, work: Work, inputs: dict[str, Any], params: dict[str, Any]) -> RunRecord:
        """The record of this stage: the known one, or that of a new run."""
        ledger = self.context.ledger
        key = ledger.key_of(name, inputs, params, CODE[name])
        start = time.perf_counter()
        known = ledger.find(name, key)
        if known is not None and ledger.intact(known):
            self._note(Step(name, "known", 0.0, f"run {known.id} did exactly this", known.id))
            return known
        why = ledger.why(name, inputs, params) if known is None else f"an output of run {known.id} is no longer in the store"
        if self.listener:
            self.listener(name, "start", why)
        with ledger.run(name, inputs=inputs, params=params, key=key) as run:
            work(self.context, run, inputs, params)
        record = ledger.get(run.id)
        self._note(Step(name, "ran", time.perf_counter() - start, why, record.id))
        return record

    def _note(self, step: Step) -> None:
        self.steps.append(step)
        if self.listener:
            self.listener(step.name, step.status, step.why)
