"""power, against scipy's Yeo-Johnson and scikit-learn's PowerTransformer."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import yeojohnson
from sklearn.preprocessing import PowerTransformer

from penstock.features.step import Form
from penstock.features.steps.power import FittedPower, Power, likeliest_power
from penstock.testing.step import apply


@pytest.mark.parametrize("power", [0.0, 2.0, 1.0, 1e-6, -1e-6, 2 + 1e-6, 0.3, -2.7, 4.9])
def test_it_is_the_transform_of_its_power(block, power):
    """Within 1e-5 of scipy's, relative to the size of what comes out, for numbers of all sizes and both signs."""
    generator = np.random.default_rng(0)
    size = np.concatenate([10 ** generator.uniform(-12, 6, 400), [0.0, 1e-8, 1e-3, 1.0]])
    numbers = np.concatenate([size, -size]).astype(np.float32)
    fitted = FittedPower(("a",), np.array([power]), np.zeros(1), np.ones(1))
    output = apply(fitted, block(Form.NUMBERS, numbers)).ravel()
    expected = yeojohnson(numbers.astype(np.float64), power)
    assert np.allclose(output, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("standardise", [True, False])
def test_it_is_the_power_transformer(block, standardise):
    """The same power, and the same numbers within 1e-5 (the powers themselves differ by some 1e-8, where two optimisers stop), NaN kept."""
    generator = np.random.default_rng(5)
    train = np.column_stack([generator.lognormal(size=400), -generator.gamma(2, 3, 400), generator.normal(size=400)])
    train = train.astype(np.float32)
    train[::11, 1] = np.nan
    theirs = PowerTransformer(standardize=standardise).fit(train.astype(np.float64))
    columns = block(Form.NUMBERS, *train.T)
    fitted = Power(standardise).fit([columns], None, seed=0)
    assert np.allclose(fitted.power, theirs.lambdas_, atol=1e-6)
    assert np.allclose(apply(fitted, columns), theirs.transform(train.astype(np.float64)), atol=1e-5, equal_nan=True)


def test_with_the_same_power_it_is_the_power_transformer_within_1e_5(block):
    """The standardised result on the same learned power."""
    values = np.random.default_rng(6).lognormal(1, 0.7, (300, 1)).astype(np.float32)
    columns = block(Form.NUMBERS, values.ravel())
    fitted = Power().fit([columns], None, seed=0)
    changed = yeojohnson(values.astype(np.float64), fitted.power[0])
    expected = (changed - changed.mean()) / changed.std()
    assert np.allclose(apply(fitted, columns), expected, atol=1e-5)


def test_many_rows_are_learned_from_by_a_draw(block, monkeypatch):
    """The power is near that of all rows, and the same for the same seed."""
    monkeypatch.setattr("penstock.features.steps.power.MOST_ROWS", 20_000)
    values = np.random.default_rng(8).gamma(2, 5, 60_000).astype(np.float32)
    columns = block(Form.NUMBERS, values)
    first, again = (Power().fit([columns], None, seed=3) for _ in range(2))
    assert np.array_equal(first.power, again.power)
    assert abs(first.power[0] - likeliest_power(values.astype(np.float64))) < 0.02


def test_too_few_values_change_nothing(block):
    """A constant column becomes 0, a missing one keeps what is new as it is."""
    fitted = Power().fit([block(Form.NUMBERS, [7, 7, 7], [np.nan] * 3)], None, seed=0)
    assert fitted.power.tolist() == [1.0, 1.0]
    assert np.allclose(apply(fitted, block(Form.NUMBERS, [7, 9], [3, -4])), [[0, 3], [2, -4]])


def test_extreme_numbers_stay_finite(block):
    """Of fit and serving alike."""
    most = np.finfo(np.float32).max
    columns = block(Form.NUMBERS, [-most, 0, most, 1, 1e-45], [most, most / 2, most / 3, 1, 2])
    output = apply(Power().fit([columns], None, seed=0), columns)
    assert np.isfinite(output).all()
    gentle = Power().fit([block(Form.NUMBERS, [1, 2, 3], [-3, 0, 4])], None, seed=0)
    assert np.isfinite(apply(gentle, columns)).all()
