"""Folds keep classes, groups and time as the split does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.learning.problems import FileTrials, small_problem

from penstock.bundle.kinds import Task
from penstock.learning.budget import Budget
from penstock.learning.folds import assign_folds
from penstock.learning.search import search


def test_a_group_is_in_one_fold() -> None:
    """And every fold has some."""
    groups = np.arange(300) % 40
    fold = assign_folds(np.zeros(300, np.int64), Task.BINARY, 5, 0, groups=groups)
    assert len(set(zip(groups.tolist(), fold.tolist(), strict=True))) == 40
    assert set(fold.tolist()) == set(range(5))


@settings(deadline=None)
@given(st.lists(st.integers(0, 12), min_size=2, max_size=80), st.integers(2, 5))
def test_folds_by_time_are_blocks_and_none_is_empty(times: list[int], n_folds: int) -> None:
    """Whatever times repeat how often; rows of one time share a fold."""
    when = np.array(times, dtype=np.float64)
    n_folds = min(n_folds, len(set(times)))
    fold = assign_folds(np.zeros(len(when)), Task.REGRESSION, n_folds, 0, times=when)
    assert set(fold.tolist()) == set(range(n_folds))
    order = np.argsort(when, kind="stable")
    assert (np.diff(fold[order]) >= 0).all()
    assert len(set(zip(times, fold.tolist(), strict=True))) == len(set(times))


def test_folds_by_time_are_alike_in_size() -> None:
    """Where times differ; rows without a time come first."""
    times = np.r_[-np.inf, np.random.default_rng(0).permutation(99)]
    fold = assign_folds(np.zeros(100), Task.REGRESSION, 5, 0, times=times)
    assert np.bincount(fold).tolist() == [20] * 5
    assert fold[0] == 0


@pytest.mark.parametrize("how", ["times", "two groups", "one group"])
def test_a_search_goes_on_though_a_fold_lacks_a_class(how: str, tmp_path: Path) -> None:
    """A class that appears only late, or in one group; where there is one group, no fold can be made."""
    y = small_problem(Task.MULTICLASS).y
    folds: dict[str, Any] = {
        "times": {"times": np.argsort(np.argsort(y, kind="stable"))},
        "two groups": {"groups": (y == y.max()).astype(int)},
        "one group": {"groups": np.zeros(len(y), int)},
    }[how]
    problem = small_problem(Task.MULTICLASS, learners=["linear"], **folds)
    assert problem.n_folds == {"times": 5, "two groups": 2, "one group": 1}[how]
    found = search(
        problem, name="late", budget=Budget.parse("1 trials"), trials=FileTrials(tmp_path / "trials"), workers=1
    )
    assert [trial.state for trial in found.trials if trial.learner == "linear"] == ["done"]
    assert found.warnings == ()
