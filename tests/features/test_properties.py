"""Random tables and random recipes: in one go = row by row = after save and load, bit for bit; same fit, same bytes."""

from __future__ import annotations

import base64
import io
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from penstock import parts
from penstock.bundle.frame import Frame, typed_array
from penstock.bundle.graph import open_session
from penstock.bundle.kinds import Kind, Task
from penstock.bundle.packing import pack
from penstock.bundle.specs import ColumnSpec
from penstock.errors import RecipeError
from penstock.features.fit import fit_recipe
from penstock.features.fitted import FittedRecipe
from penstock.features.language import Call, Origin, parse
from penstock.features.recipe import Recipe
from penstock.features.step import GROUP
from penstock.features.tail import LINEAR, TREES
from penstock.testing.tiny_sentences import bert_folder

KINDS = {
    "n 1": Kind.NUMERIC,
    "n.2": Kind.NUMERIC,
    "n3": Kind.NUMERIC,
    "s": Kind.NUMERIC,
    "c1": Kind.CATEGORICAL,
    "c2": Kind.CATEGORICAL,
    "b": Kind.BINARY,
    "x": Kind.TEXT,
    "i": Kind.TEXT,
    "t": Kind.DATETIME,
}


def _picture(*pixels: int) -> str:
    body = io.BytesIO()
    Image.fromarray(np.array(pixels, dtype=np.uint8).reshape(2, -1)).save(body, "PNG")
    return "data:image/png;base64," + base64.b64encode(body.getvalue()).decode()


PICTURES = st.sampled_from([_picture(0, 255, 7, 90), _picture(1, 2, 3, 4, 5, 250), _picture(9, 9, 9, 9)])
SECONDS = st.integers(1_700_000_000, 1_700_000_100).map(float)
"""Of which float32 leaves two, so that an offset is subtracted."""
VALUES = {
    Kind.NUMERIC: st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, 1.0, 1.0000001, -3.5]),
    Kind.CATEGORICAL: st.sampled_from(["a", "b", "c", "é", "0\x1fa", "中文"]) | st.text(min_size=1, max_size=3),
    Kind.BINARY: st.sampled_from(["yes", "no"]),
    Kind.TEXT: st.lists(st.sampled_from(["free", "Prize", "ÄRGER", "now!", "中"]), max_size=6).map(" ".join),
    Kind.DATETIME: st.integers(-(10**17), 2 * 10**17),
}
SPECS = [ColumnSpec(name, kind) for name, kind in KINDS.items()]


def _rows(**size: int) -> st.SearchStrategy[list[dict]]:
    special = {"i": PICTURES, "s": SECONDS}
    values = {name: special.get(name, VALUES[kind]) for name, kind in KINDS.items()}
    row = st.fixed_dictionaries({name: st.none() | value for name, value in values.items()})
    return st.lists(row, **size)


def _frame(rows: list[dict]) -> Frame:
    return Frame({n: typed_array([row[n] for row in rows], kind) for n, kind in KINDS.items()}, dict(KINDS), len(rows))


NUMBERS = st.sampled_from(
    ["'n 1'", "n.2", "n3", "ALL_NUMERIC", "group('n 1', n3)", "s", "group(s, n3)", "group_remove(ALL_NUMERIC, n3)"]
)
STRINGS = st.sampled_from(["c1", "group(c2, b)", "ALL_CATEGORICAL", "ALL_BINARY"])


DRAWN: list[str] = []
"""All calls that recipes are made of, with @ for what stands inside."""


def _wrap(inner: st.SearchStrategy[str], *calls: str) -> st.SearchStrategy[str]:
    DRAWN.extend(calls)
    return st.builds(str.replace, st.sampled_from(calls), st.just("@"), inner)


