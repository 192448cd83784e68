"""quantile_bin, against numpy's quantiles and scikit-learn's KBinsDiscretizer."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import KBinsDiscretizer

from penstock.features.step import Columns, Form
from penstock.features.steps.quantile_bin import QuantileBin
from penstock.testing.step import apply


@pytest.mark.parametrize("bins", [2, 3, 10, 50])
def test_it_is_the_discretizer(block, bins):
    """The same bins as strategy='quantile' with linear interpolation, for training rows and others."""
    generator = np.random.default_rng(4)
    train = generator.lognormal(size=(300, 2)).astype(np.float32)
    rows = generator.lognormal(size=(100, 2)).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = KBinsDiscretizer(bins, encode="ordinal", strategy="quantile", quantile_method="linear", subsample=None)
        expected = theirs.fit(train.astype(np.float64)).transform(rows.astype(np.float64))
    fitted = QuantileBin(bins).fit([block(Form.NUMBERS, *train.T)], None, seed=0)
    assert np.array_equal(apply(fitted, block(Form.NUMBERS, *rows.T)), expected)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=30), st.integers(2, 12)
)
def test_a_number_on_an_edge_belongs_to_the_bin_above(values, bins):
    """Exactly as a search among the float64 edges says, for any numbers, their neighbours included."""
    train = np.array(values, dtype=np.float32)
    edges = np.unique(np.quantile(train.astype(np.float64), np.arange(1, bins) / bins))
    edges = edges[edges > train.min()]
    finite = np.finfo(np.float32).max
    around = np.concatenate([train, np.nextafter(train, np.float32(-finite)), np.nextafter(train, np.float32(finite))])
    fitted = QuantileBin(bins).fit([Columns(train[:, None], ("a",), Form.NUMBERS)], None, seed=0)
    output = apply(fitted, Columns(around[:, None], ("a",), Form.NUMBERS)).ravel()
    assert output.tolist() == np.searchsorted(edges, around.astype(np.float64), side="right").tolist()


def test_missing_has_a_bin_of_its_own(block):
    """-1 among the codes; as one-hot an output, if there were any in training."""
    columns = block(Form.NUMBERS, [1, 2, 3, 4, np.nan])
    assert apply(QuantileBin(2).fit([columns], None, seed=0), columns).ravel().tolist() == [0, 0, 1, 1, -1]
    fitted = QuantileBin(2, "one_hot").fit([columns], None, seed=0)
    assert fitted.names == ("a < 2.5", "a >= 2.5", "a is missing")
    assert apply(fitted, columns).argmax(axis=1).tolist() == [0, 0, 1, 1, 2]
    full = QuantileBin(2, "one_hot").fit([block(Form.NUMBERS, [1, 2, 3, 4])], None, seed=0)
    assert apply(full, block(Form.NUMBERS, [np.nan])).tolist() == [[0.0, 0.0]]


def test_few_values_make_few_bins(block):
    """Equal edges are one; a constant column is one bin."""
    columns = block(Form.NUMBERS, [0, 0, 0, 1], [7, 7, 7, 7])
    output = apply(QuantileBin(100).fit([columns], None, seed=0), columns)
    assert np.unique(output[:, 0]).size == 2
    assert output[:, 1].tolist() == [0.0] * 4


def test_several_columns_as_one_hot_stand_side_by_side(block):
    """Each row has one 1 for each column."""
    columns = block(Form.NUMBERS, *np.random.default_rng(0).normal(size=(3, 50)))
    fitted = QuantileBin(5, "one_hot").fit([columns], None, seed=0)
    output = apply(fitted, columns)
    assert output.shape == (50, 15)
    assert output.reshape(50, 3, 5).sum(axis=2).tolist() == [[1.0] * 3] * 50
