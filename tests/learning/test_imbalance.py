"""Unequal classes: what is done is done to fitted rows alone, and probabilities stay those of the real rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.learning.problems import FileTrials, small_problem

from penstock.bundle.graph import open_session
from penstock.bundle.kinds import Task
from penstock.bundle.packing import pack
from penstock.errors import SearchError
from penstock.learning import imbalance
from penstock.learning.budget import Budget
from penstock.learning.decide import cost_threshold, mean_cost
from penstock.learning.imbalance import METHODS, nominal_of, prior_shift, resampled, synthetic, wanted_counts
from penstock.learning.learner import Shape, Space
from penstock.learning.learners.lightgbm import LightGBM
from penstock.learning.learners.linear import Linear
from penstock.learning.prepared import Prepared
from penstock.learning.problem import SearchProblem
from penstock.learning.result import SearchResult
from penstock.learning.search import search


def rare_problem(share: float = 0.1, n: int = 800, task: Task = Task.BINARY, **more: Any) -> SearchProblem:
    """The small problem with a rare class, whose rows depend on the features."""
    problem = small_problem(Task.REGRESSION, n=n, n_valid=600)
    score = np.concatenate([problem.y, problem.valid_y])
    cuts = [1 - share] if task is Task.BINARY else [1 - 3 * share, 1 - share]
    y = np.searchsorted(np.quantile(score, cuts), score).astype(np.int64)
    fixed: dict[str, Any] = {"n_classes": len(cuts) + 1, "metric": "log_loss"}
    return small_problem(task, n=n, n_valid=600, y=y[:n], valid_y=y[n:], **{**fixed, **more})


def found(problem: SearchProblem, tmp_path: Path, trials: str = "1 trials") -> SearchResult:
    return search(problem, name="rare", budget=Budget.parse(trials), trials=FileTrials(tmp_path / "trials"), workers=1)


@pytest.mark.parametrize(
    ("learner", "method"),
    [("linear", "weights"), ("linear", "undersample"), ("lightgbm", "oversample"), ("lightgbm", "smote")],
)
def test_probabilities_mean_shares_of_real_rows_whatever_is_done(tmp_path: Path, learner: str, method: str) -> None:
    """The graph's mean probability of validation rows is the share of the rare class among them, within chance."""
    problem = rare_problem(learners=[learner], imbalance=method)
    result = found(problem, tmp_path)
    assert result.candidate.params["imbalance"] == method
    graph = open_session(result.model).run(None, pack(problem.valid_frame, result.layout))[0]
    np.testing.assert_allclose(graph, result.reference(problem.valid_frame), atol=2e-5)
    share, told = float(problem.valid_y.mean()), float(graph[:, 1].mean())
    assert abs(told - share) < 0.04, (told, share)  # fitted without the prior put right: above 0.25
    oof = result.oof
    assert oof.shape == (len(problem.y), 2)  # of the real rows, each once
    assert abs(float(oof[:, 1].mean()) - float(problem.y.mean())) < 0.02


def test_more_classes_keep_their_shares_too(tmp_path: Path) -> None:
    """A temperature alone could not put them right."""
    problem = rare_problem(task=Task.MULTICLASS, learners=["linear"], imbalance="weights")
    result = found(problem, tmp_path)
    told = result.reference(problem.valid_frame).mean(axis=0)
    shares = np.bincount(problem.valid_y, minlength=3) / len(problem.valid_y)
    np.testing.assert_allclose(told, shares, atol=0.04)


def test_without_the_prior_the_probabilities_would_be_far_off() -> None:
    """So the test above can fail: the learner itself believes that half of the rows are of the rare class."""
    problem = rare_problem()
    X, y = problem_matrix(problem)
    shape = Shape(len(y), X.shape[1], Task.BINARY, 2)
    fitted = imbalance.fit(Linear(), X, y, shape=shape, params={"imbalance": "oversample"})
    assert isinstance(fitted, imbalance.PriorRestored)
    assert fitted.fitted.predict(X)[:, 1].mean() > 0.2
    assert abs(fitted.predict(X)[:, 1].mean() - y.mean()) < 0.02
    np.testing.assert_array_equal(  # and the order of the rows is that of the learner
        np.argsort(fitted.predict(X)[:, 1]), np.argsort(fitted.fitted.predict(X)[:, 1])
    )


