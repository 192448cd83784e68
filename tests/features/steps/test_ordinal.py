"""ordinal: codes by frequency, as counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.features.step import Form
from penstock.features.steps.ordinal import Ordinal
from penstock.testing.step import apply


def test_the_most_frequent_value_is_1(block):
    """Then 2, 3, ...; equally frequent ones in alphabetical order; missing is -1."""
    columns = block(Form.STRINGS, ["b", "b", "a", "ç", "", "b", "ç"])
    fitted = Ordinal().fit([columns], None, seed=0)
    assert apply(fitted, columns).ravel().tolist() == [1, 1, 3, 2, -1, 1, 2]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"min_frequency": 2.0}, [1, 0, 0, -1]),
        ({"min_frequency": 0.5}, [1, 0, 0, -1]),
        ({"max_categories": 1}, [1, 0, 0, -1]),
        ({"max_categories": 1, "unknown": "own"}, [1, 0, -2, -1]),
        ({"unknown": "own"}, [1, 2, -2, -1]),
    ],
)
def test_rare_unknown_and_missing_values_have_codes(block, parameters, expected):
    """0 for rare and, unless they have their own, unknown ones; -1 for missing."""
    fitted = Ordinal(**parameters).fit([block(Form.STRINGS, ["a", "a", "b", ""])], None, seed=0)
    assert apply(fitted, block(Form.STRINGS, ["a", "b", "new", ""])).ravel().tolist() == expected


def test_missing_can_stay_missing(block):
    """For learners that take it."""
    fitted = Ordinal(missing="nan").fit([block(Form.STRINGS, ["a", "b"], ["x", ""])], None, seed=0)
    output = apply(fitted, block(Form.STRINGS, ["", "b"], ["x", ""]))
    assert np.isnan(output[0, 0])
    assert np.isnan(output[1, 1])
    assert output[1, 0] == 2


def test_no_rows_give_no_rows(block):
    """An empty batch passes through."""
    fitted = Ordinal().fit([block(Form.STRINGS, ["a"], ["b"])], None, seed=0)
    assert apply(fitted, block(Form.STRINGS, [], [])).shape == (0, 2)
