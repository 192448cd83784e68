"""robust_scale, against scikit-learn's RobustScaler in float64."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.preprocessing import RobustScaler

from penstock.bundle.kinds import Kind
from penstock.features.step import Form
from penstock.features.steps.robust_scale import RobustScale
from penstock.testing.step import apply


@pytest.mark.parametrize("shares", [(0.25, 0.75), (0.05, 0.9)])
@pytest.mark.parametrize("offset", [0.0, 1.6e9])
def test_it_is_the_robust_scaler(block, shares, offset):
    """Within 1e-5 for any quantiles and offset, with missing values and outliers."""
    values = (offset + 1e4 * np.random.default_rng(0).standard_t(2, (200, 3))).astype(np.float32)
    values[::9, 1] = np.nan
    columns = block(Form.NUMBERS, *values.T)
    expected = RobustScaler(quantile_range=(100 * shares[0], 100 * shares[1])).fit_transform(values.astype(np.float64))
    output = apply(RobustScale(*shares).fit([columns], None, seed=0), columns)
    assert np.allclose(output, expected, rtol=1e-5, atol=1e-5, equal_nan=True)


def test_an_extreme_value_does_not_change_what_others_become(block):
    """The largest of many may be any number."""
    rows = block(Form.NUMBERS, [1, 2, 3])
    near = RobustScale().fit([block(Form.NUMBERS, [1, 2, 3, 4, 5, 6, 7])], None, seed=0)
    far = RobustScale().fit([block(Form.NUMBERS, [1, 2, 3, 4, 5, 6, 3e38])], None, seed=0)
    assert np.array_equal(apply(near, rows), apply(far, rows))


def test_equal_quantiles_divide_nothing(block):
    """A constant column becomes 0; so does one that is constant for most rows, and its other values keep their unit."""
    fitted = RobustScale().fit([block(Form.NUMBERS, [0.1] * 9, [7] * 8 + [9])], None, seed=0)
    output = apply(fitted, block(Form.NUMBERS, [0.1, 2.1], [7, 9]))
    assert np.allclose(output, [[0, 0], [2, 2]], atol=1e-6)


def test_extreme_numbers_stay_finite(block):
    """The distance between the quantiles may be larger than float32 holds."""
    most = np.finfo(np.float32).max
    columns = block(Form.NUMBERS, [-most, -most, most, most])
    assert apply(RobustScale().fit([columns], None, seed=0), columns).ravel().tolist() == [-0.5, -0.5, 0.5, 0.5]


def test_it_objects_to_quantiles_that_do_not_rise():
    """The lower one must be the smaller one."""
    assert "lower" in str(RobustScale(0.5, 0.5).objection(Kind.NUMERIC))
    assert RobustScale().objection(Kind.NUMERIC) is None
