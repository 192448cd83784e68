"""Run the steps: in order, at the same time where they do not wait for each other, each only where something has changed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, final

from penstock.errors import PenstockError, ScriptFailed, StepError
from penstock.experiments.running.options import RunOptions
from penstock.experiments.steps.graph import OPERATION, Graph
from penstock.experiments.steps.keeping import put_back
from penstock.experiments.steps.one import Attempt, attempt
from penstock.experiments.steps.record import rows_of
from penstock.experiments.steps.results import StepOutcome, StepsResult
from penstock.experiments.steps.state import State, Surroundings, state_of
from penstock.experiments.steps.survey import graph_of, refuse_missing, surroundings, survey
from penstock.project.workspace import Workspace

if TYPE_CHECKING:
    from penstock.ledger.run import Run

Listener = Callable[[str, str, str], None]
"""Told ``(step, "start" | "known" | "ran" | "failed" | "not run", why)``, from the thread that called `run_steps`."""


def run_steps(
    workspace: Workspace,
    *,
    only: Sequence[str] = (),
    workers: int | None = None,
    force: bool = False,
    keep_going: bool = False,
    dry: bool = False,
    echo: bool | str = True,
    options: RunOptions | None = None,
    listener: Listener | None = None,
) -> StepsResult:
    """Run what is stale of the steps of `penstock.toml`.

    What has run is recorded step by step: after a crash, the next call goes on from the steps that had finished.

    Parameters
    ----------
    only : names of steps; they and what they need. All where none is named.
    workers : steps at a time; default: one per core. With one, a step may read from the terminal; with more, each line that one
        prints is shown behind its name.
    force : run the named steps (all, where none is named) although they are known.
    keep_going : after a failure, go on with the steps that do not need the one that failed.
    dry : say what would be run, and run nothing.
    echo : as of `RunOptions`.
    options : of every step, such as the rows that it may see.

    Raises
    ------
    StepError : the steps make no graph, there are none, or a file is missing that nobody makes.
    ProjectError : another process runs them now.
    """
    graph = graph_of(workspace)
    names = graph.chosen(only)
    forced = set(only or names) if force else set()
    options = options or RunOptions()
    around = surroundings(workspace, rows=rows_of(options.inputs))
    if dry:
        return _planned(survey(graph, around, names), forced)
    if workers is not None and workers < 1:
        raise StepError(f"{workers} steps at a time", why="at least one is needed", way_out="write --workers 1")
    refuse_missing(graph, names, workspace.root)
    with workspace.ledger.lock(f"{OPERATION} {workspace.root}"):
        pipeline = _Pipeline(workspace, graph, around, names, forced, keep_going, replace(options, echo=echo), listener)
        return pipeline.run(min(workers or os.cpu_count() or 1, max(map(len, graph.layers))))


@final
class _Pipeline:
    """One run of the steps. All but the steps themselves happens in one thread."""

    def __init__(
        self,
        workspace: Workspace,
        graph: Graph,
        around: Surroundings,
        names: list[str],
        forced: set[str],
        keep_going: bool,
        options: RunOptions,
        listener: Listener | None,
    ) -> None:
        self._workspace, self._graph, self._around, self._names = workspace, graph, around, names
        self._forced, self._keep_going, self._options = forced, keep_going, options
        self._listener = listener or (lambda *_: None)
        self._outcomes: dict[str, StepOutcome] = {}
        self._cancel = threading.Event()
        self._whole: Run | None = None
        self._open = ExitStack()

    def run(self, workers: int) -> StepsResult:
        try:
            with self._open:
                self._work(workers)
                self._close_whole()
        except _SomeFailed:
            pass  # recorded so in the ledger; the outcomes say which
        return StepsResult(
            None if self._whole is None else self._whole.id, [self._outcomes[name] for name in self._names]
        )

    def _work(self, workers: int) -> None:
        running: dict[Future[StepOutcome], str] = {}
        with ThreadPoolExecutor(workers, thread_name_prefix="step") as pool:
            try:
                while True:
                    while len(running) < workers and (free := self._free(set(running.values()))):
                        if (work := self._begin(free[0], alone=workers == 1)) is not None:
                            running[pool.submit(attempt, work)] = free[0]
                    if not running:
                        return
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        self._settle(running.pop(future), future)
            except BaseException:
                self._cancel.set()  # the programs are ended, the threads end with them, and the pool with those
                raise

    def _free(self, running: set[str]) -> list[str]:
        """Steps that can be begun now. Those behind a failure are given up here."""
        free = []
        failed = [o.name for o in self._outcomes.values() if o.status == "failed"]
        for name in self._names:
            if name in self._outcomes or name in running:
                continue
            before = [self._outcomes.get(other) for other in self._graph.nodes[name].after]
            lost = [other for other in before if other is not None and other.status in ("failed", "not run")]
            if lost:
                told = "failed" if lost[0].status == "failed" else "was not run"
                self._finish(StepOutcome(name, "not run", f"it follows {lost[0].name}, which {told}"))
            elif failed and not self._keep_going:
                if not running:
                    self._finish(StepOutcome(name, "not run", f"{failed[0]} failed before its turn"))
            elif all(other is not None for other in before):
                free.append(name)
        return free

    def _begin(self, name: str, *, alone: bool) -> Attempt | None:
        """Look at a step whose turn it is; gives the work to do, None where there is none."""
        node = self._graph.nodes[name]
        state = state_of(node, self._around, beside={})
        if state.missing:
            makers = [e.maker for e in self._graph.edges if e.taker == name]
            behind = f", although {' and '.join(dict.fromkeys(makers))} ran before it" if makers else ""
            why = f"its input {state.missing[0]} is not there{behind}"
            self._finish(StepOutcome(name, "failed", why))
            return None
        if state.standing == "known" and name not in self._forced:
            assert state.past is not None
            try:
                put_back(self._around.objects, self._around.root, state.past, state.restore, self._around.digest)
            except (PenstockError, OSError) as error:  # OSError: something else stands in its place
                told = f"{error.what}: {error.why}" if isinstance(error, PenstockError) else str(error)
                why = f"its outputs cannot be put back: {told}; `penstock run --force {name}` makes them again"
                self._finish(StepOutcome(name, "failed", why))
                return None
            self._finish(StepOutcome(name, "known", state.why, run=state.past.record.id, restored=state.restore))
            return None
        why = "it was asked for" if state.standing == "known" else state.why
        self._listener(name, "start", why)
        return Attempt(
            self._workspace,
            node,
            self._graph.makers,
            self._around,
            state,
            why,
            self._parent(),
            self._cancel,
            self._options,
            interactive=alone,
            label="" if alone else f"{name.ljust(max(map(len, self._names)))} | ",
        )

    def _settle(self, name: str, future: Future[StepOutcome]) -> None:
        self._around.history.forget(name)
        self._finish(future.result())

    def _finish(self, outcome: StepOutcome) -> None:
        self._outcomes[outcome.name] = outcome
        self._listener(outcome.name, outcome.status, outcome.why)
        if self._whole is not None:
            self._whole.output("steps", [o.to_json() for o in self._outcomes.values()])

    def _parent(self) -> str:
        """The pipeline's own run, which begins with the first step that has work to do."""
        if self._whole is None:
            self._whole = self._open.enter_context(
                self._workspace.ledger.run(OPERATION, inputs={"steps": self._names}, project=self._workspace.name)
            )
        return self._whole.id

    def _close_whole(self) -> None:
        failed = [outcome for outcome in self._outcomes.values() if outcome.status == "failed"]
        if failed and self._whole is not None:
            raise _SomeFailed(
                f"{', '.join(o.name for o in failed)} failed",
                why=failed[0].why,
                way_out=f"penstock show {failed[0].run}" if failed[0].run else "penstock status says what is missing",
            )


class _SomeFailed(ScriptFailed):
    """How the pipeline's own run comes to be recorded as failed."""


def _planned(states: dict[str, State], forced: set[str]) -> StepsResult:
    outcomes = []
    for name, state in states.items():
        run = None if state.past is None else state.past.record.id
        if state.standing == "known" and name not in forced:
            outcomes.append(StepOutcome(name, "known", state.why, run=run, restored=state.restore))
        elif state.standing == "blocked":
            outcomes.append(StepOutcome(name, "not run", state.why))
        else:
            why = "it was asked for" if state.standing == "known" else state.why
            outcomes.append(
                StepOutcome(name, "may run" if state.standing == "waits" and name not in forced else "would run", why)
            )
    return StepsResult(None, outcomes)
