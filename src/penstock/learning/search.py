"""The search for a model inside a budget: proposals, trials in worker processes, and a finished model at the end.

It always ends with at least the baseline. Trials are recorded as they end; a search that was killed goes on from those it
had. Time for finishing the best candidate (final fit, out-of-fold predictions, calibration) is kept free all along.
"""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from penstock import parts
from penstock.errors import PenstockError, SearchError
from penstock.learning.budget import Budget
from penstock.learning.finish import Finished, FinishError, finish, finish_baseline
from penstock.learning.imbalance import space_with
from penstock.learning.learner import Learner
from penstock.learning.pool import Outcome, Pool
from penstock.learning.prepared import Prepared
from penstock.learning.problem import SearchProblem
from penstock.learning.propose import Proposal, Proposer, check_strategy
from penstock.learning.replay import Refit, refit
from penstock.learning.result import Candidate, SearchResult, rank
from penstock.learning.tasks import Task, TrialTasks
from penstock.learning.trials import Trial, TrialStore

BASELINE = "dummy"
MAX_WORKERS = 8
CELLS_AT_ONCE = 200_000_000
"""Training rows x columns x workers, at most: each worker holds a table of its own."""
OVERHEAD_S = 1.5
"""Calibration, the building of the graph, and the start of a worker in place of one that was killed."""
LEAST_TRIAL_S = 0.1

Progress = Callable[[int, str, float | None, float | None, float | None], None]
"""Called after each trial with its number, learner and value, the best value so far, and the seconds left."""


def search(
    problem: SearchProblem,
    *,
    name: str,
    budget: Budget,
    trials: TrialStore,
    strategy: str = "bayesian",
    seed: int = 0,
    progress: Progress | None = None,
    replay: Sequence[Trial] | None = None,
    workers: int | None = None,
    threads: int | None = None,
) -> SearchResult:
    """Find the best candidate inside a budget and finish it.

    Parameters
    ----------
    name : of the search in `trials`. A search of this name that was broken off is gone on with: its trials count against
        a budget of trials, its time against a budget of time.
    budget : includes finishing. A fit that cannot stop by itself is killed; what overruns is at most the end of a finish.
    seed : of recipes, folds, samplers and fits.
    replay : recorded trials to fit again and choose from instead of searching, each with its own threads and stopped where
        the clock stopped it; nothing is added to `trials`. The same trials give the same values and the same model, byte
        for byte. See `Refit`.
    workers, threads : processes, and threads of each. By default one worker of one thread per core, up to eight: single
        threads never wait for each other, also on a busy machine; fewer with more threads each for very large tables.

    Raises
    ------
    DeclarationError : an unknown strategy, learner or metric, or a metric that does not suit the task.
    SearchError : there are no training or no validation rows, or no learner is allowed.
    RecipeError : the recipe cannot be fitted.
    """
    from penstock.evaluation.metrics import get_metric

    check_strategy(strategy)
    metric = get_metric(problem.metric, problem.task)
    _check_rows(problem)
    learners = _learners(problem)
    problem.recipe.check(problem.specs)
    if replay is not None:
        threads = max((trial.threads for trial in replay), default=1)
    workers, threads = _sizes(problem, budget, workers, threads)
    with tempfile.TemporaryDirectory(prefix="penstock-search-", ignore_cleanup_errors=True) as folder:
        prepared = Prepared(problem, Path(folder), seed)
        run = _Search(problem, prepared, learners, name, budget, trials, metric.greater_is_better, seed, progress)
        slow = sorted({module for learner in learners.values() for module in learner.slow_imports})
        with Pool(workers, threads, Path(folder), slow) as pool:
            if replay is None:
                run.explore(pool, strategy)
            else:
                run.repeat(pool, replay)
            return run.end(pool)


