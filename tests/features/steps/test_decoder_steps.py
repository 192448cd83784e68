"""lowercase, no_punct, tokens, characters, osb and hash in recipes; their functions have tests of their own."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.bundle.graph import open_session
from penstock.bundle.kinds import Task
from penstock.bundle.packing import pack
from penstock.errors import RecipeError
from penstock.features.fit import fit_recipe
from penstock.features.recipe import Recipe
from penstock.features.tail import LINEAR

NOTES = ["Free PRIZE!", "free prize...", "now - or never", None, "a b c d", "x"]


def _names(table, output):
    frame, specs = table(note=("text", NOTES), job=("categorical", ["A b", "a B", "c", None, "c", "d"]))
    fitted = fit_recipe(Recipe.parse(f'outputs = ["{output}"]'), None, frame, specs, None, Task.REGRESSION, 0)
    return fitted.names


@pytest.mark.parametrize(
    ("output", "names"),
    [
        ("ngram(note, 1)", ("note: free", "note: prize")),
        ("ngram(tokens(note), 1, min_df=2)", ()),
        ("ngram(lowercase(note), 1)", ("note [lowercase]: free",)),
        (
            "ngram(lowercase(no_punct(note)), 1)",
            ("note [no_punct, lowercase]: free", "note [no_punct, lowercase]: prize"),
        ),
        ("ngram(osb(lowercase(no_punct(note)), 2), 1)", ("note [no_punct, lowercase, osb 2]: free_prize",)),
        (
            "one_hot(lowercase(job), 2)",
            ("job [lowercase]=a b", "job [lowercase]=c", "job [lowercase] is rare", "job [lowercase] is missing"),
        ),
        ("counts(hash(job, 8))", ("job [hash 8]: rows",)),
    ],
)
def test_what_stands_inside_is_done_first(table, output, names):
    """The names say how the column was prepared."""
    if not names:
        with pytest.raises(RecipeError, match="leaves no feature"):
            _names(table, output)
        return
    assert _names(table, output) == names


def test_the_same_preparation_is_packed_once(table):
    """Two steps that read the same strings share them; the column itself is there for the novelty score."""
    frame, specs = table(note=("text", NOTES))
    text = 'outputs = ["ngram(a, 1)", "tfidf(lowercase(note), min_df=1)"]\n[assignments]\na = "lowercase(note)"'
    fitted = fit_recipe(Recipe.parse(text), None, frame, specs, None, Task.REGRESSION, 0)
    assert fitted.layout.slots("strings") == ("note", "note [lowercase]")


def test_a_column_that_has_the_name_of_a_preparation_keeps_it(table):
    """The prepared one is numbered."""
    frame, specs = table(
        **{"job": ("categorical", ["A", "a", "b"]), "job [lowercase]": ("categorical", ["x", "y", "x"])}
    )
    recipe = Recipe.parse("""outputs = ["ALL_CATEGORICAL", "lowercase(job)"]""")
    fitted = fit_recipe(recipe, LINEAR, frame, specs, None, Task.REGRESSION, 0)
    assert fitted.layout.slots("strings") == ("job", "job [lowercase]", "job [lowercase] (2)")


def test_what_the_decoder_does_comes_before_the_graph(table):
    """The message says where to put it."""
    _, specs = table(job=("categorical", ["a"]))
    with pytest.raises(RecipeError, match="'lowercase' cannot follow a step of the graph") as caught:
        Recipe.parse('outputs = ["lowercase(impute(job))"]').check(specs)
    assert "innermost" in caught.value.way_out
    assert caught.value.column == 23


def test_a_million_values_fit_into_the_buckets(table):
    """A hashed column is never wider than its buckets, and a row alone gives the bits of the batch."""
    values = [f"user-{i}" for i in range(50_000)]
    frame, specs = table(user=("categorical", values))
    fitted = fit_recipe(
        Recipe.parse('outputs = ["one_hot(hash(user, 64))"]'), None, frame, specs, None, Task.REGRESSION, 0
    )
    assert fitted.width == 64
    features = fitted.transform(frame.take(slice(0, 500)))
    assert (features.sum(axis=1) == 1).all()
    session = open_session(fitted.model())
    one = session.run(None, pack(frame.take(slice(7, 8)), fitted.layout))[0]
    assert np.array_equal(one[0], features[7])
