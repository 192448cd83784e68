"""The search: always a model at the end, whatever happens on the way."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from penstock.bundle.graph import open_session
from penstock.bundle.kinds import Task
from penstock.bundle.packing import pack
from penstock.errors import DeclarationError, SearchError
from penstock.learning.budget import Budget
from penstock.learning.search import search

from .problems import FileTrials, frame_of, small_problem


@pytest.fixture
def plug_in(install: Callable[[str, list[str]], None]) -> None:
    """Learners that die, raise and never end."""
    source = (
        "import os, time\n"
        "from penstock.learning.learners.linear import Linear\n"
        "class Dies(Linear):\n    name = 'dies'\n    def fit(self, *a, **k): os._exit(7)\n"
        "class Raises(Linear):\n    name = 'raises'\n    def fit(self, *a, **k): raise RuntimeError('no luck')\n"
        "class NeverEnds(Linear):\n    name = 'neverends'\n    def fit(self, *a, **k): time.sleep(1000)\n"
        "class DiesLater(Linear):\n    name = 'dieslater'\n"
        "    def fit(self, X, y, **k):\n"
        "        if len(y) == 240: os._exit(7)\n"
        "        return Linear.fit(self, X, y, **k)\n"
    )
    install(source, ["Dies", "Raises", "NeverEnds", "DiesLater"])


def graph_answers(model: bytes, feeds: dict[str, np.ndarray]) -> np.ndarray:
    """What the finished graph answers."""
    return open_session(model).run(None, feeds)[0]


@pytest.mark.parametrize("task", list(Task), ids=str)
def test_a_search_ends_with_a_model_that_beats_the_baseline(task: Task, trials: FileTrials) -> None:
    """All learners are tried, the graph answers as the learner, and everything a bundle needs is there."""
    problem = small_problem(task)
    seen = []
    result = search(
        problem, name="s", budget=Budget.parse("4 trials"), trials=trials, progress=lambda *a: seen.append(a)
    )
    assert {t.learner for t in result.trials} == {"dummy", "lightgbm", "linear", "forest"}
    assert result.candidate.number > 0
    assert result.leaderboard[-1]["learner"] == "dummy"
    assert result.best_value == result.leaderboard[0]["value"]
    assert [s[0] for s in sorted(seen)] == [0, 1, 2, 3, 4]
    fresh, _ = frame_of(500, seed=4)
    own = result.reference(fresh)
    got = graph_answers(result.model, pack(fresh, result.layout))
    assert np.abs(own - got).max() < 1e-5
    assert result.oof.shape == (300, max(problem.n_classes, 1))
    assert (result.threshold is not None) == (task is Task.BINARY)
    assert sum(result.importance.values()) == pytest.approx(1.0)
    assert set(result.importance) <= {"a", "b", "job"}
    if task is Task.REGRESSION:
        low, high = result.offsets
        inside = (result.y - result.oof[:, 0] >= low) & (result.y - result.oof[:, 0] <= high)
        assert inside.mean() == pytest.approx(0.9, abs=0.02)
    baseline = graph_answers(result.baseline, pack(fresh, result.fitted_baseline.layout))
    assert baseline.shape == got.shape
    assert (baseline == baseline[0]).all()


@pytest.mark.parametrize("budget", ["0.01s", "2s"])
def test_a_tiny_budget_ends_with_at_least_the_baseline(budget: str, trials: FileTrials) -> None:
    """However short the time, there is a model."""
    result = search(small_problem(), name="s", budget=Budget.parse(budget), trials=trials)
    assert len(result.model) > 0
    assert result.trials[0].learner == "dummy"
    assert result.seconds < 30
    if budget == "0.01s":
        assert result.too_short is not None
        assert result.too_short.startswith("the budget of 0.01s let only the baseline be tried: preparing")


def test_the_same_trials_give_the_same_model(trials: FileTrials) -> None:
    """Replayed, a search gives identical bytes, predictions and decisions, and records nothing."""
    problem = small_problem(Task.BINARY, n=600, metric="f1")
    first = search(problem, name="s", budget=Budget.parse("5 trials"), trials=trials, seed=3)
    recorded = trials.of("s")
    again = search(
        problem, name="s", budget=Budget.parse("1 trials"), trials=trials, seed=3, replay=recorded, workers=1
    )
    assert again.candidate == first.candidate
    assert again.model == first.model
    assert again.baseline == first.baseline
    assert again.threshold == first.threshold
    np.testing.assert_array_equal(again.oof, first.oof)
    assert trials.of("s") == recorded
    assert first.too_short is again.too_short is None


def test_a_search_killed_at_once_goes_on_from_its_trials(trials: FileTrials) -> None:
    """kill -9: recorded trials count, the baseline is not repeated, no worker is left behind."""
    script = Path(__file__).with_name("problems.py")
    process = subprocess.Popen([sys.executable, str(script), str(trials.path), "1000 trials"], start_new_session=True)
    while len(trials.of("killed")) < 4:
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = trials.of("killed")
    budget = Budget(trials=len(before))  # the baseline does not count: one more trial
    result = search(small_problem(learners=["linear"]), name="killed", budget=budget, trials=trials)
    assert [t.number for t in result.trials][: len(before)] == [t.number for t in before]
    assert len(result.trials) == len(before) + 1
    assert sum(t.number == 0 for t in result.trials) == 1
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.1)
    else:
        pytest.fail("a worker outlived its parent")


def test_a_spent_time_budget_leaves_only_the_finish(trials: FileTrials) -> None:
    """A search that had used its time before it was killed starts no further trial."""
    problem = small_problem(learners=["linear"])
    search(problem, name="s", budget=Budget.parse("3 trials"), trials=trials)
    lines = [json.loads(line) for line in trials.path.read_text().splitlines()]
    lines[-1]["details"]["elapsed_s"] = 60.0
    trials.path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = search(problem, name="s", budget=Budget.parse("60s"), trials=trials)
    assert len(result.trials) == 4
    assert result.candidate.number > 0


@pytest.mark.usefixtures("plug_in")
def test_a_worker_that_dies_or_raises_costs_one_trial(trials: FileTrials) -> None:
    """The reason is recorded, and the search goes on with the other learners."""
    problem = small_problem(learners=["dies", "raises", "linear"])
    result = search(problem, name="s", budget=Budget.parse("5 trials"), trials=trials)
    errors = {t.learner: t.details["error"] for t in result.trials if t.state == "failed"}
    assert "exit code 7" in errors["dies"]
    assert "no luck" in errors["raises"]
    assert result.candidate.learner == "linear"


@pytest.mark.usefixtures("plug_in")
def test_a_fit_that_overruns_is_killed(trials: FileTrials) -> None:
    """The deadline is kept by force, and what there is wins."""
    problem = small_problem(learners=["neverends"])
    result = search(problem, name="s", budget=Budget.parse("3s"), trials=trials, workers=1)
    assert [t.state for t in result.trials] == ["done", "timeout"]
    assert result.candidate.learner == "dummy"
    told = re.search(
        r"the first fit was stopped after \d s; about (\d+)s is needed: --budget \1s;", result.too_short or ""
    )
    assert told is not None
    assert int(told[1]) > 3
    assert result.seconds < 30


@pytest.mark.usefixtures("plug_in")
def test_a_candidate_that_cannot_be_finished_makes_way_for_the_next(trials: FileTrials) -> None:
    """A learner that fails only on folds: the model is that of another learner, and a warning says why."""
    problem = small_problem(learners=["dieslater", "linear"])
    for number, learner in enumerate(("dummy", "dieslater", "linear")):
        details = {"params": {} if number == 0 else {"C": 1.0, "balance": "none"}, "fit_s": 0.01}
        trials.add("s", number, learner, {}, "done", [0.5, 0.9, 0.8][number], details=details)
    result = search(problem, name="s", budget=Budget.parse("2 trials"), trials=trials)
    assert result.candidate.learner == "linear"
    assert "dieslater" in result.warnings[0]


@pytest.mark.parametrize(("value", "learner"), [(0.9, "linear"), (0.4, "dummy")])
def test_a_candidate_that_came_too_late_is_better_than_none(value: float, learner: str, trials: FileTrials) -> None:
    """On a busy machine the only trial may end without time left to finish it; it still beats a baseline that it beat."""
    trials.add("s", 0, "dummy", {}, "done", 0.5, details={"params": {}, "elapsed_s": 0.0})
    details = {"params": {"C": 1.0, "balance": "none"}, "fit_s": 5.0, "eligible": False, "elapsed_s": 59.0}
    trials.add("s", 1, "linear", {}, "done", value, details=details)
    problem = small_problem(learners=["linear"])
    result = search(problem, name="s", budget=Budget.parse("59s"), trials=trials)
    assert result.candidate.learner == learner


def test_validation_rows_of_one_class_do_not_stop_a_search(trials: FileTrials) -> None:
    """ROC-AUC is undefined there; the folds of the training rows decide."""
    problem = small_problem(valid_y=np.zeros(100, np.int64), learners=["linear"])
    result = search(problem, name="s", budget=Budget.parse("1 trials"), trials=trials)
    assert result.candidate.number > 0


def test_a_rare_class_does_not_stop_a_search(trials: FileTrials) -> None:
    """A class of one training row, and one that only validation rows have."""
    problem = small_problem(Task.MULTICLASS, n_classes=5)
    problem.y[0], problem.valid_y[0] = 3, 4
    result = search(problem, name="s", budget=Budget.parse("3 trials"), trials=trials)
    assert result.candidate.number > 0
    assert result.oof.shape == (300, 5)


@pytest.mark.parametrize(("n", "n_valid"), [(1, 1), (2, 2), (12, 4)])
def test_a_handful_of_rows_is_enough_to_end(n: int, n_valid: int, trials: FileTrials) -> None:
    """Folds, calibration and early stopping give way."""
    result = search(small_problem(n=n, n_valid=n_valid), name="s", budget=Budget.parse("3 trials"), trials=trials)
    fresh, _ = frame_of(5, seed=1)
    assert graph_answers(result.model, pack(fresh, result.layout)).shape == (5, 2)


@pytest.mark.parametrize(
    ("change", "error", "named"),
    [
        ({"strategy": "reinforcement"}, DeclarationError, "bayesian, evolutionary, grid, random"),
        ({"metric": "rmse"}, DeclarationError, "rmse"),
        ({"learners": ["linaer"]}, DeclarationError, "linear"),
        ({"learners": []}, SearchError, "no learner"),
        ({"n_valid": 0}, SearchError, "validation rows"),
    ],
)
def test_what_cannot_start_is_named(change: dict, error: type, named: str, trials: FileTrials) -> None:
    """Before anything is fitted."""
    strategy = change.pop("strategy", "bayesian")
    with pytest.raises(error, match=named):
        search(small_problem(**change), name="s", budget=Budget.parse("1 trials"), trials=trials, strategy=strategy)
