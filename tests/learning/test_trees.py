"""The emitter of tree ensembles: exact where public converters are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.bundle.graph import open_session
from penstock.learning import trees


def answers(ensemble: trees.TreeEnsemble, X: np.ndarray) -> np.ndarray:
    """The graph's answer for X."""
    import spox

    x = spox.argument(spox.Tensor(np.float32, ("n", X.shape[1])))
    model = spox.build({"x": x}, {"y": ensemble.emit(x)}).SerializeToString()
    return open_session(model).run(None, {"x": X})[0]


def boosted(X: np.ndarray, y: np.ndarray, rounds: int = 60, categorical: object = "auto", **settings: object) -> Any:
    """A LightGBM booster with small leaves."""
    import lightgbm

    settings = {"verbosity": -1, "num_threads": 1, "min_data_in_leaf": 2, "deterministic": True, "seed": 0, **settings}
    data = lightgbm.Dataset(np.ascontiguousarray(X), y, params=settings, categorical_feature=categorical)
    return lightgbm.train(settings, data, num_boost_round=rounds)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_rounding_down_keeps_every_comparison(threshold: float) -> None:
    """For the float32 numbers around a threshold, `x <= t` and `x <= round_down(t)` are the same."""
    rounded = trees.round_down(np.array([threshold]))[0]
    with np.errstate(over="ignore"):
        near = np.float32(threshold)
        around = [np.nextafter(near, np.float32(-np.inf)), near, np.nextafter(near, np.float32(np.inf))]
    for x in around:
        if np.isfinite(x):
            assert (float(x) <= threshold) == bool(x <= rounded)


def test_adjacent_floats_fall_on_the_right_side_of_lightgbm_thresholds() -> None:
    """Feature values that are neighbouring float32 numbers, where rounding to nearest fails on half of the rows."""
    rng = np.random.default_rng(0)
    steps = np.nextafter(np.float32(1.0), np.float32(2.0)) - np.float32(1.0)
    X = (np.float32(1.0) + steps * rng.integers(0, 40, size=(4_000, 3)).astype(np.float32)).astype(np.float32)
    y = ((X - 1.0) / steps).sum(axis=1)
    booster = boosted(X, y, objective="regression")
    got = answers(trees.from_lightgbm(booster.model_to_string(), 1), X)[:, 0]
    np.testing.assert_allclose(got, booster.predict(X), rtol=2e-6)


@pytest.mark.parametrize("kind", ["RandomForestRegressor", "ExtraTreesRegressor"])
def test_adjacent_floats_fall_on_the_right_side_of_forest_thresholds(kind: str) -> None:
    """The same for scikit-learn's trees, whose thresholds are midpoints in double precision."""
    from sklearn import ensemble

    rng = np.random.default_rng(0)
    steps = np.nextafter(np.float32(1.0), np.float32(2.0)) - np.float32(1.0)
    X = (np.float32(1.0) + steps * rng.integers(0, 40, size=(2_000, 3)).astype(np.float32)).astype(np.float32)
    y = ((X - 1.0) / steps).sum(axis=1)
    forest = getattr(ensemble, kind)(20, random_state=0).fit(X, y)
    got = answers(trees.from_sklearn(forest.estimators_, [t.tree_.value[:, 0, :] for t in forest.estimators_]), X)[:, 0]
    np.testing.assert_allclose(got, forest.predict(X), rtol=1e-6)


