"""target_encode, against scikit-learn's TargetEncoder; cross-fitted in training, and only there."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import TargetEncoder

from penstock import parts
from penstock.bundle.kinds import Task
from penstock.errors import RecipeError
from penstock.features.fit import fit_recipe
from penstock.features.recipe import Recipe
from penstock.features.step import GROUP, Columns, CrossFitted, Form, Target
from penstock.features.steps.target_encode import TargetEncode, folds_of
from penstock.features.vocabulary import numbered
from penstock.testing.step import apply

TASKS = {Task.BINARY: "binary", Task.MULTICLASS: "multiclass", Task.REGRESSION: "continuous"}


def _target(task, n, seed):
    generator = np.random.default_rng(seed)
    if task is Task.REGRESSION:
        return Target(generator.normal(1e4, 50, n), task)
    n_classes = 2 if task is Task.BINARY else 3
    return Target(generator.permutation(np.arange(n) % n_classes), task)


def _columns(n, seed):
    generator = np.random.default_rng(seed)
    values = generator.choice(
        np.array(["", "a", "b", "é", "rare"], dtype=object), (n, 2), p=[0.1, 0.4, 0.3, 0.17, 0.03]
    )
    return Columns(values.astype(object), ("x", "y"), Form.STRINGS)


def _theirs(task, smooth):
    return TargetEncoder(target_type=TASKS[task], smooth=smooth)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(("smoothing", "smooth"), [("auto", "auto"), ("fixed", 7.0)])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), n=st.integers(8, 80))
def test_it_is_the_target_encoder(task, smoothing, smooth, seed, n):
    """Serving values as theirs after `fit`; an unseen value gets the mean of all rows."""
    train, target = _columns(n, seed), _target(task, n, seed)
    rows = Columns(np.vstack([train.values, np.array([["never", "a"]], dtype=object)]), train.names, Form.STRINGS)
    fitted = TargetEncode(smoothing, 7.0).fit([train], target, seed=0)
    theirs = _theirs(task, smooth).fit(train.values, target.values)
    expected = theirs.transform(rows.values)
    scale = max(1.0, float(np.abs(expected).max()))
    assert np.allclose(apply(fitted, rows), expected, atol=1e-5 * scale)


@pytest.mark.parametrize("task", TASKS)
def test_each_training_row_is_told_what_the_others_say(task):
    """As their encoder, fitted on all folds but the row's own."""
    train, target = _columns(90, 3), _target(task, 90, 3)
    fitted = TargetEncode(folds=4).fit([train], target, seed=5)
    assert isinstance(fitted, CrossFitted)
    fold = folds_of(target, 4, 5)
    assert np.bincount(fold).tolist() == [23, 23, 22, 22]
    for k in range(4):
        theirs = _theirs(task, "auto").fit(train.values[fold != k], target.values[fold != k])
        expected = theirs.transform(train.values[fold == k])
        assert np.allclose(fitted.training_values[fold == k], expected, rtol=1e-5, atol=1e-5)


def test_a_column_that_says_nothing_tells_nothing_of_its_own_rows():
    """Every row has a value of its own: in one go it would be the target itself."""
    n = 200
    names = Columns(np.array([[f"id{i}"] for i in range(n)], dtype=object), ("id",), Form.STRINGS)
    target = _target(Task.BINARY, n, 0)
    fitted = TargetEncode("fixed", 0.0).fit([names], target, seed=0)
    assert np.array_equal(apply(fitted, names).ravel(), target.values)
    assert np.abs(fitted.training_values - 0.5).max() < 0.02


def test_learners_and_later_steps_learn_from_the_cross_fitted_values(table):
    """What comes after a cross-fitted step is fitted on them too; other rows get the serving values."""
    n = 120
    jobs = np.random.default_rng(0).choice(["a", "b", "c"], n).tolist()
    frame, specs = table(job=("categorical", jobs), age=("numeric", list(range(n))))
    y = np.arange(n) % 2
    recipe = Recipe.parse('outputs = ["age", "standardise(target_encode(job))", "target_encode(job)"]')
    fitted = fit_recipe(recipe, None, frame, specs, y, Task.BINARY, 0)
    training, serving = fitted.transform_training(frame), fitted.transform(frame)
    assert np.array_equal(training[:, 0], serving[:, 0])
    assert not np.allclose(training[:, 2], serving[:, 2])
    crossed = training[:, 2].astype(np.float64)
    assert np.allclose(training[:, 1], (crossed - crossed.mean()) / crossed.std(), atol=1e-5)
    with pytest.raises(ValueError, match="the rows of the fit"):
        fitted.transform_training(frame.take(slice(0, 5)))
    assert np.array_equal(fitted.transform(frame.take(slice(3, 4)))[0], serving[3])


def test_other_recipes_train_on_what_they_serve(table):
    """The exemption is by declaration, and only for the steps that declare it."""
    frame, specs = table(job=("categorical", ["a", "b", "a", "c"]), age=("numeric", [1, 2, 3, 4]))
    fitted = fit_recipe(Recipe.parse('outputs = ["age", "counts(job)"]'), None, frame, specs, None, Task.BINARY, 0)
    assert np.array_equal(fitted.transform_training(frame), fitted.transform(frame))
    declared = {name for name in parts.names(GROUP) if getattr(parts.load(GROUP, name), "cross_fitted", False)}
    assert declared == {"target_encode"}


def test_without_a_target_it_is_refused(table):
    """With what to use instead."""
    frame, specs = table(job=("categorical", ["a", "b"]))
    with pytest.raises(RecipeError, match="has no target to learn from"):
        fit_recipe(Recipe.parse('outputs = ["target_encode(job)"]'), None, frame, specs, None, Task.BINARY, 0)


def test_a_zero_byte_at_an_end_makes_another_value() -> None:
    """As it does when it is served; and one long value makes no room for itself in every row."""
    values, codes = numbered(np.array(["a\0", "a", "x" * 100_000, "a"] * 1000, dtype=object))
    assert values == ["a", "a\0", "x" * 100_000]
    assert codes[:4].tolist() == [1, 0, 2, 0]
