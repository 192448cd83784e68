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
from penstock.data.folds import GROW, STOP, assign_folds, hold_out, rows_to_stop_by
from penstock.learning.budget import Budget
from penstock.learning.learners.linear import Linear
from penstock.learning.prepared import Prepared
from penstock.learning.search import search


def test_a_group_is_in_one_fold() -> None:
    """And every fold has some; classes are spread evenly, as whole groups allow."""
    groups = np.arange(300) % 40
    y = (groups < 8).astype(np.int64)
    folds = assign_folds(y, Task.BINARY, 5, 0, groups=groups)
    assert len(set(zip(groups.tolist(), folds.fold.tolist(), strict=True))) == 40
    assert folds.count == 5
    held = [int(y[folds.outside(k)].sum()) for k in range(5)]
    assert max(held) - min(held) <= 9  # a group has 7 or 8 rows
    for k in range(5):
        assert not set(groups[folds.inside(k)].tolist()) & set(groups[folds.outside(k)].tolist())


@settings(deadline=None)
@given(st.lists(st.integers(0, 12), min_size=2, max_size=80), st.integers(1, 5), st.integers(0, 4))
def test_folds_by_time_are_predicted_from_older_rows_alone(times: list[int], n_folds: int, gap: int) -> None:
    """Whatever times repeat how often; older by the gap; rows of one time share a fold, and none is empty."""
    when = np.array(times, dtype=np.float64)
    folds = assign_folds(np.zeros(len(when)), Task.REGRESSION, n_folds, 0, times=when, gap=float(gap))
    assert set(folds.fold.tolist()) - {-1} == set(range(folds.count))
    assert folds.count <= n_folds
    if not gap:
        assert folds.count == min(n_folds, len(set(times)) - 1)
    order = np.argsort(when, kind="stable")
    assert (np.diff(folds.fold[order]) >= 0).all()
    assert len(set(zip(times, folds.fold.tolist(), strict=True))) == len(set(times))
    for k in range(folds.count):
        inside, outside = when[folds.inside(k)], when[folds.outside(k)]
        assert len(inside)
        assert inside.max() < outside.min()
        assert outside.min() - inside.max() >= gap


def test_folds_by_time_are_alike_in_size() -> None:
    """Where times differ; rows without a time come first, and are predicted by none."""
    times = np.r_[-np.inf, np.random.default_rng(0).permutation(119)]
    folds = assign_folds(np.zeros(120), Task.REGRESSION, 5, 0, times=times)
    assert np.bincount(folds.fold + 1).tolist() == [20] * 6
    assert folds.fold[0] == -1


def test_early_stopping_goes_by_whole_groups_or_the_newest_rows() -> None:
    """By time with the gap; at random a learner chooses for itself."""
    y = np.arange(400) % 2
    groups = np.arange(400) % 50
    use = rows_to_stop_by(y, Task.BINARY, 0, groups, None, 0.0)
    assert use is not None
    assert not set(groups[use == STOP].tolist()) & set(groups[use == GROW].tolist())
    assert 20 <= (use == STOP).sum() <= 60
    use = rows_to_stop_by(y, Task.BINARY, 0, None, np.arange(400.0), 15.0)
    assert use is not None
    assert np.flatnonzero(use == STOP).tolist() == list(range(360, 400))
    assert np.flatnonzero(use == GROW).tolist() == list(range(346))
    assert rows_to_stop_by(y, Task.BINARY, 0, None, None, 0.0) is None


def test_what_folds_settle_by_time_knows_nothing_newer(tmp_path: Path) -> None:
    """Out-of-fold answers are those of models of older rows; the oldest rows have none."""
    problem = small_problem(Task.BINARY, learners=["linear"], times=np.arange(300.0), gap=10.0)
    found = search(
        problem, name="time", budget=Budget.parse("1 trials"), trials=FileTrials(tmp_path / "trials"), workers=1
    )
    assert np.isnan(found.oof[:50]).all()
    assert np.isfinite(found.oof[50:]).all()
    prepared = Prepared(problem, tmp_path, 0)
    tail = Linear().tail(Task.BINARY)
    k = prepared.folds.count - 1
    recipe = prepared.recipe(tail, k)
    inside, outside = prepared.folds.inside(k), prepared.folds.outside(k)
    X = recipe.transform_training(problem.frame.take(inside))
    fitted = Linear().fit(X, problem.y[inside], shape=prepared.shape(tail), params=found.candidate.params, threads=1)
    own = fitted.predict(recipe.transform(problem.frame.take(outside)))
    np.testing.assert_allclose(found.fitted.calibrator.apply(own), found.oof[outside], atol=1e-6)


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


DEALT = {
    "features": "4",
    "search": "6",
    "nested": "3",
    "fallback": "3",
    "folds": "sha256:26a4006a9994bf31fd049a6af7a60445539924dc368427f9da4a4eff84cd736c",
}
"""What rows are dealt into by the code of these stages."""


def test_whoever_changes_the_folds_raises_the_code_of_the_stages_that_use_them() -> None:
    """Else a project would take a search of other folds for one of these. Raise `CODE`, then write the new text here."""
    from penstock.lifecycle.stages import CODE
    from penstock.objects.digests import digest_of

    dice = np.random.default_rng(0)
    y, value = (dice.random(400) < 0.2).astype(np.int64), dice.normal(size=400)
    groups, times = dice.integers(0, 60, 400), np.floor(dice.random(400) * 90)
    found = []
    for of, task in ((y, Task.BINARY), (value, Task.REGRESSION)):
        for named in ({}, {"groups": groups}, {"times": times, "gap": 3.0}):
            found.append(assign_folds(of, task, 5, 7, **named).fingerprint)
            held = (
                *hold_out(of, task, 0.2, 7, **named),
                rows_to_stop_by(of, task, 7, named.get("groups"), named.get("times"), 3.0),
            )
            found += [digest_of(rows.tobytes()) for rows in held if rows is not None]
    many = np.repeat(np.arange(6_000), 2)  # so many groups are dealt within layers
    found.append(assign_folds(many % 7 // 6, Task.BINARY, 5, 7, groups=many).fingerprint)
    dealt = digest_of("".join(found).encode())
    assert {**{name: CODE[name] for name in DEALT if name in CODE}, "folds": dealt} == DEALT


def test_a_fingerprint_tells_folds_apart_that_are_fitted_on_other_rows() -> None:
    """The same blocks with a gap between them are other folds."""
    y, times = np.zeros(60), np.arange(60.0)
    with_gap = [assign_folds(y, Task.REGRESSION, 3, 0, times=times, gap=gap) for gap in (0.0, 4.0)]
    assert np.array_equal(with_gap[0].fold, with_gap[1].fold)
    assert with_gap[0].fingerprint != with_gap[1].fingerprint
    assert assign_folds(y, Task.REGRESSION, 3, 0).fingerprint != assign_folds(y, Task.REGRESSION, 3, 1).fingerprint