_MADE = st.one_of(
    NUMBERS,
    _wrap(
        STRINGS,
        "one_hot(@)",
        "one_hot(@, 2, unknown=own)",
        "ordinal(@)",
        "ordinal(@, 2, missing=nan)",
        "ordinal(impute(@))",
        "counts(@)",
        "target_encode(@, folds=2)",
        "one_hot(cartesian(@, c1))",
        "one_hot(hash(lowercase(@), 8))",
    ),
    _wrap(st.just("x"), "tfidf(@, min_df=1)", "tfidf(@, 3, 1, sublinear=true)", "text_length(@, characters)"),
    _wrap(
        _wrap(
            st.just("x"),
            "tokens(@)",
            "osb(@, 3)",
            "characters(no_punct(lowercase(@)))",
            "cartesian(@, c2)",
            "hash(@, 8)",
        ),
        "ngram(@, min_df=1)",
        "tfidf(@, 2, 1)",
        "text_length(@)",
    ),
    _wrap(st.just("ALL_INPUTS"), "missing_indicator(@)", "missing_indicator(@, all)"),
    _wrap(st.just("i"), "pixels(@, 2, 3)"),
    _wrap(st.just("x"), "embed(@, 'MODEL')"),
)
ON_NUMBERS = (
    "standardise(@)",
    "impute(@)",
    "impute(@, mean)",
    "quantile_bin(@, 3)",
    "quantile_bin(@, 4, one_hot)",
    "ordinal(as_category(@))",
    "group(@, n3)",
    "robust_scale(@)",
    "min_max(@, -1, 1)",
    "clamp(@, 0.1, 0.9)",
    "log(@)",
    "power(@)",
    "uniform_bin(@, 4)",
    "kmeans_bin(@, 3)",
    "tree_bin(@, 4, min_rows=1)",
    "pca(@, 2)",
    "whiten(@)",
    "truncated_svd(impute(@), 2)",
    "random_projection(@, 2)",
    "polynomial(@)",
    "products(@)",
    "impute_by_group(@, ordinal(b), min_rows=1)",
    "impute_nearest(@, 2)",
    "select_variance(@)",
    "select_information(@, 0)",
    "select_l1(@, 0.1)",
    "select_permutation(@, 0, 3)",
)
NUMERIC = st.recursive(
    _MADE,
    lambda inner: _wrap(inner, *ON_NUMBERS),
    max_leaves=3,
)
OUTPUT = st.one_of(
    NUMERIC, STRINGS, st.just("ALL_INPUTS"), _wrap(st.just("t"), "date_parts(@, 'year weekend minute hour', true)")
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a small sentence model, which stands where a recipe says MODEL."""
    return str(bert_folder(tmp_path_factory.mktemp("models") / "tiny"))


def _run(session, feeds: dict[str, np.ndarray]) -> np.ndarray:
    return session.run(None, feeds)[0]


def _fit(outputs: list[str], tail, rows: list[dict], model: str = "") -> FittedRecipe | None:
    outputs = [output.replace("MODEL", model) for output in outputs]
    recipe = Recipe.parse("outputs = [" + ", ".join(f'"{output}"' for output in outputs) + "]")
    try:
        return fit_recipe(recipe, tail, _frame(rows), SPECS, np.arange(len(rows)) % 2, Task.BINARY, 3)
    except RecipeError as error:
        assert re.search("leaves no feature|columns has|columns for", error.what), error  # noqa: PT017 - no more
        return None


def _steps_in(expression) -> set[str]:
    if not isinstance(expression, Call):
        return set()
    inner = [_steps_in(argument) for argument in expression.arguments]
    return {expression.function}.union(*inner)


def test_every_step_is_among_the_random_recipes():
    """None is left out: a step that is registered and not drawn fails here."""
    calls = [call.replace("@", "n3") for call in {*DRAWN, *ON_NUMBERS}]
    drawn = set().union(*(_steps_in(parse(call, Origin("drawn", lambda at: (1, at + 1)))) for call in calls))
    assert set(parts.names(GROUP)) <= drawn


@pytest.mark.parametrize("call", ON_NUMBERS)
def test_each_step_on_numbers_holds_for_a_table_of_odd_values(call):
    """Drawn recipes do not reach every step every time: here each one stands once around numbers with gaps."""
    random = np.random.default_rng(0)
    rows = [
        {n: _drawn(kind, random) if random.random() > 0.1 else None for n, kind in KINDS.items()} for _ in range(150)
    ]
    fitted = _fit([call.replace("@", "ALL_NUMERIC")], TREES, rows)
    if fitted is None:
        return
    frame = _frame(rows)
    whole = fitted.transform(frame)
    loaded = open_session(fitted.model())
    feeds = pack(frame, fitted.layout)
    for i in range(0, len(rows), 3):
        one = _run(loaded, {name: packed[i : i + 1] for name, packed in feeds.items()})
        assert np.array_equal(one[0], whole[i], equal_nan=True)


def _drawn(kind: Kind, random: np.random.Generator):
    if kind is Kind.NUMERIC:
        return float(random.choice([0.0, 1.0, 1.0000001, -3.5, 1e30, *random.normal(size=5)]))
    if kind is Kind.DATETIME:
        return int(random.integers(-(10**15), 2 * 10**15))
    return str(random.choice(["yes", "no"]))  # no picture: no call here reads one


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    outputs=st.lists(OUTPUT, min_size=1, max_size=4),
    tail=st.sampled_from([TREES, LINEAR]),
    train=_rows(min_size=1, max_size=25),
    fresh=_rows(min_size=1, max_size=6),
)
def test_in_one_go_equals_row_by_row_equals_after_save_and_load(model, outputs, tail, train, fresh):
    """Bit for bit, for rows of the fit and for others; what a learner learns from is the same but for what is cross-fitted."""
    fitted = _fit(outputs, tail, train, model)
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
    assert np.array_equal(_run(loaded, feeds), whole, equal_nan=True)
    for i in range(len(rows)):
        one = _run(loaded, {name: packed[i : i + 1] for name, packed in feeds.items()})
        assert np.array_equal(one[0], whole[i], equal_nan=True)
    crossed = any(getattr(node.make(), "cross_fitted", False) for node in fitted.plan.nodes.values())
    assert bool(fitted.crossed) is crossed
    if not crossed:
        assert np.array_equal(fitted.transform_training(_frame(train)), whole[: len(train)], equal_nan=True)
    again = _fit(outputs, tail, train, model)
    assert again is not None
    assert again.model() == fitted.model()
    assert again.names == fitted.names