def problem_matrix(problem: SearchProblem) -> tuple[np.ndarray, np.ndarray]:
    numbers = np.column_stack([np.nan_to_num(problem.frame[c].astype(float)) for c in ("a", "b")])
    return numbers.astype(np.float32), problem.y


def test_the_search_chooses_among_the_ways(tmp_path: Path) -> None:
    """Each is tried once at first; the learner's own balance is no parameter beside it."""
    problem = rare_problem(n=400, learners=["linear"], imbalance="search")
    result = found(problem, tmp_path, "7 trials")
    trials = [t for t in result.trials if t.learner == "linear"]
    assert {t.params["imbalance"] for t in trials} == set(METHODS)
    assert all("balance" not in t.params for t in trials)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(0, 400), min_size=2, max_size=6).filter(lambda c: sum(n > 0 for n in c) > 1),
    st.sampled_from(METHODS),
    st.integers(0, 5),
)
def test_resampled_rows_are_as_many_as_were_wanted(counts: list[int], method: str, seed: int) -> None:
    """Classes that are there stay, none comes into being, and the bounds hold; the same seed gives the same rows."""
    y = np.repeat(np.arange(len(counts)), counts)
    X = np.random.default_rng(1).normal(size=(len(y), 3)).astype(np.float32)
    told, labels = resampled(X, y, method, len(counts), seed=seed)
    after = np.bincount(labels, minlength=len(counts))
    np.testing.assert_array_equal(after, wanted_counts(np.array(counts, float), method).astype(int))
    assert ((after > 0) == (np.array(counts) > 0)).all()
    assert len(labels) <= 2 * len(y)
    assert len(labels) >= 0.1 * len(y)
    if method != "undersample":
        np.testing.assert_array_equal(told[: len(y)], X)
    again, _ = resampled(X, y, method, len(counts), seed=seed)
    np.testing.assert_array_equal(told, again)
    own = {row.tobytes() for row in X}
    if method != "smote":
        assert {row.tobytes() for row in told} <= own


