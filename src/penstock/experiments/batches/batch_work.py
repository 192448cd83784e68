"""A batch at work: proposes points, runs their trials in threads, and takes in what came of them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, final

from penstock.errors import SearchError
from penstock.experiments.batches.batch_result import BatchResult
from penstock.experiments.batches.plan import Plan
from penstock.experiments.batches.sampling import Sampler, make_sampler
from penstock.experiments.batches.space import Point, Space, complete
from penstock.experiments.batches.stopping import StoppingRule, make_rule
from penstock.experiments.batches.trials import FINISHED, Trial, best_of, trial_inputs, trials_of
from penstock.experiments.capture.target import Target
from penstock.experiments.running.options import RunOptions, ScriptRun

if TYPE_CHECKING:
    from penstock.experiments.flags.flag_set import FlagSet
    from penstock.project.workspace import Workspace

HOPELESS_AFTER = 5
"""Failures of a search that draws points, before the first trial that works."""


@dataclass(frozen=True)
class BatchState:
    """How far a batch is: for the live line.

    Attributes
    ----------
    total : trials in all, None where that is not known.
    """

    id: str
    total: int | None
    finished: int
    failed: int
    stopped: int
    running: int
    metric: str | None
    best: Trial | None


Listener = Callable[[BatchState], None]


@final
class BatchWork:
    """One batch while it runs. Proposals and records are made by one thread; others each look after one trial."""

    def __init__(
        self,
        workspace: Workspace,
        target: Target,
        flags: FlagSet,
        space: Space,
        plan: Plan,
        options: RunOptions,
        cwd: Path,
        batch: str,
        listener: Listener | None,
        warnings: Sequence[str] = (),
    ) -> None:
        self._workspace, self._target, self._flags, self._cwd = workspace, target, flags, cwd
        self._space, self._plan, self._id, self._listener = space, plan, batch, listener
        self._cancel = options.cancel or threading.Event()
        self._options = replace(
            options,
            parent=batch,
            takes=None,
            note=None,
            on_begin=None,
            echo=False,
            interactive=False,
            cancel=self._cancel,
        )
        self._sampler: Sampler = make_sampler(space, plan.search, seed=plan.seed, n=plan.n, maximise=plan.maximise)
        self._rule: StoppingRule | None = (
            make_rule(plan.stop_early, maximise=plan.maximise) if plan.stop_early else None
        )
        self._trials: dict[int, Trial] = {}
        self._again: deque[tuple[int, Point]] = deque()
        self._running: dict[Future[ScriptRun], tuple[int, Point]] = {}
        self._warnings = list(warnings)
        self._ended = ""

    def run(self) -> BatchResult:
        began = time.monotonic()
        self._remember()
        self._options = replace(self._options, source=self._source())
        with ThreadPoolExecutor(self._plan.workers, thread_name_prefix="trial") as pool:
            try:
                self._work(pool)
            except BaseException:  # Ctrl-C, or the disk is full: what runs is ended, and recorded as interrupted
                self._cancel.set()
                raise
        return self._result(time.monotonic() - began)

    def _work(self, pool: ThreadPoolExecutor) -> None:
        self._tell_listener()
        while True:
            while not self._ended and len(self._running) < self._plan.workers:
                proposal = self._next()
                if proposal is None:
                    break
                future = pool.submit(self._one, *proposal)
                self._running[future] = proposal
            self._tell_listener()
            if not self._running:
                break
            ready, _ = wait(self._running, return_when=FIRST_COMPLETED)
            for future in sorted(ready, key=lambda one: self._running[one][0]):
                number, point = self._running.pop(future)
                self._take(number, point, future.result())
        if self._cancel.is_set():
            raise KeyboardInterrupt

    def _next(self) -> tuple[int, Point] | None:
        """Number and point of the next trial; None where there is none left."""
        if self._again:
            return self._again.popleft()
        started = {*self._trials, *(number for number, _ in self._running.values())}
        number = max(started, default=0) + 1
        if self._plan.n is not None and number > self._plan.n:
            return None
        point = self._sampler.next(number)
        return None if point is None else (number, point)

    def _one(self, number: int, point: Point) -> ScriptRun:
        """Run one trial; in a thread of its own."""
        from penstock.experiments.running.run import run_target

        assigned = complete(self._space, point)
        options = replace(
            self._options,
            inputs={**self._options.inputs, **trial_inputs(self._id, number, point)},
            on_metrics=self._judge(number),
            assigned=tuple(assigned),
        )
        values = self._flags.values(assigned)
        return run_target(self._workspace, self._target, self._flags, values, options=options, cwd=self._cwd)

    def _judge(self, number: int) -> Callable[[dict[str, float]], str | None] | None:
        """What listens to the metrics of a trial."""
        rule, metric, other = self._rule, self._plan.metric, self._options.on_metrics
        if rule is None or metric is None:
            return other

        def listen(line: dict[str, float]) -> str | None:
            reason = other(line) if other is not None else None
            if reason is None and metric in line:
                reason = rule.judge(number, line.get("step"), line[metric])
            return reason

        return listen

    def _take(self, number: int, point: Point, run: ScriptRun) -> None:
        """Take in how a trial ended."""
        metric = self._plan.metric
        value = run.metrics.get(metric) if metric is not None and run.status != "failed" else None
        reason = run.reason if run.status in ("stopped", "failed") else ""
        trial = Trial(number, run.id, point, run.status, value, run.seconds, reason)
        self._trials[number] = trial
        if run.status not in FINISHED and self._cancel.is_set():
            self._ended = "it was interrupted"
            return
        self._sampler.tell(number, point, value)
        if self._rule is not None and run.status == "done":
            self._rule.ended(number)
        self._warnings += [w for w in run.warnings if w not in self._warnings]
        if run.status == "done" and metric is not None and metric not in run.metrics:
            self._miss(metric, run)
        finished = list(self._trials.values())
        if (
            self._plan.search != "grid"
            and len(finished) >= HOPELESS_AFTER
            and all(one.status not in ("done", "stopped") for one in finished)
        ):
            self._ended = f"the first {len(finished)} trials all failed; see `penstock show {run.id}`"

    def _miss(self, metric: str, run: ScriptRun) -> None:
        """A trial went well, and has not logged the metric. Where none has, its name is wrong: no other trial need run."""
        import difflib

        if any(trial.value is not None for trial in self._trials.values()):
            self._warnings.append(f"run {run.id} has not logged {metric!r}, and counts as without a value")
            return
        names = list(run.metrics)
        near = difflib.get_close_matches(metric, names, 1, 0.5)
        option = "--maximize" if self._plan.maximise else "--minimize"
        raise SearchError(
            f"the metric {metric!r} is not logged",
            why=f"run {run.id} logged: {', '.join(names) or 'no metric at all'}",
            way_out=f"go on with `penstock run --resume {self._id} {option} {near[0] if near else 'METRIC'}`",
        )

    def _remember(self) -> None:
        """What earlier sessions of this batch have found."""
        ledger = self._workspace.ledger
        before = {record.id: record for record in ledger.children(self._id)} if self._rule is not None else {}
        for kept in trials_of(ledger, self._id, self._plan.metric):
            trial = replace(kept, point=self._space.restored(kept.point))
            if trial.status not in FINISHED:
                self._sampler.tell(trial.number, trial.point, None)
                self._again.append((trial.number, trial.point))
                continue
            self._trials[trial.number] = trial
            self._sampler.tell(trial.number, trial.point, trial.value)
            if self._rule is not None and self._plan.metric is not None:
                for line in ledger.log_of(before[trial.run]):
                    if self._plan.metric in line:
                        self._rule.judge(trial.number, line.get("step"), float(line[self._plan.metric]))
                if trial.status == "done":
                    self._rule.ended(trial.number)

    def _source(self) -> str:
        """The copy of the source that all trials share; what has changed since an earlier one is said."""
        from penstock.experiments.capture.source import snapshot
        from penstock.experiments.capture.source_changes import source_changes

        taken = snapshot(self._workspace, self._target.path)
        ledger = self._workspace.ledger
        before = ledger.get(self._id).inputs.get("source")
        begun = bool(self._trials or self._again)
        if not begun:
            ledger.set_inputs(self._id, {"source": taken.digest})
        if before is not None:
            since = "the first trials" if begun else "it was queued"
            changed = source_changes(self._workspace, self._target, before, taken, since=since)
            if changed:
                self._warnings.append(f"{changed}; see `penstock diff` of two of them" if begun else changed)
        return taken.digest

    def _result(self, seconds: float) -> BatchResult:
        trials = tuple(self._trials[number] for number in sorted(self._trials))
        result = BatchResult(
            id=self._id,
            target=self._target.name,
            search=self._plan.search,
            metric=self._plan.metric,
            maximise=self._plan.maximise,
            flags=tuple(self._space.dimensions),
            trials=trials,
            seconds=round(seconds, 3),
            ended=self._ended,
            warnings=tuple(self._warnings),
        )
        ledger, best = self._workspace.ledger, result.best
        ledger.set_outputs(
            self._id,
            {
                "kind": "batch",
                "trials": {status: sum(t.status == status for t in trials) for status in {t.status for t in trials}},
                "best": None if best is None else best.to_json(),
                **({"ended": self._ended} if self._ended else {}),
            },
        )
        if best is not None and self._plan.metric is not None:
            ledger.set_metrics(self._id, {self._plan.metric: best.value})
        return result

    def _tell_listener(self) -> None:
        if self._listener is None:
            return
        trials = list(self._trials.values())
        self._listener(
            BatchState(
                id=self._id,
                total=self._plan.n if self._plan.search != "grid" else _grid_total(self._space, self._plan.n),
                finished=sum(trial.status in FINISHED for trial in trials),
                failed=sum(trial.status == "failed" for trial in trials),
                stopped=sum(trial.status == "stopped" for trial in trials),
                running=len(self._running),
                metric=self._plan.metric,
                best=best_of(trials, maximise=self._plan.maximise) if self._plan.metric is not None else None,
            )
        )


def _grid_total(space: Space, n: int | None) -> int | None:
    return space.size if n is None or space.size is None else min(n, space.size)
