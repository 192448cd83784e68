"""Random recipes of numeric steps on random tables: in one go = row by row = after save and load, bit for bit."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.bundle.frame import Frame, typed_array
from penstock.bundle.graph import open_session
from penstock.bundle.kinds import Kind, Task
from penstock.bundle.packing import pack
from penstock.bundle.specs import ColumnSpec
from penstock.errors import RecipeError
from penstock.features.fit import fit_recipe
from penstock.features.fitted import FittedRecipe
from penstock.features.recipe import Recipe
from penstock.features.tail import LINEAR, TREES

KINDS = {"n 1": Kind.NUMERIC, "n.2": Kind.NUMERIC, "n3": Kind.NUMERIC, "c": Kind.CATEGORICAL}
SPECS = [ColumnSpec(name, kind) for name, kind in KINDS.items()]
NUMBERS = st.floats() | st.floats(-50, 50) | st.sampled_from([0.0, 1.0, 1.0000001, -3.5, 1e9, 1e9 + 64])
ROW = st.tuples(*[st.none() | NUMBERS] * 3, st.none() | st.sampled_from(["a", "b", "中"]))

CALLS = [
    *["normalize(@)", "robust_scale(@)", "min_max(@, -1, 1, true)", "clamp(@, 0.1, 0.9)", "clamp(@, -5, 5, value)"],
    *["log(@)", "log(@, plain, '10')", "power(@)", "power(@, false)", "polynomial(@)", "products(@)"],
    *["uniform_bin(@, 4)", "kmeans_bin(@, 3, one_hot)", "tree_bin(@, 4, 1)", "quantile_bin(@, 3)"],
    *[
        "pca(@, 2)",
        "pca(@, share=0.9)",
        "truncated_svd(@, 2)",
        "random_projection(@, 3)",
        "whiten(@)",
        "whiten(@, pca)",
    ],
    *["impute(@)", "impute_nearest(@, 2, 6)", "impute_by_group(@, ordinal(c), mean, 1)", "group(@, n3)"],
    *["impute_by_group(@, group(ordinal(c), uniform_bin(n3, 2)))"],
]
COLUMNS = st.sampled_from(["'n 1'", "n.2", "ALL_NUMERIC", "group('n 1', n3)"])
OUTPUT = st.recursive(
    COLUMNS, lambda inner: st.builds(str.replace, st.sampled_from(CALLS), st.just("@"), inner), max_leaves=3
)


def _frame(rows: list[tuple]) -> Frame:
    columns = {name: typed_array([row[i] for row in rows], kind) for i, (name, kind) in enumerate(KINDS.items())}
    return Frame(columns, dict(KINDS), len(rows))


def _fit(outputs: list[str], tail, rows: list[tuple]) -> FittedRecipe | None:
    recipe = Recipe.parse("outputs = [" + ", ".join(f'"{output}"' for output in outputs) + "]")
    try:
        return fit_recipe(recipe, tail, _frame(rows), SPECS, np.arange(len(rows)) % 2, Task.BINARY, 3)
    except RecipeError as error:
        assert "leaves no feature" in error.what  # noqa: PT017 - the one thing that may happen
        return None


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    outputs=st.lists(OUTPUT, min_size=1, max_size=3),
    tail=st.sampled_from([TREES, LINEAR]),
    train=st.lists(ROW, min_size=1, max_size=25),
    fresh=st.lists(ROW, min_size=1, max_size=6),
)
def test_in_one_go_equals_row_by_row_equals_after_save_and_load(outputs, tail, train, fresh):
    """For rows of the fit and for others; no output is infinite; the same fit gives the same bytes."""
    fitted = _fit(outputs, tail, train)
    if fitted is None:
        return
    rows = _frame([*train, *fresh])
    whole = fitted.transform(rows)
    assert whole.shape == (len(rows), len(fitted.names))
    assert not np.isinf(whole).any()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "features.onnx")
        path.write_bytes(fitted.model())
        loaded = open_session(path)
    feeds = pack(rows, fitted.layout)
    assert np.array_equal(loaded.run(None, feeds)[0], whole, equal_nan=True)
    for i in range(len(rows)):
        one = loaded.run(None, {name: packed[i : i + 1] for name, packed in feeds.items()})[0]
        assert np.array_equal(one[0], whole[i], equal_nan=True)
    again = _fit(outputs, tail, train)
    assert again is not None
    assert again.model() == fitted.model()


@pytest.mark.parametrize("call", CALLS)
def test_each_call_leaves_features(call):
    """On an ordinary table, so that the random recipes above try what they name."""
    generator = np.random.default_rng(0)
    rows = [(*map(float, generator.normal(size=3)), "ab"[i % 2]) for i in range(40)]
    fitted = _fit([call.replace("@", "ALL_NUMERIC")], TREES, rows)
    assert fitted is not None
    assert np.isfinite(fitted.transform(_frame(rows))).mean() > 0.4


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("clamp(n3, 0, 120)", "by=value"),
        ("min_max(n3, 1, 0)", "low"),
        ("robust_scale(n3, 0.9, 0.1)", "lower"),
        ("pca(c)", "categorical"),
        ("impute_by_group(n3, c)", "categorical"),
        ("impute_by_group(n3)", "2, before its parameters"),
    ],
)
def test_what_does_not_suit_is_refused_where_it_stands(call, said):
    """With line and column, before anything is fitted."""
    with pytest.raises(RecipeError) as refused:
        Recipe.parse(f'outputs = ["{call}"]').check(SPECS)
    assert (refused.value.line, said in str(refused.value)) == (1, True)
