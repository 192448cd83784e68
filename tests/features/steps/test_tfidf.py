"""tfidf, against scikit-learn's CountVectorizer and TfidfTransformer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from penstock.features.step import Columns, Form
from penstock.features.steps.tfidf import MOST_COUNTED, Tfidf
from penstock.testing.step import apply

WORDS = ["free", "prize", "now", "ä€", "中文", "a", "b"]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join)


def _column(texts):
    return Columns(np.array([[t] for t in texts], dtype=object).reshape(len(texts), 1), ("text",), Form.TEXTS)


@pytest.mark.parametrize("sublinear", [False, True])
@settings(max_examples=25, deadline=None)
@given(
    train=st.lists(TEXTS, min_size=1, max_size=12),
    rows=st.lists(TEXTS, min_size=1, max_size=5),
    n=st.integers(1, 3),
    least=st.integers(1, 3),
)
def test_it_is_the_tfidf_vectorizer(train, rows, n, least, sublinear):
    """The same terms and weights within 1e-5, with unseen words and empty texts."""
    theirs = TfidfVectorizer(
        tokenizer=str.split,
        token_pattern=None,
        lowercase=False,
        ngram_range=(1, n),
        min_df=least,
        sublinear_tf=sublinear,
    )
    fitted = Tfidf(n=n, min_df=float(least), sublinear=sublinear).fit([_column(train)], None, seed=0)
    try:
        theirs.fit(train)
    except ValueError:  # no term is left, which is an error there
        assert fitted.names == ()
        return
    expected = dict(zip(theirs.get_feature_names_out(), theirs.transform(rows).toarray().T, strict=True))
    ours = dict(zip((n.removeprefix("text: ") for n in fitted.names), apply(fitted, _column(rows)).T, strict=True))
    assert ours.keys() == expected.keys()
    assert all(np.allclose(ours[term], expected[term], atol=1e-5) for term in ours)


def test_the_most_frequent_terms_are_kept():
    """By occurrences in all texts; of equally frequent ones the first in the alphabet."""
    fitted = Tfidf(min_df=1.0, max_features=2).fit([_column(["c c c a b", "b a"])], None, seed=0)
    assert fitted.names == ("text: a", "text: c")


def test_a_share_of_texts_can_be_asked_for():
    """min_df below 1."""
    fitted = Tfidf(min_df=0.5).fit([_column(["a b", "a", "b c", "a"])], None, seed=0)
    assert fitted.names == ("text: a", "text: b")


def test_two_columns_have_terms_of_their_own():
    """A word in one is not a word in the other."""
    both = Columns(np.array([["a", "b"], ["a", "b"]], dtype=object), ("x", "y"), Form.TEXTS)
    fitted = Tfidf().fit([both], None, seed=0)
    assert fitted.names == ("x: a", "y: b")
    assert apply(fitted, Columns(np.array([["b", "b"]], dtype=object), ("x", "y"), Form.TEXTS)).tolist() == [[0.0, 1.0]]


def test_a_column_without_terms_beside_one_with_terms_is_left_out():
    """Its share of the block has no width."""
    both = Columns(np.array([["a", ""], ["a", ""]], dtype=object), ("x", "y"), Form.TEXTS)
    assert apply(Tfidf().fit([both], None, seed=0), both).tolist() == [[1.0], [1.0]]


def test_very_many_occurrences_count_as_the_most():
    """The table of logarithms ends somewhere."""
    train = ["a b", "a b"]
    fitted = Tfidf(sublinear=True).fit([_column(train)], None, seed=0)
    beyond, most = apply(fitted, _column([" ".join(["a"] * k + ["b"]) for k in (MOST_COUNTED + 9, MOST_COUNTED)]))
    assert beyond.tolist() == most.tolist()
