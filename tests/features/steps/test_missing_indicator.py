"""missing_indicator, against scikit-learn's MissingIndicator."""

from __future__ import annotations

import numpy as np
from sklearn.impute import MissingIndicator as Theirs

from penstock.bundle.kinds import MISSING_TIME
from penstock.features.step import Form
from penstock.features.steps.missing_indicator import MissingIndicator
from penstock.testing.step import apply


def test_columns_that_had_gaps_have_an_indicator(block):
    """As scikit-learn's with features='missing-only'."""
    columns = block(Form.NUMBERS, [1, np.nan, 3], [1, 2, 3], [np.nan, np.nan, 0])
    fitted = MissingIndicator().fit([columns], None, seed=0)
    assert fitted.names == ("a is missing", "c is missing")
    assert np.array_equal(apply(fitted, columns), Theirs().fit_transform(columns.values).astype(np.float32))


def test_all_columns_on_request(block):
    """A column without gaps in training can have them later."""
    fitted = MissingIndicator("all").fit([block(Form.NUMBERS, [1.0], [2.0])], None, seed=0)
    assert apply(fitted, block(Form.NUMBERS, [np.nan], [0.0])).tolist() == [[1.0, 0.0]]


def test_strings_and_instants_have_their_own_gaps(block):
    """The empty string, and the absent instant."""
    strings = block(Form.STRINGS, ["", "é"])
    assert apply(MissingIndicator().fit([strings], None, seed=0), strings).ravel().tolist() == [1.0, 0.0]
    times = block(Form.TIMES, [MISSING_TIME, 0])
    assert apply(MissingIndicator().fit([times], None, seed=0), times).ravel().tolist() == [1.0, 0.0]


def test_without_gaps_there_is_no_output(block):
    """Nothing is left, and nothing is written."""
    assert MissingIndicator().fit([block(Form.NUMBERS, [1.0])], None, seed=0).names == ()
