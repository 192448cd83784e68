"""impute, against scikit-learn's SimpleImputer."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.impute import SimpleImputer

from penstock.bundle.kinds import Kind
from penstock.features.step import Form
from penstock.features.steps.impute import Impute
from penstock.testing.step import apply


@pytest.mark.parametrize(
    ("strategy", "theirs"), [("mean", "mean"), ("median", "median"), ("mode", "most_frequent"), ("auto", "median")]
)
def test_numbers_are_filled_as_by_the_simple_imputer(block, strategy, theirs):
    """Mean, median and mode of the numbers that are there; of equally frequent ones the smallest."""
    values = np.random.default_rng(1).integers(-3, 4, (60, 3)).astype(np.float32) + np.float32(0.1)
    values[np.random.default_rng(2).random((60, 3)) < 0.3] = np.nan
    columns = block(Form.NUMBERS, *values.T)
    output = apply(Impute(strategy).fit([columns], None, seed=0), columns)
    assert np.allclose(output, SimpleImputer(strategy=theirs).fit_transform(values.astype(np.float64)), atol=1e-5)


def test_a_constant_fills_numbers_and_strings(block):
    """The value is the parameter `fill`."""
    numbers = block(Form.NUMBERS, [np.nan, 1.0])
    assert apply(Impute("constant", -1).fit([numbers], None, seed=0), numbers).ravel().tolist() == [-1.0, 1.0]
    strings = block(Form.STRINGS, ["", "a"])
    assert apply(Impute("constant", "ÿ?").fit([strings], None, seed=0), strings).ravel().tolist() == ["ÿ?", "a"]


def test_strings_are_filled_with_their_mode(block):
    """The most frequent value of each column, the first in the alphabet of equally frequent ones; missing does not count."""
    strings = block(Form.STRINGS, ["", "", "", "b", "a"], ["x", "ü", "ü", "", "x"])
    output = apply(Impute().fit([strings], None, seed=0), strings)
    assert output[:, 0].tolist() == ["a", "a", "a", "b", "a"]
    assert output[3, 1] == "x"


def test_a_column_without_values_is_filled_with_zero_or_stays_missing(block):
    """There is nothing to learn from."""
    assert (
        apply(Impute().fit([block(Form.NUMBERS, [np.nan])], None, seed=0), block(Form.NUMBERS, [np.nan])).item() == 0.0
    )
    assert apply(Impute().fit([block(Form.STRINGS, [""])], None, seed=0), block(Form.STRINGS, [""])).item() == ""


def test_it_objects_to_what_a_kind_has_not():
    """A median of strings, a text among numbers."""
    assert "mode" in str(Impute("median").objection(Kind.CATEGORICAL))
    assert "numbers" in str(Impute("constant", "x").objection(Kind.NUMERIC))
    assert Impute("mean").objection(Kind.NUMERIC) is None
