"""min_max, against scikit-learn's MinMaxScaler in float64."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler

from penstock.bundle.kinds import Kind
from penstock.features.step import Form
from penstock.features.steps.min_max import MinMax
from penstock.testing.step import apply


@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize("between", [(0.0, 1.0), (-3.0, 2.5)])
def test_it_is_the_min_max_scaler(block, between, clip):
    """Within 1e-5 of the float64 result, for training rows and others beyond their range, with missing values."""
    generator = np.random.default_rng(0)
    train, rows = (generator.normal(1e5, s, (200, 3)).astype(np.float32) for s in (1, 2))
    train[::7, 0] = rows[::5, 0] = np.nan
    expected = MinMaxScaler(between, clip=clip).fit(train.astype(np.float64)).transform(rows.astype(np.float64))
    fitted = MinMax(*between, clip=clip).fit([block(Form.NUMBERS, *train.T)], None, seed=0)
    assert np.allclose(apply(fitted, block(Form.NUMBERS, *rows.T)), expected, atol=1e-5, equal_nan=True)


def test_a_constant_column_becomes_the_lower_end(block):
    """Its range is taken as 1."""
    fitted = MinMax(2.0, 4.0).fit([block(Form.NUMBERS, [7, 7])], None, seed=0)
    assert apply(fitted, block(Form.NUMBERS, [7, 8])).ravel().tolist() == [2.0, 4.0]


def test_the_whole_range_of_float32_is_stretched(block):
    """Its width is larger than float32 holds."""
    most = np.finfo(np.float32).max
    columns = block(Form.NUMBERS, [-most, 0.0, most])
    assert apply(MinMax().fit([columns], None, seed=0), columns).ravel().tolist() == [0.0, 0.5, 1.0]


def test_it_objects_to_a_range_that_does_not_rise():
    """low must be below high."""
    assert "low" in str(MinMax(1.0, 0.0).objection(Kind.NUMERIC))
    assert MinMax().objection(Kind.NUMERIC) is None
