"""standardise, against scikit-learn's StandardScaler in float64."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from penstock.features.step import Form
from penstock.features.steps.standardise import Standardise
from penstock.testing.step import apply


@pytest.mark.parametrize("offset", [0.0, 5.0, -3e4, 1.6e9])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e5])
def test_it_is_the_standard_scaler(block, offset, scale):
    """Within 1e-5 of the float64 result on the same float32 numbers, whatever their offset, with missing values."""
    values = (offset + scale * np.random.default_rng(0).normal(size=(200, 2))).astype(np.float32)
    values[::7, 0] = np.nan
    columns = block(Form.NUMBERS, *values.T)
    fitted = Standardise().fit([columns], None, seed=0)
    expected = StandardScaler().fit_transform(values.astype(np.float64))
    if offset == 1.6e9 and scale == 1e-3:
        expected = np.zeros_like(expected)  # these numbers are all the same in float32
        expected[np.isnan(values)] = np.nan
    assert np.allclose(apply(fitted, columns), expected, atol=1e-5, equal_nan=True)


def test_adjacent_numbers_stay_apart(block):
    """Two neighbours in float32 far from 0 become -1 and 1."""
    far = np.float32(1e9)
    columns = block(Form.NUMBERS, [far, np.nextafter(far, np.float32(np.inf))])
    fitted = Standardise().fit([columns], None, seed=0)
    assert apply(fitted, columns).ravel().tolist() == [-1.0, 1.0]


def test_a_constant_column_becomes_zero_and_a_new_value_stays_finite(block):
    """A spread of 0 is taken as 1."""
    fitted = Standardise().fit([block(Form.NUMBERS, [0.1] * 9)], None, seed=0)
    assert apply(fitted, block(Form.NUMBERS, [0.1, 2.1])).ravel().tolist() == pytest.approx([0.0, 2.0])


def test_missing_stays_missing(block):
    """NaN neither counts nor is filled; a column without values is left as it is."""
    fitted = Standardise().fit([block(Form.NUMBERS, [np.nan] * 3)], None, seed=0)
    output = apply(fitted, block(Form.NUMBERS, [np.nan, 2.0])).ravel()
    assert np.isnan(output[0])
    assert output[1] == 2.0


def test_extreme_numbers_stay_finite(block):
    """What would be beyond float32 stops at its largest number."""
    most = np.finfo(np.float32).max
    fitted = Standardise().fit([block(Form.NUMBERS, [-most, -most, -most * 0.999])], None, seed=0)
    assert np.isfinite(apply(fitted, block(Form.NUMBERS, [most, -most, 0.0]))).all()


def test_no_rows_give_no_rows(block):
    """An empty batch passes through."""
    fitted = Standardise().fit([block(Form.NUMBERS, [1.0, 2.0])], None, seed=0)
    assert apply(fitted, block(Form.NUMBERS, [])).shape == (0, 1)
