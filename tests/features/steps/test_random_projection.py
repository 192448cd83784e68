"""random_projection, against its formula and the distances that it must keep."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import pairwise_distances

from penstock.features.step import Columns, Form
from penstock.features.steps.random_projection import RandomProjection
from penstock.testing.step import apply


def _columns(values: np.ndarray) -> Columns:
    return Columns(values.astype(np.float32), tuple(f"c{j}" for j in range(values.shape[1])), Form.NUMBERS)


@pytest.mark.parametrize("weights", ["gaussian", "sparse"])
def test_it_keeps_distances(weights):
    """Of 60 rows of 500 columns, all within 30 % with 400 outputs (Johnson and Lindenstrauss), and most within 5 %."""
    columns = _columns(np.random.default_rng(0).normal(size=(60, 500)))
    output = apply(RandomProjection(400, weights).fit([columns], None, seed=0), columns)
    pairs = np.triu_indices(60, 1)
    ratio = pairwise_distances(output)[pairs] / pairwise_distances(columns.values)[pairs]
    assert ratio.min() > 0.7
    assert ratio.max() < 1.3
    assert np.mean(np.abs(ratio - 1) < 0.05) > 0.7


@pytest.mark.parametrize("weights", ["gaussian", "sparse"])
def test_it_is_a_product_with_its_weights(weights):
    """Within 1e-5 of numpy's in float64; a missing value counts as its column's mean."""
    values = np.random.default_rng(1).normal(3, 1, size=(30, 20)).astype(np.float32)
    values[::4, 3] = np.nan
    fitted = RandomProjection(7, weights).fit([_columns(values)], None, seed=5)
    complete = np.where(np.isnan(values), np.nanmean(values.astype(np.float64), axis=0), values)
    assert np.allclose(apply(fitted, _columns(values)), complete @ fitted.weights, atol=1e-5)


def test_weights_have_the_variance_and_the_zeros_that_are_declared():
    """1 / components; and two of three are 0 where they are sparse."""
    columns = _columns(np.zeros((2, 2_000)))
    for weights in ("gaussian", "sparse"):
        drawn = RandomProjection(50, weights).fit([columns], None, seed=2).weights
        assert abs(drawn.var() * 50 - 1) < 0.03
    assert abs(np.mean(drawn == 0) - 2 / 3) < 0.01


def test_the_seed_decides():
    """The same seed draws the same weights, another one others."""
    columns = _columns(np.zeros((2, 9)))
    drawn = [RandomProjection(5).fit([columns], None, seed=seed).weights for seed in (1, 1, 2)]
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])
