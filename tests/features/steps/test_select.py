"""Selection: against scikit-learn or a direct formula; what is dropped, why, and what it would cost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.feature_selection import VarianceThreshold
from sklearn.inspection import permutation_importance
from sklearn.linear_model import Lasso, LinearRegression
from sklearn.metrics import mutual_info_score

from penstock.bundle.kinds import Task
from penstock.errors import RecipeError
from penstock.features.selection import FittedSelection, Rule, select
from penstock.features.step import Columns, Form, Target
from penstock.features.steps.select_information import SelectInformation, information
from penstock.features.steps.select_l1 import SelectL1, correlations, lasso
from penstock.features.steps.select_permutation import SelectPermutation, importances
from penstock.features.steps.select_variance import SelectVariance
from penstock.testing.step import apply, same_bits

STEPS = [SelectVariance(), SelectInformation(), SelectL1(), SelectPermutation()]


def _planted(n: int = 600, task: Task = Task.BINARY) -> tuple[Columns, Target]:
    """c0 and c1 make the target, c3 is a copy of c0 with noise, c4 is constant, the others say nothing."""
    random = np.random.default_rng(3)
    X = random.normal(size=(n, 8)).astype(np.float32)
    X[:, 3] = X[:, 0] + 0.3 * random.normal(size=n)
    X[:, 4] = 7
    score = 2 * X[:, 0] + 1.5 * X[:, 1] + 0.3 * random.normal(size=n)
    y = {
        Task.BINARY: (score > 0).astype(np.int64),
        Task.MULTICLASS: np.digitize(score, [-1, 1]),
        Task.REGRESSION: score,
    }
    X[::13, 0] = np.nan
    return Columns(X, tuple(f"c{j}" for j in range(8)), Form.NUMBERS), Target(y[task].astype(y[task].dtype), task)


@pytest.mark.parametrize("task", list(Task))
@pytest.mark.parametrize("step", STEPS[1:], ids=lambda step: step.name)
def test_what_makes_the_target_is_kept_and_what_says_nothing_is_dropped(step, task):
    """For each kind of target; a constant is never kept."""
    columns, target = _planted(2000, task)
    fitted = step.fit([columns], target, seed=0)
    assert {"c0", "c1"} <= set(fitted.names)
    assert "c4" not in fitted.names
    assert len({"c2", "c5", "c6", "c7"} & set(fitted.names)) <= 1


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_the_graph_takes_the_columns_as_they_are(step):
    """A gather: the very bits of the columns that are kept, in their order."""
    columns, target = _planted()
    fitted = step.fit([columns], target, seed=0)
    assert 0 < len(fitted.names) < 8
    assert same_bits(apply(fitted, columns), columns.values[:, list(fitted.places)])
    assert [c.name for c in fitted.choices] == list(columns.names)
    assert [c.name for c in fitted.choices if c.kept] == list(fitted.names)
    assert all(c.why for c in fitted.choices)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_most_bounds_how_many_are_kept(step):
    """The best ones, and the others say so."""
    columns, target = _planted()
    fitted = type(step)(most=1).fit([columns], target, seed=0)
    assert len(fitted.names) == 1
    scores = [c.score for c in fitted.choices]
    assert fitted.names == (columns.names[int(np.argmax(scores))],)
    assert any("not among the best 1" in c.why for c in fitted.choices)


def test_variance_is_that_of_scikit_learn():
    """The same columns and the same variances."""
    columns, _ = _planted()
    theirs = VarianceThreshold(0.99).fit(columns.values.astype(np.float64))
    fitted = SelectVariance(0.99).fit([columns], None, seed=0)
    assert np.allclose([c.score for c in fitted.choices], theirs.variances_, atol=1e-5)
    assert list(fitted.places) == theirs.get_support(indices=True).tolist()


def test_information_is_mutual_information_less_chance():
    """Against scikit-learn's mutual_info_score, and the chi-squared distribution of chance."""
    random = np.random.default_rng(0)
    for _ in range(20):
        a = random.integers(0, 7, 500)
        b = np.where(random.random(500) < 0.5, a % 3, random.integers(0, 3, 500))
        chance = (12 + 2 * np.sqrt(24)) / 1000  # (7 - 1)(3 - 1) = 12
        assert information(a, b) == pytest.approx(max(0.0, mutual_info_score(a, b) - chance), abs=1e-9)


def test_information_takes_categories_and_missing_values(block):
    """A missing value is a value: here it is what tells."""
    y = np.arange(400) % 2
    texts = ["" if one else "abc"[i % 3] for i, one in enumerate(y)]
    noise = list("xy" * 200)
    random = np.random.default_rng(4)
    shuffled = random.permutation(noise).tolist()
    columns = block(Form.STRINGS, texts, shuffled)
    fitted = SelectInformation().fit([columns], Target(y, Task.BINARY), seed=0)
    assert fitted.names == ("a",)
    numbers = block(Form.NUMBERS, np.where(y == 1, np.nan, random.normal(size=400)), random.normal(size=400))
    assert SelectInformation().fit([numbers], Target(y, Task.BINARY), seed=0).names == ("a",)


