"""ngram, against scikit-learn's CountVectorizer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer

from penstock.bundle.kinds import Task
from penstock.features.fit import fit_recipe
from penstock.features.recipe import Recipe
from penstock.features.step import Columns, Form
from penstock.features.steps.ngram import Ngram
from penstock.testing.step import apply

TEXTS = st.lists(st.sampled_from(["free", "prize", "now", "ä€", "中文", "a"]), max_size=8).map(" ".join)


def _column(texts):
    return Columns(np.array([[t] for t in texts], dtype=object).reshape(len(texts), 1), ("text",), Form.TEXTS)


@pytest.mark.parametrize("count", ["times", "presence"])
@settings(max_examples=25, deadline=None)
@given(
    train=st.lists(TEXTS, min_size=1, max_size=12),
    rows=st.lists(TEXTS, min_size=1, max_size=5),
    n=st.integers(1, 4),
    least=st.integers(1, 3),
)
def test_it_is_the_count_vectorizer(train, rows, n, least, count):
    """The same sequences and counts, with unseen words and empty texts."""
    theirs = CountVectorizer(
        tokenizer=str.split,
        token_pattern=None,
        lowercase=False,
        ngram_range=(1, n),
        min_df=least,
        binary=count == "presence",
    )
    fitted = Ngram(n, count, float(least)).fit([_column(train)], None, seed=0)
    try:
        theirs.fit(train)
    except ValueError:  # no sequence is left, which is an error there
        assert fitted.names == ()
        return
    expected = dict(zip(theirs.get_feature_names_out(), theirs.transform(rows).toarray().T, strict=True))
    ours = dict(zip((n.removeprefix("text: ") for n in fitted.names), apply(fitted, _column(rows)).T, strict=True))
    assert ours.keys() == expected.keys()
    assert all(np.array_equal(ours[gram], expected[gram]) for gram in ours)


def test_characters_are_counted_as_the_vectorizer_counts_them(table):
    """`analyzer="char"` of scikit-learn, with another sign for the space."""
    notes = ["Free prize", "free free", None, "PRIZE of 5"]
    frame, specs = table(note=("text", notes))
    recipe = Recipe.parse('outputs = ["ngram(characters(lowercase(note)), 3, min_df=1)"]')
    fitted = fit_recipe(recipe, None, frame, specs, None, Task.REGRESSION, 0)
    theirs = CountVectorizer(analyzer="char", ngram_range=(1, 3)).fit([n or "" for n in notes])
    expected = dict(
        zip(theirs.get_feature_names_out(), theirs.transform([n or "" for n in notes]).toarray().T, strict=True)
    )
    names = [n.partition(": ")[2].replace(" ", "").replace("␣", " ") for n in fitted.names]
    ours = dict(zip(names, fitted.transform(frame).T, strict=True))
    assert ours.keys() == expected.keys()
    assert all(np.array_equal(ours[gram], expected[gram]) for gram in ours)