@pytest.mark.parametrize("missing_in_training", [False, True])
@pytest.mark.parametrize("objective", ["binary", "multiclass", "regression"])
def test_lightgbm_raw_scores_are_kept_over_thousands_of_rows(objective: str, missing_in_training: bool) -> None:
    """Fresh rows with NaN, infinities and zeros, whether or not NaN was seen in training (taken as 0.0 if not)."""
    rng = np.random.default_rng(1)
    X = np.round(rng.normal(size=(3_000, 5)), 2).astype(np.float32)
    y = (X[:, 0] > 0).astype(float) + (X[:, 1] * X[:, 2] > 0.3) if objective != "regression" else X[:, 0] * X[:, 1]
    n_outputs = 3 if objective == "multiclass" else 1
    if objective == "binary":
        y = (y > 0).astype(float)
    if missing_in_training:
        X[rng.random(X.shape) < 0.1] = np.nan
    booster = boosted(X, y, objective=objective, **({"num_class": 3} if n_outputs == 3 else {}))
    fresh = np.round(rng.normal(size=(5_000, 5)), 2).astype(np.float32)
    fresh[rng.random(fresh.shape) < 0.2] = np.nan
    fresh[:50] = np.inf
    fresh[50:100] = -np.inf
    fresh[100:150] = 0.0
    got = answers(trees.from_lightgbm(booster.model_to_string(), n_outputs), fresh)
    want = np.asarray(booster.predict(fresh, raw_score=True)).reshape(len(fresh), n_outputs)
    assert np.abs(got - want).max() < 1e-5


def test_forest_shares_are_kept_with_missing_values() -> None:
    """A classification forest with NaN in training and in fresh rows."""
    from sklearn.ensemble import RandomForestClassifier

    rng = np.random.default_rng(2)
    X = rng.normal(size=(1_500, 4)).astype(np.float32)
    y = (X[:, 0] + X[:, 1] > 0).astype(int) + (X[:, 2] > 1)
    X[rng.random(X.shape) < 0.1] = np.nan
    forest = RandomForestClassifier(40, random_state=0).fit(X, y)
    fresh = rng.normal(size=(5_000, 4)).astype(np.float32)
    fresh[rng.random(fresh.shape) < 0.2] = np.nan
    got = answers(trees.from_sklearn(forest.estimators_, [t.tree_.value[:, 0, :] for t in forest.estimators_]), fresh)
    assert np.abs(got - forest.predict_proba(fresh)).max() < 1e-5


def test_a_constant_target_gives_one_leaf_trees() -> None:
    """A booster that found nothing to split still answers its constant."""
    X = np.random.default_rng(0).normal(size=(100, 2)).astype(np.float32)
    booster = boosted(X, np.full(100, 0.25), objective="regression")
    ensemble = trees.from_lightgbm(booster.model_to_string(), 1)
    np.testing.assert_allclose(answers(ensemble, X)[:, 0], booster.predict(X), atol=1e-7)


def test_leaves_that_say_nothing_answer_zero() -> None:
    """Zero weights are left out of the graph, but for one in each leaf."""
    ensemble = trees.TreeEnsemble([trees._leaf(np.zeros((1, 2))), trees._leaf(np.array([[0.0, 2.0]]))], 2)
    np.testing.assert_array_equal(answers(ensemble, np.zeros((2, 3), np.float32)), [[0.0, 2.0]] * 2)
    assert ensemble.n_nodes == 2


def test_categorical_splits_are_refused() -> None:
    """What has no exact counterpart is an error, not a wrong number."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 6, size=(400, 1)).astype(np.float64)
    booster = boosted(X, np.isin(X[:, 0], [1, 4]).astype(float), objective="regression", categorical=[0])
    with pytest.raises(ValueError, match="categorical"):
        trees.from_lightgbm(booster.model_to_string(), 1)


def test_the_bytes_are_the_same_each_time() -> None:
    """Nothing in the graph depends on the order of a hash or the clock."""
    import spox

    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3)).astype(np.float32)
    ensemble = trees.from_lightgbm(boosted(X, X[:, 0].copy(), objective="regression").model_to_string(), 1)

    def build() -> bytes:
        x = spox.argument(spox.Tensor(np.float32, ("n", 3)))
        return spox.build({"x": x}, {"y": ensemble.emit(x)}).SerializeToString(deterministic=True)

    assert build() == build()