@pytest.mark.parametrize("strength", [0.5, 0.1, 0.01])
def test_l1_is_the_lasso(strength):
    """Weights within 1e-5 of scikit-learn's, and the conditions of the minimum hold for those that are 0."""
    columns, target = _planted(task=Task.REGRESSION)
    products, answers = correlations(columns.values, target.values[:, None])
    penalty = strength * np.abs(answers).max()
    weights = lasso(products, answers[:, 0], penalty)
    X = columns.values.astype(np.float64)
    X = np.where(np.isnan(X), np.nanmean(X, axis=0), X)
    X = (X - X.mean(axis=0)) / np.where(X.std(axis=0) > 0, X.std(axis=0), 1)
    y = (target.values - target.values.mean()) / target.values.std()
    theirs = Lasso(alpha=penalty, fit_intercept=False, tol=1e-12, max_iter=100_000).fit(X, y)
    assert np.allclose(weights, theirs.coef_, atol=1e-5)
    slope = answers[:, 0] - products @ weights
    assert np.all(np.abs(slope[weights == 0]) <= penalty + 1e-9)


@pytest.mark.parametrize("factor", [0.5, -4.0, 1.0])
def test_l1_keeps_one_of_two_columns_that_say_the_same(factor):
    """The other one had a weight of 1e-15, by rounding, and was kept."""
    x = np.random.default_rng(3).normal(size=(3000, 2)).astype(np.float32)
    columns = Columns(np.column_stack([x, x[:, 0] * np.float32(factor)]), ("a", "b", "again"), Form.NUMBERS)
    fitted = SelectL1(0.1).fit([columns], Target((x[:, 0] > 0).astype(np.int64), Task.BINARY), seed=0)
    assert fitted.names == ("a",)


def test_permutation_is_the_importance_of_scikit_learn():
    """Over many shuffles both means agree, and twice the squared weight is the formula for a linear model."""
    random = np.random.default_rng(1)
    X = random.normal(size=(4000, 3))
    y = X @ [1.0, 0.5, 0.0] + 0.1 * random.normal(size=4000)
    model = LinearRegression().fit(X, y)
    ours = importances(model.predict, X, y, lambda p, t: float(((p - t) ** 2).mean()), 20, np.random.default_rng(0))
    theirs = permutation_importance(model, X, y, scoring="neg_mean_squared_error", n_repeats=20, random_state=0)
    assert np.allclose(ours, theirs.importances_mean, rtol=0.05, atol=1e-5)
    assert np.allclose(ours, 2 * model.coef_**2 * X.var(axis=0), rtol=0.05, atol=1e-4)


def test_permutation_holds_out_what_the_split_would():
    """A column that says of which group a row is helps with rows of groups that are known; held out are new ones, as when serving."""
    found = {"random": [], "group": [], "time": []}
    for seed in range(4):
        random = np.random.default_rng(seed)
        group = np.repeat(np.arange(300), 8)  # the rows of a group follow each other
        y = random.integers(0, 2, 300)[group] ^ (random.random(2400) < 0.1)
        X = np.stack([random.permutation(300)[group], random.normal(size=2400)], axis=1).astype(np.float32)
        columns, target = Columns(X, ("g", "x"), Form.NUMBERS), Target(y.astype(np.int64), Task.BINARY)
        late = replace(target, times=np.arange(2400.0), gap=5.0)
        for how, tied in (("random", target), ("group", replace(target, groups=group)), ("time", late)):
            found[how].append(SelectPermutation().fit([columns], tied, seed=0).choices[0].score)
    assert min(found["random"]) > 0.2
    assert max(np.mean(found["group"]), np.mean(found["time"])) < 0.06
    alone = SelectPermutation().fit([columns], replace(target, groups=np.zeros(2400)), seed=0)
    assert alone.choices[0].why == "one group or time alone: no rows can be held out"


def test_a_price_drops_what_is_not_worth_its_cost():
    """Costs are paid once for all features of a column, and those of a dear column together must bring it."""
    names = ("a=1", "a=2", "b", "c")
    origins = tuple(map(frozenset, ({"a"}, {"a"}, {"b"}, {"c"})))
    columns = Columns(np.zeros((1, 4), np.float32), names, Form.NUMBERS, origins, {"a": 1.0, "b": 1.0})
    scores = np.array([0.06, 0.06, 0.09, 0.01])
    kept = select(columns, Rule(scores, "score {}", 0.0, 10, price=0.1))
    assert kept.names == ("a=1", "a=2", "c")  # 0.12 for 1; 0.09 is too little for 1; c costs nothing
    assert kept.choices[2].why == "score 0.09, brings 0.09 for a cost of 1"
    assert select(columns, Rule(scores, "score {}", 0.0, 10)).names == names


def test_few_rows_keep_everything():
    """Nothing is told from noise; the reason says so."""
    columns, target = _planted(15)
    for step in STEPS[1:]:
        fitted = step.fit([columns], target, seed=0)
        assert fitted.names == columns.names
        assert "too few rows" in fitted.choices[0].why


@pytest.mark.parametrize("step", STEPS[1:], ids=lambda step: step.name)
def test_without_a_target_it_says_so(step):
    """Rows without a target."""
    with pytest.raises(RecipeError, match="no target to choose by"):
        step.fit([_planted()[0]], None, seed=0)


def test_a_selection_finds_its_columns_in_a_smaller_block():
    """By name, wherever they stand."""
    columns, target = _planted()
    fitted = SelectL1().fit([columns], target, seed=0)
    smaller = fitted.within(("c7", "c3", *fitted.names)) if "c3" not in fitted.names else fitted.within(fitted.names)
    assert isinstance(smaller, FittedSelection)
    assert [smaller.of[j] for j in smaller.places] == list(fitted.names)
