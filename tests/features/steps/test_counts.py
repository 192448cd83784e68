"""counts, against numpy's own."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.features.step import Form
from penstock.features.steps.counts import Counts
from penstock.testing.step import apply


@pytest.mark.parametrize(
    ("scale", "of"), [("rows", lambda c, n: c), ("share", lambda c, n: c / n), ("log", lambda c, n: np.log1p(c))]
)
def test_it_is_the_number_of_rows_with_the_value(block, scale, of):
    """0 for a value that no row had; missing counts as a value."""
    train = ["a", "b", "a", "", "é", "a"]
    fitted = Counts(scale).fit([block(Form.STRINGS, train)], None, seed=0)
    rows = ["a", "b", "", "é", "never"]
    values, counts = np.unique(np.array(train), return_counts=True)
    known = dict(zip(values.tolist(), counts.tolist(), strict=True))
    expected = [of(known.get(value, 0), len(train)) for value in rows]
    assert fitted.names == (f"a: {scale}",)
    assert np.allclose(apply(fitted, block(Form.STRINGS, rows)).ravel(), expected, atol=1e-6)


def test_the_order_of_rows_does_not_matter(block):
    """The same counts, the same bytes."""
    first, second = ["a", "b", "a"], ["b", "a", "a"]
    assert Counts().fit([block(Form.STRINGS, first)], None, seed=0) == Counts().fit(
        [block(Form.STRINGS, second)], None, seed=0
    )
