"""uniform_bin, against scikit-learn's KBinsDiscretizer."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.preprocessing import KBinsDiscretizer

from penstock.features.step import Form
from penstock.features.steps.uniform_bin import UniformBin
from penstock.testing.step import apply


@pytest.mark.parametrize("bins", [2, 7, 100])
@pytest.mark.parametrize(("encode", "theirs"), [("ordinal", "ordinal"), ("one_hot", "onehot-dense")])
def test_it_is_the_discretizer(block, bins, encode, theirs):
    """The same bins as strategy='uniform', for training rows and others, some outside their range."""
    generator = np.random.default_rng(4)
    train, rows = (generator.lognormal(size=(n, 2)).astype(np.float32) for n in (300, 1_000))
    reference = KBinsDiscretizer(bins, encode=theirs, strategy="uniform", subsample=None).fit(train.astype(np.float64))
    fitted = UniformBin(bins, encode).fit([block(Form.NUMBERS, *train.T)], None, seed=0)
    assert np.array_equal(apply(fitted, block(Form.NUMBERS, *rows.T)), reference.transform(rows.astype(np.float64)))


def test_missing_and_constant_columns(block):
    """Missing is -1; one value is one bin; a column without values has one bin too."""
    train = block(Form.NUMBERS, [0, 10, np.nan], [7, 7, 7], [np.nan] * 3)
    output = apply(UniformBin(2).fit([train], None, seed=0), train)
    assert output.tolist() == [[0, 0, -1], [1, 0, -1], [-1, 0, -1]]


def test_the_whole_range_of_float32_is_divided(block):
    """Its width is larger than float32 holds."""
    most = np.finfo(np.float32).max
    columns = block(Form.NUMBERS, [-most, -1, 1, most])
    assert apply(UniformBin(2).fit([columns], None, seed=0), columns).ravel().tolist() == [0, 0, 1, 1]
