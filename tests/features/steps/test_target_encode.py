"""target_encode, against scikit-learn's TargetEncoder; cross-fitted in training, and only there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import TargetEncoder

from penstock import parts
from penstock.bundle.kinds import Task
from penstock.data.folds import assign_folds
from penstock.errors import RecipeError
from penstock.features.fit import fit_recipe
from penstock.features.recipe import Recipe
from penstock.features.step import GROUP, Columns, CrossFitted, Form, Target
from penstock.features.steps.target_encode import TargetEncode
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
    fold = assign_folds(target.values, task, 4, 5).fold
    assert np.bincount(fold).tolist() == [23, 23, 22, 22]
    for k in range(4):
        theirs = _theirs(task, "auto").fit(train.values[fold != k], target.values[fold != k])
        expected = theirs.transform(train.values[fold == k])
        assert np.allclose(fitted.training_values[fold == k], expected, rtol=1e-5, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(
    task=st.sampled_from(list(TASKS)),
    seed=st.integers(0, 1000),
    n=st.integers(12, 80),
    n_groups=st.integers(1, 20),
    n_folds=st.integers(2, 6),
)
def test_no_training_row_is_told_by_its_own_group(task, seed, n, n_groups, n_folds):
    """Whole groups are held back: as their encoder, fitted on the rows of the folds of other groups alone."""
    train, target = _columns(n, seed), _target(task, n, seed)
    groups = np.random.default_rng(seed).integers(0, n_groups, n)
    grouped = replace(target, groups=groups)
    fitted = TargetEncode(folds=n_folds).fit([train], grouped, seed=seed)
    folds = assign_folds(target.values, task, min(n_folds, n), seed, groups=groups)
    for k in range(folds.count):
        inside, held = folds.inside(k), folds.outside(k)
        assert not set(groups[inside]) & set(groups[held])
        expected = _told(task, train, target, inside, held)
        assert np.allclose(fitted.training_values[held], expected, rtol=1e-5, atol=1e-5)
    serving = TargetEncode(folds=n_folds).fit([train], target, seed=seed)
    assert np.array_equal(apply(fitted, train), apply(serving, train)), "served rows are told by all training rows"


@settings(max_examples=20, deadline=None)
@given(
    task=st.sampled_from(list(TASKS)),
    seed=st.integers(0, 1000),
    n=st.integers(12, 80),
    n_times=st.integers(1, 40),
    gap=st.sampled_from([0.0, 2.5]),
)
def test_no_training_row_is_told_by_its_future(task, seed, n, n_times, gap):
    """By time, older rows alone tell, with the gap between them; the oldest rows get the mean of all."""
    train, target = _columns(n, seed), _target(task, n, seed)
    times = np.random.default_rng(seed).integers(0, n_times, n).astype(np.float64)
    fitted = TargetEncode().fit([train], replace(target, times=times, gap=gap), seed=seed)
    folds = assign_folds(target.values, task, 5, seed, times=times, gap=gap)
    for k in range(folds.count):
        inside, held = folds.inside(k), folds.outside(k)
        assert times[inside].max() + gap <= times[held].min()
        assert not set(times[inside]) & set(times[held])
        expected = _told(task, train, target, inside, held)
        assert np.allclose(fitted.training_values[held], expected, rtol=1e-5, atol=1e-5)
    unseen = Columns(np.full((1, 2), "never seen", dtype=object), train.names, Form.STRINGS)
    oldest = fitted.training_values[~folds.predicted]
    assert np.array_equal(oldest, np.repeat(apply(fitted, unseen), len(oldest), axis=0))


def _told(task, train, target, inside, held):
    """What their encoder says of some rows, fitted on others, class by class where these lack one; by none, the mean of all."""
    if not inside.any():
        unseen = replace(train, values=np.full((int(held.sum()), 2), "never seen", dtype=object))
        return apply(TargetEncode().fit([train], target, seed=0), unseen)
    y = target.values[inside]
    if task is not Task.REGRESSION and len(np.unique(y)) < len(np.unique(target.values)):
        n_classes = int(target.values.max()) + 1
        shares = [
            TargetEncoder(target_type="continuous").fit(train.values[inside], (y == c).astype(float))
            for c in ([1] if task is Task.BINARY else range(n_classes))
        ]
        each = [one.transform(train.values[held]) for one in shares]  # (held, columns) of each class
        return np.stack(each, axis=2).reshape(len(each[0]), -1)
    return _theirs(task, "auto").fit(train.values[inside], y).transform(train.values[held])


def test_the_folds_of_rows_that_are_dealt_at_random_are_the_random_ones() -> None:
    """Written out: shuffled, then dealt in turn within each class."""
    for task in TASKS:
        target = _target(task, 77, 4)
        order = np.random.default_rng(9).permutation(77)
        if task is not Task.REGRESSION:
            order = order[np.argsort(target.values[order], kind="stable")]
        fold = np.empty(77, np.int64)
        fold[order] = np.arange(77) % 5
        encode, train = TargetEncode(), _columns(77, 4)
        fitted = encode.fit([train], target, seed=9)
        for k in range(5):
            expected = _theirs(task, "auto").fit(train.values[fold != k], target.values[fold != k])
            ours = fitted.training_values[fold == k]
            assert np.allclose(ours, expected.transform(train.values[fold == k]), rtol=1e-5, atol=1e-5)


def test_the_optimism_of_folds_that_cut_through_groups_is_gone() -> None:
    """A ward belongs to one hospital: dealt at random, training rows seem to be told their class; fresh hospitals are not."""
    dice = np.random.default_rng(0)
    risk = dice.choice([0.15, 0.85], 80)  # of each hospital, for reasons that no column holds
    hospital = np.repeat(np.arange(80), 25)
    ward = np.array([f"ward {h}-{w}" for h, w in zip(hospital, dice.integers(0, 3, 2000), strict=True)], dtype=object)
    y = (dice.random(2000) < risk[hospital]).astype(np.int64)
    seen = hospital < 60
    column = Columns(ward[seen, None], ("ward",), Form.STRINGS)
    fresh = Columns(ward[~seen, None], ("ward",), Form.STRINGS)
    at_random = TargetEncode().fit([column], Target(y[seen], Task.BINARY), seed=0)
    by_group = TargetEncode().fit([column], Target(y[seen], Task.BINARY, groups=hospital[seen]), seed=0)
    served = roc_auc_score(y[~seen], apply(by_group, fresh).ravel())
    assert served == 0.5, "a ward that no training row had says nothing"
    assert roc_auc_score(y[seen], at_random.training_values.ravel()) > 0.75
    assert roc_auc_score(y[seen], by_group.training_values.ravel()) <= 0.55


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
