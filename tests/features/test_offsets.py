"""Numbers that differ little for their size keep their differences, and every step sees what it should."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from penstock.bundle.frame import Frame
from penstock.bundle.kinds import Kind, Task
from penstock.bundle.packing import Layout, pack
from penstock.bundle.specs import ColumnSpec
from penstock.features.fit import fit_recipe
from penstock.features.fitted import FittedRecipe
from penstock.features.offsets import restored
from penstock.features.recipe import Recipe
from penstock.features.stepwise import step_outputs
from penstock.features.tail import TREES

START = 1_700_000_000.0
N = 600
SECONDS = START + np.arange(N) % 60
SECONDS[7::50] = np.nan
X = np.random.default_rng(0).normal(size=N)
Y = (np.arange(N) % 60 > 30).astype(np.int64)


def fit(
    *outputs: str, seconds: np.ndarray = SECONDS, tail: Any = TREES, origin: int = 0
) -> tuple[FittedRecipe, np.ndarray]:
    """The fitted recipe, and what it makes of its training rows."""
    kinds = {"ts": Kind.NUMERIC, "x": Kind.NUMERIC, "job": Kind.CATEGORICAL}
    frame = Frame({"ts": seconds, "x": X, "job": np.array(["a", "b"] * (N // 2), dtype=object)}, kinds)
    recipe = Recipe.parse(f"outputs = {list(outputs)!r}", name="r")
    specs = [ColumnSpec(name, kind, origin=origin if name == "ts" else 0) for name, kind in kinds.items()]
    fitted = fit_recipe(recipe, tail, frame, specs, Y, Task.BINARY, 0)
    features = fitted.transform(frame)
    assert np.array_equal(fitted.transform_training(frame), features, equal_nan=True) or fitted.crossed
    whole = step_outputs(fitted, pack(frame, fitted.layout)).features
    assert np.array_equal(whole, features, equal_nan=True)
    return fitted, features


def test_seconds_of_a_minute_stay_sixty() -> None:
    """As differences to what stands in the layout; the other column is what it always was."""
    fitted, features = fit("ts", "x")
    assert fitted.layout.offsets == (("ts", START),)
    np.testing.assert_array_equal(features[:, 0], SECONDS - START)
    np.testing.assert_array_equal(features[:, 1], X.astype(np.float32))


def test_columns_that_need_none_have_none() -> None:
    """Neither small numbers nor those that float32 tells apart."""
    for seconds in (np.arange(N, dtype=float), SECONDS - START, START + 1e6 * np.arange(N), np.full(N, np.nan), X):
        fitted, _ = fit("x", "ts", seconds=seconds)
        assert fitted.layout.offsets == ()
        assert "offsets" not in fitted.layout.to_json()


@pytest.mark.parametrize(
    "call",
    [
        "standardise({})", "robust_scale({})", "min_max({})", "quantile_bin({}, 7)", "uniform_bin({}, 7)",
        "kmeans_bin({}, 4)", "tree_bin({}, 4)", "pca(group({}, x), 2)", "whiten(group({}, x))",
        "missing_indicator({})", "standardise(clamp(impute({}), 0.1, 0.9))", "standardise(impute_nearest(group({}, x)))",
        "standardise(impute_by_group({}, ordinal(job)))", "impute_by_group(x, {})", "quantile_bin({}, 5, one_hot)",
        "standardise(select_variance(group({}, x)))", "standardise(select_l1(group(x, {}), 0.01))",
    ],
)  # fmt: skip
def test_differences_are_enough_for_these_steps(call: str) -> None:
    """They make of large numbers what they make of the differences alone."""
    _, features = fit(call.format("ts"))
    _, small = fit(call.format("ts"), seconds=SECONDS - START)
    np.testing.assert_array_equal(features, small)


@pytest.mark.parametrize(
    "call",
    ["log({})", "power({})", "polynomial({})", "products(group({}, x))", "as_category({})", "truncated_svd({}, 1)",
     "random_projection({}, 2)", "log(clamp({}))", "log(impute({}, mean))", "products(group(impute({}), x))",
     "log(select_variance(group(x, {})))", "log(impute_by_group({}, ordinal(job)))", "log(impute_nearest(group(x, {})))"],
)  # fmt: skip
def test_steps_that_need_the_numbers_themselves_are_given_them(call: str) -> None:
    """Also behind a step that takes differences and gives differences: a logarithm is one of seconds since 1970."""
    _, features = fit(call.format("ts"))
    column = features[:, -1]
    if call.startswith("log"):
        np.testing.assert_allclose(column[~np.isnan(column)], np.log1p(START), rtol=1e-6)
    elif call.startswith(("polynomial", "truncated")):
        assert np.nanmin(features[:, 0]) == pytest.approx(START, rel=1e-6)
    elif call.startswith("products"):
        assert np.nanmin(column / X) == pytest.approx(START, rel=1e-6)
    else:
        assert len(np.unique(column[~np.isnan(column)])) <= 2  # what float32 leaves of them, and a missing one


def test_constants_of_a_recipe_are_the_numbers_themselves() -> None:
    """Limits and fills are given in the unit of the column."""
    _, features = fit(
        f"clamp(ts, {START + 10:.0f}, {START + 20:.0f}, by=value)", f"impute(ts, constant, {START + 99:.0f})"
    )
    assert (np.nanmin(features[:, 0]), np.nanmax(features[:, 0])) == (10, 20)
    assert set(features[np.isnan(SECONDS), 1].tolist()) == {99.0}


def test_bins_are_named_by_the_numbers_themselves() -> None:
    """A name is for people."""
    fitted, _ = fit("uniform_bin(ts, 2, one_hot)")
    assert fitted.names == ("ts < 1700000029.5", "ts >= 1700000029.5", "ts is missing")


def test_numbers_that_the_decoder_reads_less_an_origin_are_themselves_for_steps_that_need_them() -> None:
    """A logarithm, a limit and the name of a bin are of the numbers, whether an offset is subtracted too or not."""
    for seconds, offset in ((SECONDS - START, 0.0), (SECONDS, START)):
        whole = 2**60 + int(offset)
        calls = ("log(ts)", f"clamp(ts, {whole}, {whole + 512}, by=value)", "uniform_bin(ts, 2, one_hot)")
        fitted, features = fit(*calls, seconds=seconds, origin=2**60)
        assert dict(fitted.layout.offsets).get("ts", 0.0) == offset
        np.testing.assert_allclose(features[~np.isnan(SECONDS), 0], np.log1p(2.0**60), rtol=1e-6)
        assert np.nanmax(features[:, 1]) == 59
        assert fitted.names[-3].startswith(f"ts < {2.0**60 + offset:.3g}"[:9])


def test_a_column_beside_its_own_scale_is_told_apart_by_place() -> None:
    """Both are named alike; one of them is less an offset."""
    _, features = fit("log(select_variance(group(ts, standardise(ts))))")
    np.testing.assert_allclose(np.nanmax(features[:, 0]), np.log1p(START), rtol=1e-6)
    assert np.nanmax(features[:, 1]) < 2


def test_zeros_keep_their_sign_where_nothing_is_subtracted() -> None:
    """What is added to a column without an offset changes no bit."""
    values = np.array([[-0.0, 1.0], [0.0, np.nan]], dtype=np.float32)
    whole = restored(values, (0.0, START))
    assert whole[:, 0].tobytes() == values[:, 0].tobytes()


def test_dropped_columns_take_their_offsets_with_them() -> None:
    """A layout is narrowed with its recipe."""
    fitted, _ = fit("select_l1(group(ts, x), 1.0)", "x")
    assert fitted.layout == Layout(("x",))