def _sizes(problem: SearchProblem, budget: Budget, workers: int | None, threads: int | None) -> tuple[int, int]:
    """Workers, and threads of each, where they are not given."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    fitting = max(1, CELLS_AT_ONCE // (len(problem.y) * max(1, len(problem.specs))))
    most = max(1, cores // (threads or 1))
    workers = workers or min(most, MAX_WORKERS, budget.trials or MAX_WORKERS, fitting)
    return workers, threads or max(1, cores // workers)


def _check_rows(problem: SearchProblem) -> None:
    for rows, what in ((problem.y, "training"), (problem.valid_y, "validation")):
        if len(rows) == 0:
            raise SearchError(
                f"there are no {what} rows",
                why="learners fit on training rows, and validation rows choose between them",
                way_out="check [split] in penstock.toml",
            )


def _learners(problem: SearchProblem) -> dict[str, Learner]:
    """Those allowed for the task, but for the baseline.

    Raises
    ------
    DeclarationError : one of the names is unknown.
    SearchError : none of them suits the task.
    """
    allowed = problem.learners if problem.learners is not None else parts.names("penstock.learners")
    loaded = {n: parts.load("penstock.learners", n)() for n in allowed}
    suited = {n: learner for n, learner in loaded.items() if problem.task in learner.tasks}
    if not suited:
        raise SearchError(
            f"no learner is left for a {problem.task} task",
            why=f"allowed are: {', '.join(allowed) or 'none'}",
            way_out=f"allow one of: {', '.join(parts.names('penstock.learners'))}",
        )
    return {n: learner for n, learner in suited.items() if n != BASELINE}


class _Search:
    """The state of one search."""

    def __init__(
        self,
        problem: SearchProblem,
        prepared: Prepared,
        learners: dict[str, Learner],
        name: str,
        budget: Budget,
        store: TrialStore,
        greater_is_better: bool,
        seed: int,
        progress: Progress | None,
    ) -> None:
        self.problem, self.prepared, self.learners, self.name = problem, prepared, learners, name
        self.budget, self.store, self.seed, self.progress = budget, store, seed, progress
        self.greater_is_better = greater_is_better
        self.started = time.monotonic()
        self.before_s = 0.0  # spent by earlier processes of this search
        self.trials: list[Trial] = []
        self.refits: list[Refit] = []
        self.warnings: list[str] = []
        self.ready_s = 0.0  # until a learner could begin
        self.tasks = TrialTasks(problem, prepared, learners, seed)
        self.baseline = finish_baseline(problem, prepared)
        self._open: dict[int, tuple[Proposal, Task, float]] = {}

    # --- time ---------------------------------------------------------------------------------------------------

    @property
    def elapsed_s(self) -> float:
        return self.before_s + time.monotonic() - self.started

    @property
    def left_s(self) -> float | None:
        return None if self.budget.seconds is None else self.budget.seconds - self.elapsed_s

    def _finish_s(self, fit_s: float, workers: int) -> float:
        """What finishing a candidate with this time of a fit will take."""
        folds = self.problem.n_folds
        fits = fit_s * (1.0 + 0.9 * folds / workers)
        return OVERHEAD_S + fits + (0.0 if self.problem.scores_folds else self.prepared.seconds_per_job * folds)

    def _reserve_s(self, workers: int) -> float:
        """Time to keep free for finishing the best candidate so far."""
        best = self._best()
        return 0.0 if best is None or best.number == 0 else self._finish_s(float(best.details["fit_s"]), workers)

    def _best(self) -> Trial | None:
        ranked = self._ranked()
        return ranked[0] if ranked else None

    def _ranked(self, *, late: bool = False) -> list[Trial]:
        """Trials better than the baseline that can be finished in time, or those that cannot, the best first; it ends them."""
        can = [
            t for t in self.trials if t.value is not None and (t.number == 0 or t.details.get("eligible", True) != late)
        ]
        ranked = sorted(can, key=lambda t: rank(t, self.greater_is_better))
        return ranked[: next((i + 1 for i, t in enumerate(ranked) if t.number == 0), None)]

    # --- the parts of a search ----------------------------------------------------------------------------------

    def explore(self, pool: Pool, strategy: str) -> None:
        """Trials after those of an earlier process, until the budget is spent or nothing is left to propose."""
        self.trials = list(self.store.of(self.name))
        self.before_s = max((float(t.details.get("elapsed_s", 0.0)) for t in self.trials), default=0.0)
        if not any(t.number == 0 for t in self.trials):
            details: dict[str, Any] = {"params": {}, "stopped_at": None, "fit_s": 0.0, "eligible": True}
            self._add(0, BASELINE, {}, "done", self._baseline_value(), 0.0, 1, details)
        spaces = self._spaces()
        self.ready_s = time.monotonic() - self.started
        if not spaces:
            return
        proposer = Proposer(strategy, spaces, seed=self.seed, maximise=self.greater_is_better)
        for trial in self.trials:
            proposer.tell(Proposal(trial.learner, dict(trial.params)), trial.value)
        number = max((t.number for t in self.trials), default=0)
        while True:
            while pool.has_room and self._may_start(pool):
                proposal = proposer.next()
                if proposal is None:
                    break
                number += 1
                self._start(pool, number, proposal)
            if not pool.busy:
                return
            for outcome in pool.wait():
                proposal, value = self._record(outcome, pool)
                proposer.tell(proposal, value)

    def repeat(self, pool: Pool, recorded: Sequence[Trial]) -> None:
        """Recorded trials instead, fitted again; none is added to the store."""

        def told(refit: Refit) -> None:
            self.refits.append(refit)
            self.trials.append(refit)
            self._tell(refit, None)

        refit(recorded, self._baseline_value(), self.tasks, pool, told)

    def end(self, pool: Pool) -> SearchResult:
        """Finish the best candidate; where that fails, the best of another learner, and at last the baseline.

        A model that came too late to be finished in time is better than none: it is finished all the same.
        """
        failed: set[str] = set()
        for trial in [*self._ranked(), *self._ranked(late=True)]:
            if trial.number == 0 or trial.learner in failed:
                continue
            candidate = Candidate(
                trial.number, trial.learner, trial.details["params"], self.seed, max(1, int(trial.threads))
            )
            try:
                finished = finish(candidate, self.learners[trial.learner], self.problem, self.prepared, pool)
            except (FinishError, PenstockError, MemoryError) as error:
                failed.add(trial.learner)
                self.warnings.append(f"trial {trial.number} ({trial.learner}) could not be finished: {error}")
                continue
            return self._result(candidate, finished, trial.value)
        value = next((t.value for t in self.trials if t.number == 0), None)
        return self._result(Candidate(0, BASELINE, {}, self.seed, 1), self.baseline, value, self.too_short(pool.size))

    def too_short(self, workers: int) -> str | None:
        """What to say where the time let nothing but the baseline be tried, with an estimate of the time that is needed.

        The estimate is half as much again as the preparing took, twice what a fit took until it was stopped, and what a finish takes.
        """
        tried = [t for t in self.trials if t.number > 0]
        if self.budget.seconds is None or not self.ready_s or any(t.state != "timeout" for t in tried):
            return None
        spent_s = max(
            (float(t.details.get("elapsed_s", 0.0)) for t in self.trials), default=0.0
        )  # counts next time as well
        preparing_s = self.ready_s
        if not tried:  # nothing was made of the validation rows yet
            preparing_s *= 1 + len(self.problem.valid_y) / len(self.problem.y)
        stopped_s = max((t.seconds for t in tried), default=0.0)
        needed = told_time(
            max(2 * self.budget.seconds, spent_s + 1.5 * preparing_s + self._finish_s(2 * stopped_s, workers))
        )
        fits = f", and the first fit was stopped after {stopped_s:.0f} s" if tried else ""
        return (
            f"the budget of {self.budget} let only the baseline be tried: preparing what learners fit on took {self.ready_s:.0f} s{fits}; "
            f"about {needed} is needed: --budget {needed}; or --budget '1 trial', which takes as long as it takes"
        )

    # --- trials -------------------------------------------------------------------------------------------------

    def _spaces(self) -> dict[str, Any]:
        """Spaces of the learners that suit the problem, in the order in which their defaults are tried."""
        spaces: dict[str, Any] = {}
        sparse = False
        for name, learner in self.learners.items():
            if self.left_s is not None and self.left_s <= 0:
                break
            shape = self.prepared.shape(learner.tail(self.problem.task))
            advice = learner.advise(shape)
            if advice.suits or self.problem.learners is not None:
                spaces[name] = space_with(learner.space(shape), self.problem.imbalance, shape)
            sparse = sparse or shape.sparse
        first = ("linear", "lightgbm") if sparse else ("lightgbm", "linear")
        return {n: spaces[n] for n in sorted(spaces, key=lambda n: (first.index(n) if n in first else len(first), n))}

    def _may_start(self, pool: Pool) -> bool:
        if self.budget.trials is not None:
            return sum(t.number > 0 for t in self.trials) + len(self._open) < self.budget.trials
        assert self.left_s is not None
        return self.left_s - self._reserve_s(pool.size) > LEAST_TRIAL_S

    def _start(self, pool: Pool, number: int, proposal: Proposal) -> None:
        task = self.tasks.task(number, proposal.learner, proposal.params, pool.threads)
        if not self._open and all(t.number == 0 for t in self.trials):
            self.ready_s = time.monotonic() - self.started
        kill_s = None
        if self.left_s is not None:
            kill_s = max(LEAST_TRIAL_S, self.left_s - self._reserve_s(pool.size))
            rounds = (1.0 + 0.9 * self.problem.n_folds / pool.size) + len(
                task["jobs"]
            )  # of finishing, and of the trial
            task["limit_s"] = min(kill_s, max(self.left_s, 0.0) / rounds)
        self._open[number] = (proposal, task, time.monotonic())
        pool.start(task, kill_s)

    def _record(self, outcome: Outcome, pool: Pool) -> tuple[Proposal, float | None]:
        proposal, task, started = self._open.pop(outcome.id)
        seconds = time.monotonic() - started
        if outcome.answer is None:
            state = "timeout" if outcome.overran else "failed"
            details: dict[str, Any] = {"error": outcome.why, "eligible": False}
            self._add(outcome.id, proposal.learner, proposal.params, state, None, seconds, pool.threads, details)
            return proposal, None
        value = self.tasks.value(task)
        fit_s = float(outcome.answer["seconds"][0])
        in_time = self.left_s is None or self.left_s >= 0.6 * self._finish_s(fit_s, pool.size)
        kept = {name: outcome.answer[name] for name in ("params", "stopped_at")}
        details = {**kept, "fit_s": fit_s, "eligible": in_time}
        if value is None:
            details["error"] = f"{self.problem.metric} is undefined here"
        state = "done" if value is not None else "failed"
        self._add(outcome.id, proposal.learner, proposal.params, state, value, seconds, pool.threads, details)
        return proposal, value

    def _baseline_value(self) -> float | None:
        return self.problem.score(*self.baseline.of_valid)

    def _add(
        self,
        number: int,
        learner: str,
        params: dict[str, Any],
        state: str,
        value: float | None,
        seconds: float,
        threads: int,
        details: dict[str, Any],
    ) -> None:
        details = {**details, "elapsed_s": round(self.elapsed_s, 3)}
        trial = self.store.add(
            self.name, number, learner, params, state, value, seconds=seconds, threads=threads, details=details
        )
        self.trials.append(trial)
        self._tell(trial, self.left_s)

    def _tell(self, trial: Trial, left_s: float | None) -> None:
        if self.progress is not None:
            best = self._best()
            self.progress(trial.number, trial.learner, trial.value, None if best is None else best.value, left_s)

    def _result(
        self, candidate: Candidate, finished: Finished, value: float | None, too_short: str | None = None
    ) -> SearchResult:
        return SearchResult(
            candidate=candidate,
            fitted=finished.model,
            fitted_baseline=self.baseline.model,
            scale=self.prepared.scale,
            oof=finished.oof,
            y=self.problem.y,
            threshold=finished.threshold,
            offsets=finished.offsets,
            best_value=value,
            trials=tuple(sorted(self.trials, key=lambda t: t.number)),
            greater_is_better=self.greater_is_better,
            seconds=self.elapsed_s,
            warnings=tuple(self.warnings),
            refits=tuple(sorted(self.refits, key=lambda r: r.number)),
            too_short=too_short,
        )


def told_time(seconds: float) -> str:
    """A time as a budget is written, rounded up.

    >>> told_time(61), told_time(119.5), told_time(200)
    ('70s', '120s', '4m')
    """
    return f"{math.ceil(seconds / 10) * 10}s" if seconds <= 120 else f"{math.ceil(seconds / 60)}m"
