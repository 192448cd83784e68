"""cartesian, against a loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.bundle.kinds import Task
from penstock.errors import RecipeError
from penstock.features.fit import fit_recipe
from penstock.features.recipe import Recipe
from penstock.features.step import Columns, Form
from penstock.features.steps.cartesian import Cartesian
from penstock.testing.step import apply

VALUES = st.sampled_from(["", "a", "b c", "é_", "中文"])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(VALUES, VALUES, VALUES, VALUES), min_size=1, max_size=8))
def test_each_column_of_each_group_is_joined_with_each_of_the_others(rows):
    """Two by one by one; missing where one is missing."""
    values = np.array(rows, dtype=object)
    blocks = [
        Columns(values[:, :2], ("a", "b"), Form.STRINGS),
        Columns(values[:, 2:3], ("c",), Form.STRINGS),
        Columns(values[:, 3:], ("d",), Form.STRINGS),
    ]
    fitted = Cartesian().fit(blocks, None, seed=0)
    assert fitted.names == ("a x c x d", "b x c x d")
    expected = [
        ["_".join((row[j], row[2], row[3])) if all((row[j], row[2], row[3])) else "" for j in (0, 1)] for row in rows
    ]
    assert apply(fitted, *blocks).tolist() == expected


def test_a_recipe_may_join_any_number_of_columns(table):
    """Words of a text are joined by the decoder, values of categories in the graph; both at once, too."""
    frame, specs = table(
        job=("categorical", ["blue collar", "nurse", None, "nurse"]),
        loan=("binary", ["yes", "no", "no", "no"]),
        note=("text", ["Call now", "call Later", "x", "call"]),
    )
    text = 'outputs = ["one_hot(cartesian(job, loan))", "ngram(cartesian(lowercase(note), loan), 1, min_df=1)"]'
    fitted = fit_recipe(Recipe.parse(text), None, frame, specs, None, Task.REGRESSION, 0)
    assert fitted.names == (
        "job x loan=nurse_no",
        "job x loan=blue collar_yes",
        "job x loan is missing",
        *(f"note [lowercase] x loan: {word}" for word in ("call_no", "call_yes", "later_no", "now_yes", "x_no")),
    )
    assert fitted.transform(frame)[0].tolist() == [0, 1, 0, 0, 1, 0, 1, 0]


def test_parameters_and_endless_groups_are_refused(table):
    """It has no parameters, and a thousand combinations are enough."""
    _, specs = table(**{f"c{i}": ("categorical", ["a"]) for i in range(40)})
    with pytest.raises(RecipeError, match="has no parameter 'sep'"):
        Recipe.parse('outputs = ["cartesian(c0, c1, sep=x)"]').check(specs)
    with pytest.raises(RecipeError, match="would make 1,600"):
        Recipe.parse('outputs = ["cartesian(ALL_CATEGORICAL, ALL_CATEGORICAL)"]').check(specs)
