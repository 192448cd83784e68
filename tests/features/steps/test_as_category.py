"""as_category, against Python's own rounding."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.features.step import Columns, Form
from penstock.features.steps.as_category import AsCategory
from penstock.testing.step import apply


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(width=32, allow_infinity=False), min_size=1, max_size=20))
def test_numbers_are_the_digits_of_whole_ones(values):
    """Halves to even, as Python rounds; far away numbers stop; NaN is missing."""
    column = Columns(np.array(values, dtype=np.float32)[:, None], ("a",), Form.NUMBERS)
    expected = ["" if math.isnan(v) else str(round(max(-(2.0**62), min(2.0**62, v)))) for v in values]
    assert apply(AsCategory().fit([column], None, seed=0), column).ravel().tolist() == expected
