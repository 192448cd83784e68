"""impute_nearest, against scikit-learn's KNNImputer."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.impute import KNNImputer
from sklearn.preprocessing import StandardScaler

from penstock.errors import RecipeError
from penstock.features.step import Columns, Form
from penstock.features.steps.impute_nearest import ImputeNearest
from penstock.testing.step import apply


def _holes(n_rows: int, width: int, share: float, seed: int) -> np.ndarray:
    """Correlated columns of different units with missing values."""
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(n_rows, 2)) @ np.random.default_rng(99).normal(size=(2, width))
    values = (values + 0.1 * generator.normal(size=values.shape)) * 10.0 ** np.arange(width) + 5
    values[generator.random(values.shape) < share] = np.nan
    return values.astype(np.float32)


@pytest.mark.parametrize("neighbours", [1, 5, 100])
@pytest.mark.parametrize("share", [0.1, 0.6])
def test_it_is_the_knn_imputer(block, neighbours, share):
    """Within 1e-5 of a deviation, for training rows and others, some of which have no column at all."""
    train, rows = _holes(80, 4, share, 1), _holes(60, 4, share, 2)
    scaler = StandardScaler().fit(train.astype(np.float64))
    theirs = KNNImputer(n_neighbors=neighbours).fit(scaler.transform(train.astype(np.float64)))
    fitted = ImputeNearest(neighbours).fit([block(Form.NUMBERS, *train.T)], None, seed=0)
    for values in (rows, np.full((1, 4), np.nan, np.float32)):
        expected = theirs.transform(scaler.transform(values.astype(np.float64)))
        output = apply(fitted, block(Form.NUMBERS, *values.T))
        assert np.allclose(scaler.transform(output.astype(np.float64)), expected, atol=1e-5)


def test_what_is_there_stays(block):
    """Bit for bit."""
    values = _holes(50, 3, 0.0, 3)
    columns = block(Form.NUMBERS, *values.T)
    assert np.array_equal(apply(ImputeNearest().fit([columns], None, seed=0), columns), values)


def test_it_carries_no_more_rows_than_allowed(block):
    """Drawn by the seed from those that have a value, and it says how many."""
    values = _holes(300, 3, 0.2, 4)
    values[:100] = np.nan
    columns = block(Form.NUMBERS, *values.T)
    fitted = ImputeNearest(rows=50).fit([columns], None, seed=1)
    assert ImputeNearest.carries_rows
    assert fitted.carried_rows == 50
    assert not np.isnan(fitted.rows).all(axis=1).any()
    assert np.array_equal(fitted.rows, ImputeNearest(rows=50).fit([columns], None, seed=1).rows, equal_nan=True)
    assert not np.isnan(apply(fitted, columns)).any()


def test_columns_without_values_are_filled_with_zero(block):
    """Beside others, and alone."""
    columns = block(Form.NUMBERS, [1, 2, np.nan], [np.nan] * 3)
    assert apply(ImputeNearest().fit([columns], None, seed=0), columns).tolist() == [[1, 0], [2, 0], [1.5, 0]]
    nothing = block(Form.NUMBERS, [np.nan] * 3)
    fitted = ImputeNearest().fit([nothing], None, seed=0)
    assert fitted.carried_rows == 0
    assert apply(fitted, nothing).ravel().tolist() == [0, 0, 0]


def test_too_many_columns_are_refused():
    """With ways out."""
    columns = Columns(np.zeros((1, 300), np.float32), tuple(f"c{j}" for j in range(300)), Form.NUMBERS)
    with pytest.raises(RecipeError, match="300 columns"):
        ImputeNearest().fit([columns], None, seed=0)
