"""The recorded trials of a search are fitted again: the same values, without a clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from penstock.bundle.kinds import Task
from penstock.learning.budget import Budget
from penstock.learning.problem import SearchProblem
from penstock.learning.replay import Refit
from penstock.learning.result import SearchResult
from penstock.learning.search import search

from .problems import FileTrials, small_problem

Install = Callable[[str, list[str]], None]
UNHURRIED = Budget.parse("1 trials")
"""Of the replays: their budget plays no part."""


def searched(problem: SearchProblem, trials: FileTrials, budget: str, **more: Any) -> SearchResult:
    """A search whose trials are recorded."""
    return search(problem, name="s", budget=Budget.parse(budget), trials=trials, seed=3, **more)


def replayed(problem: SearchProblem, trials: FileTrials, **more: Any) -> SearchResult:
    """The same, done again from its recorded trials."""
    return search(problem, name="s", budget=UNHURRIED, trials=trials, seed=3, replay=trials.of("s"), **more)


def differing(refits: Sequence[Refit]) -> list[int]:
    """Numbers of the trials that do not have their recorded value."""
    return [refit.number for refit in refits if refit.value != refit.recorded.value]


def change(trials: FileTrials, number: int, **fields: Any) -> None:
    """Change the record of a trial; its `details` are changed field by field, and one that is ... is removed."""
    lines = [json.loads(line) for line in trials.path.read_text().splitlines()]
    (record,) = (line for line in lines if line["number"] == number)
    details = record["details"] | fields.pop("details", {})
    record |= fields | {"details": {name: value for name, value in details.items() if value is not ...}}
    trials.path.write_text("".join(json.dumps(line) + "\n" for line in lines))


WITH_FOLDS, BY_STOPPING = 300, 6_000  # rows: few are scored on folds, many by early stopping
LONG = {(Task.MULTICLASS, WITH_FOLDS), (Task.MULTICLASS, BY_STOPPING), (Task.REGRESSION, BY_STOPPING)}
CASES = [
    pytest.param(task, n, id=f"{task}-{word}", marks=[pytest.mark.slow] if (task, n) in LONG else [])
    for task in Task
    for n, word in ((WITH_FOLDS, "with folds"), (BY_STOPPING, "with early stopping"))
]


@pytest.mark.parametrize(("task", "n"), CASES)
def test_every_trial_is_fitted_again_and_has_its_value(task: Task, n: int, trials: FileTrials) -> None:
    """All learners, the baseline too, and whole or on folds: equal to the last bit; the model is byte-identical."""
    problem = small_problem(task, n=n)
    assert problem.scores_folds == (n < 5_000)
    first = searched(problem, trials, "7 trials")
    recorded = trials.path.read_text()
    again = replayed(problem, trials)
    assert [refit.number for refit in again.refits] == list(range(8))
    assert {refit.learner for refit in again.refits} == {"dummy", "lightgbm", "linear", "forest"}
    assert {refit.state for refit in again.refits} == {"done"}
    assert differing(again.refits) == []
    assert [refit.details for refit in again.refits] == [trial.details for trial in first.trials]
    assert (again.candidate, again.model, again.threshold) == (first.candidate, first.model, first.threshold)
    assert trials.path.read_text() == recorded


def test_a_changed_record_does_not_choose(trials: FileTrials) -> None:
    """A value that was raised is computed again: the true best is chosen, and the other value is told."""
    problem = small_problem()
    first = searched(problem, trials, "3 trials")
    _, second, *_ = first.leaderboard
    change(trials, second["number"], value=2.0)
    again = replayed(problem, trials)
    assert differing(again.refits) == [second["number"]]
    assert again.refits[second["number"]].value == second["value"]
    assert again.candidate == first.candidate


def test_changed_parameters_are_seen_by_the_value(trials: FileTrials) -> None:
    """What is recorded is what is fitted."""
    problem = small_problem(learners=["linear"])
    searched(problem, trials, "2 trials")
    change(trials, 2, params={"C": 1e-4, "balance": "none"})
    assert differing(replayed(problem, trials).refits) == [2]


def test_a_fit_that_the_clock_stopped_stops_at_the_same_tree(tmp_path: Path, install: Install) -> None:
    """LightGBM out of time in the middle of its boosting; without the record of where, the value would be another."""
    source = (
        "import time\n"
        "from penstock.learning.learners.lightgbm import LightGBM\n"
        "class Slow(LightGBM):\n"
        "    name = 'slow'\n"
        "    def fit(self, X, y, *, budget=None, **k):\n"
        "        timed = budget is not None and budget.at is not None\n"
        "        pause = (lambda *_: time.sleep(0.05)) if timed else None\n"
        "        return LightGBM.fit(self, X, y, budget=budget, progress=pause, **k)\n"
    )
    install(source, ["Slow"])
    problem = small_problem(Task.REGRESSION, n=6_000, learners=["slow"])
    stopped: list[int] = []
    for budget in ("5s", "20s", "60s"):  # a busy machine needs the longer ones to get as far as a fit
        trials = FileTrials(tmp_path / f"{budget}.jsonl")
        first = searched(problem, trials, budget, workers=1, threads=1)
        stopped = [t.number for t in first.trials if t.state == "done" and t.details.get("stopped_at")]
        if stopped:
            break
    assert stopped
    again = replayed(problem, trials)
    assert differing(again.refits) == []
    assert again.model == first.model
    for number in stopped:
        change(trials, number, details={"stopped_at": None})
    assert differing(replayed(problem, trials).refits) == stopped


def test_each_trial_has_the_threads_that_it_had(trials: FileTrials, install: Install) -> None:
    """Trials of one thread and of two, whose values depend on them, of the learner and of the libraries that it calls."""
    source = (
        "from threadpoolctl import threadpool_info\n"
        "from penstock.learning.learners.linear import Linear\n"
        "class Threaded(Linear):\n"
        "    name = 'threaded'\n"
        "    def fit(self, X, y, *, threads, params, **k):\n"
        "        used = max(library['num_threads'] for library in threadpool_info())\n"
        "        params = {'C': 10.0 ** (4 - 2 * threads - used), 'balance': 'none'}\n"
        "        return Linear.fit(self, X, y, threads=threads, params=params, **k)\n"
    )
    install(source, ["Threaded"])
    problem = small_problem(learners=["threaded"])
    searched(problem, trials, "1 trials", workers=1, threads=1)
    searched(problem, trials, "2 trials", workers=1, threads=2)
    _, one, two = trials.of("s")
    assert (one.threads, two.threads) == (1, 2)
    assert one.value != two.value
    assert differing(replayed(problem, trials, workers=1, threads=1).refits) == []


def test_trials_without_a_value_are_not_fitted_again(trials: FileTrials, install: Install) -> None:
    """Those that were killed or failed: a fit that never ends would hold up the replay. They cannot be chosen."""
    source = (
        "import time\n"
        "from penstock.learning.learners.linear import Linear\n"
        "class NeverEnds(Linear):\n    name = 'neverends'\n    def fit(self, *a, **k): time.sleep(1000)\n"
    )
    install(source, ["NeverEnds"])
    problem = small_problem(learners=["neverends", "linear"])
    details = {"params": {}, "stopped_at": None, "fit_s": 0.0}
    trials.add("s", 0, "dummy", {}, "done", 0.5, details=details)
    trials.add("s", 1, "neverends", {}, "timeout", 0.99, details=details)
    trials.add("s", 2, "neverends", {}, "failed", None, details=details)
    trials.add("s", 3, "linear", {}, "done", 0.8, details=details)
    again = replayed(problem, trials)
    assert [refit.state for refit in again.refits] == ["done", "timeout", "failed", "done"]
    assert [refit.value for refit in again.refits][1:3] == [None, None]
    assert again.candidate.number == 3


def test_a_trial_whose_fit_fails_now_has_no_value_and_a_reason(trials: FileTrials) -> None:
    """Its worker dies, raises or has no such learner: it is told, and another candidate is chosen."""
    problem = small_problem(learners=["linear"])
    searched(problem, trials, "3 trials")
    change(trials, 1, params={"no_such": 1})
    change(trials, 2, learner="gone")
    again = replayed(problem, trials)
    assert differing(again.refits) == [1, 2]
    assert [refit.value for refit in again.refits[1:3]] == [None, None]
    assert "no_such" in again.refits[1].details["error"]
    assert "gone" in again.refits[2].details["error"]
    assert again.candidate.number == 3


def test_an_older_record_says_why_it_is_not_fitted_again(trials: FileTrials) -> None:
    """It does not say where the clock stopped the fit: its recorded value stands. The baseline needs no such record."""
    problem = small_problem(learners=["linear"])
    first = searched(problem, trials, "2 trials")
    for number in range(3):
        change(trials, number, details={"stopped_at": ...})
    again = replayed(problem, trials)
    assert [bool(refit.skipped) for refit in again.refits] == [False, True, True]
    assert "earlier version" in again.refits[1].skipped
    assert again.model == first.model
    assert again.best_value == first.best_value


def test_each_refit_is_told_as_it_ends(trials: FileTrials) -> None:
    """As the trials of a search are, without a time left."""
    problem = small_problem(learners=["linear"])
    searched(problem, trials, "3 trials")
    told: list[tuple[Any, ...]] = []
    again = replayed(problem, trials, progress=lambda *line: told.append(line))
    assert sorted(line[0] for line in told) == [0, 1, 2, 3]
    assert told[-1][3] == again.best_value
    assert {line[4] for line in told} == {None}