def test_made_up_rows_lie_between_a_row_and_one_of_its_five_nearest() -> None:
    """Held against the formula, row by row."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(60, 4)).astype(np.float32)
    rows = np.arange(40)
    base = np.repeat(rows, 5)
    made = synthetic(X, rows, base, np.random.default_rng(0))
    scaled = X[rows] / X[rows].astype(float).std(axis=0)
    for one, start in zip(made, base, strict=True):
        distance = ((scaled - scaled[start]) ** 2).sum(axis=1)
        near = np.argsort(distance)[1:6]
        ways = X[near] - X[start]
        t = ((one - X[start]) * ways).sum(axis=1) / (ways**2).sum(axis=1)
        off = np.abs(X[start] + t[:, None] * ways - one).max(axis=1)
        assert ((off < 1e-5) & (t > -1e-5) & (t < 1 + 1e-5)).any()


def test_categories_of_made_up_rows_are_the_most_frequent_of_the_neighbours() -> None:
    """One-hot features stay one-hot, codes stay codes, missing stays missing, indicators stay 0 or 1."""
    rng = np.random.default_rng(4)
    n = 80
    job = rng.integers(0, 3, n)
    X = np.column_stack([rng.normal(size=n), np.eye(3)[job], rng.integers(1, 6, n), rng.random(n) < 0.3])
    X = X.astype(np.float32)
    X[::7, 0] = np.nan
    X[::11, 4] = np.nan
    names = ("age", "job=a", "job=b", "job=c", "city", "age is missing")
    nominal = nominal_of(names, ("job", "city"), X)
    assert nominal[0] == -1
    assert len(set(nominal[1:4].tolist())) == 1
    assert len({*nominal[1:].tolist()}) == 3
    made = synthetic(X, np.arange(n), np.arange(n), rng, nominal)
    assert (made[:, 1:4].sum(axis=1) == 1).all()
    assert set(np.unique(made[:, 1:4]).tolist()) == {0.0, 1.0}
    present = made[:, 4][~np.isnan(made[:, 4])]
    assert set(present.tolist()) <= {1.0, 2.0, 3.0, 4.0, 5.0}
    assert set(np.unique(made[:, 5]).tolist()) <= {0.0, 1.0}
    assert np.isnan(made[np.isnan(X[:, 0]), 0]).all()


def test_two_alike_rows_or_one_alone_make_rows_like_themselves() -> None:
    """Nothing can be drawn between them."""
    X = np.array([[1.0, 2.0], [1.0, 2.0], [5.0, 5.0]], dtype=np.float32)
    np.testing.assert_array_equal(synthetic(X, np.array([2]), np.array([2, 2]), np.random.default_rng(0)), X[[2, 2]])
    made = synthetic(X, np.array([0, 1]), np.array([0, 1, 0]), np.random.default_rng(0))
    np.testing.assert_array_equal(made, X[[0, 1, 0]])


def test_rows_by_which_boosting_stops_are_never_drawn_from() -> None:
    """What is resampled holds none of them."""
    rng = np.random.default_rng(5)
    X = np.arange(4000, dtype=np.float32)[:, None]
    y = (rng.random(4000) < 0.1).astype(np.int64)
    seen: list[np.ndarray] = []

    def resample(rows: Any, classes: np.ndarray) -> tuple[Any, np.ndarray]:
        seen.append(rows[:, 0].copy())
        return rows, classes

    use = np.where(np.arange(4000) >= 3600, 1, 0).astype(np.int8)
    use[3500:3600] = -1
    shape = Shape(4000, 1, Task.BINARY, 2)
    LightGBM().fit(X, y, shape=shape, params={}, use=use, resample=resample)
    assert seen[0].tolist() == list(range(3500))


def test_folds_are_never_changed(tmp_path: Path) -> None:
    """What workers predict are the rows themselves."""
    problem = rare_problem(n=400, learners=["linear"], imbalance="smote")
    prepared = Prepared(problem, tmp_path, 0)
    assert sum(prepared.folds.outside(k).sum() for k in range(prepared.folds.count)) == 400
    assert (np.bincount(prepared.y) == np.bincount(problem.y)).all()


def test_what_cannot_be_is_refused_in_words() -> None:
    """Numbers have no classes; words have no rows between them."""
    with pytest.raises(SearchError, match="the target is a number"):
        imbalance.space_with(Space(), "weights", Shape(10, 2, Task.REGRESSION))
    wide = Shape(10, 5000, Task.BINARY, 2, sparse=True)
    with pytest.raises(SearchError, match="does not suit 5000 sparse features"):
        imbalance.space_with(Space(), "smote", wide)
    assert "smote" not in imbalance.space_with(Space(), "search", wide).dimensions["imbalance"].values


def test_the_shift_is_the_ratio_of_the_shares() -> None:
    """Of classes that are there; equal shares give none."""
    shift = prior_shift(np.array([80.0, 20.0, 0.0]), np.array([1.0, 1.0, 0.0]))
    np.testing.assert_allclose(np.exp(shift)[:2], [1, 0.25])
    assert not prior_shift(np.array([80.0, 20.0]), np.array([8.0, 2.0])).any()


def test_costs_move_the_threshold_and_pay(tmp_path: Path) -> None:
    """With a false negative at five times the other, a row costs less than at the metric's threshold or at one half."""
    costs = (1.0, 5.0)
    problem = rare_problem(share=0.3, learners=["linear"], costs=costs, metric="accuracy")
    result = found(problem, tmp_path)
    assert result.threshold == pytest.approx(cost_threshold(*costs))
    p = result.reference(problem.valid_frame)[:, 1]
    at = {t: mean_cost(p, problem.valid_y, t, costs) for t in (result.threshold, 0.5)}
    assert at[result.threshold] < at[0.5]
