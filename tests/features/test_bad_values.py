"""Tables that break naive features: a million categories, infinities, whole numbers beyond 2^53, huge recipes, odd writing."""

from __future__ import annotations

import time

import numpy as np
import pytest

from penstock.bundle.decoder import Decoder
from penstock.bundle.frame import Frame
from penstock.bundle.kinds import Kind, Task
from penstock.bundle.specs import ColumnSpec
from penstock.errors import RecipeError
from penstock.features.fit import fit_recipe
from penstock.features.recipe import Recipe
from penstock.features.tail import LINEAR, TREES


def _fit(text: str, frame: Frame, tail=TREES):
    specs = [ColumnSpec(name, kind) for name, kind in frame.kinds.items()]
    y = np.arange(len(frame)) % 2
    return fit_recipe(Recipe.parse(text), tail, frame, specs, y, Task.BINARY, 0)


def test_a_million_categories_end_in_few_features() -> None:
    """What is rare is one feature, hashing bounds the width, and both are fitted in seconds."""
    values = np.array([f"v{i}" for i in range(1_000_000)], dtype=object)
    values[::4] = "often"
    frame = Frame({"c": values}, {"c": Kind.CATEGORICAL})
    fitted = _fit('outputs = ["one_hot(c, min_frequency=50, max_categories=100)", "counts(hash(c, 64))"]', frame)
    assert fitted.names == ("c=often", "c is rare", "c [hash 64]") or len(fitted.names) == 3
    some = fitted.transform(frame.take(slice(0, 8)))
    assert some[:, 0].tolist() == [1, 0, 0, 0, 1, 0, 0, 0]
    assert some[:, 1].tolist() == [0, 1, 1, 1, 0, 1, 1, 1]


@pytest.mark.parametrize("tail", [TREES, LINEAR], ids=["trees", "linear"])
def test_infinities_and_numbers_beyond_float32_never_reach_a_learner(tail) -> None:
    """They stop at the largest float32; text that says inf is no number."""
    numbers = np.array([np.inf, -np.inf, 1e300, -1e300, np.nan, 0.0, 1.0, 2.0**63] * 10)
    frame = Frame({"n": numbers}, {"n": Kind.NUMERIC})
    text = 'outputs = ["n", "log(n)", "quantile_bin(n, 4)", "clamp(n)", "robust_scale(impute(n))"]'
    assert not np.isinf(_fit(text, frame, tail).transform(frame)).any()
    decoded, problems = Decoder((ColumnSpec("n", Kind.NUMERIC),), None).decode_rows([{"n": "inf"}, {"n": "1e400"}])
    assert len(problems) == 2
    assert np.isnan(decoded["n"]).all()


def test_whole_numbers_beyond_2_to_53_are_told_apart_where_they_are_names() -> None:
    """As categories by their text; as numbers they are as near as float32 has them, without an error."""
    names = [str(2**60 + i % 3) for i in range(60)]
    frame = Frame({"c": np.array(names, dtype=object)}, {"c": Kind.CATEGORICAL})
    assert len(_fit('outputs = ["one_hot(c)"]', frame).names) == 3
    numbers = Frame({"n": np.array([float(name) for name in names])}, {"n": Kind.NUMERIC})
    assert np.isfinite(_fit('outputs = ["n"]', numbers).transform(numbers)).all()


def test_texts_in_any_writing_are_features() -> None:
    """Arabic, Chinese, emoji, embedded line breaks and quotes; as categories and as texts, batch and row alike."""
    texts = ["مرحبا بالعالم", "你好 世界", "😀 🎉 party", 'he said "no"\nand left', "naïve café"]
    values = np.array(texts * 8, dtype=object)
    frame = Frame({"c": values, "x": values}, {"c": Kind.CATEGORICAL, "x": Kind.TEXT})
    fitted = _fit('outputs = ["one_hot(c)", "tfidf(x, min_df=1)", "ngram(characters(x), 2, min_df=1)"]', frame)
    whole = fitted.transform(frame)
    assert (whole[:, :5].sum(axis=1) == 1).all()
    for i in range(5):
        assert np.array_equal(fitted.transform(frame.take(slice(i, i + 1)))[0], whole[i])


def test_a_huge_recipe_is_read_and_resolved_in_seconds() -> None:
    """3,000 outputs over 1,000 columns; equal ones count once."""
    kinds = {f"n{i}": Kind.NUMERIC for i in range(1000)}
    outputs = [f'"standardise(n{i % 1000})"' for i in range(3000)]
    specs = [ColumnSpec(name, kind) for name, kind in kinds.items()]
    started = time.process_time()
    Recipe.parse(f"outputs = [{', '.join(outputs)}]").check(specs)
    assert time.process_time() - started < 20


def test_a_recipe_that_names_no_column_is_refused_with_what_there_is() -> None:
    """An empty group alone, in words and with its place."""
    frame = Frame({"n": np.arange(5.0)}, {"n": Kind.NUMERIC})
    with pytest.raises(RecipeError, match="the outputs name no column") as refused:
        _fit('outputs = ["ALL_TEXT"]', frame)
    assert "1 numeric" in refused.value.why
    assert "line 1, column 13" in refused.value.what
