"""clamp, against numpy's clip at its own quantiles."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.bundle.kinds import Kind
from penstock.features.step import Form
from penstock.features.steps.clamp import Clamp
from penstock.testing.step import apply


@pytest.mark.parametrize("shares", [(0.01, 0.99), (0.0, 0.5), (0.3, 0.3)])
def test_shares_are_quantiles_of_the_training_rows(block, shares):
    """Of each column; missing values do not count, and stay."""
    generator = np.random.default_rng(3)
    train, rows = (generator.normal(size=(300, 2)).astype(np.float32) for _ in range(2))
    train[::4, 0] = rows[::3, 1] = np.nan
    limits = np.nanquantile(train.astype(np.float64), shares, axis=0)
    fitted = Clamp(*shares).fit([block(Form.NUMBERS, *train.T)], None, seed=0)
    output = apply(fitted, block(Form.NUMBERS, *rows.T))
    assert np.allclose(output, np.clip(rows, limits[0], limits[1]), atol=1e-6, equal_nan=True)


def test_values_are_limits_in_the_columns_own_unit(block):
    """Nothing is learned."""
    fitted = Clamp(-1.0, 120.0, by="value").fit([block(Form.NUMBERS, [5])], None, seed=0)
    output = apply(fitted, block(Form.NUMBERS, [-7, -1, 0, 120, 1e9, np.nan])).ravel()
    assert output[:5].tolist() == [-1, -1, 0, 120, 120]
    assert np.isnan(output[5])


def test_a_column_without_values_has_no_limits(block):
    """There is nothing to learn from."""
    fitted = Clamp().fit([block(Form.NUMBERS, [np.nan, np.nan])], None, seed=0)
    assert apply(fitted, block(Form.NUMBERS, [-3e38, 5.0])).ravel().tolist() == [np.float32(-3e38), 5.0]


def test_it_objects_to_limits_that_cross_and_to_shares_that_are_none():
    """Each with what to write instead."""
    assert "larger" in str(Clamp(2.0, 1.0, "value").objection(Kind.NUMERIC))
    assert "by=value" in str(Clamp(0.0, 120.0).objection(Kind.NUMERIC))
    assert Clamp(0.0, 120.0, "value").objection(Kind.NUMERIC) is None
