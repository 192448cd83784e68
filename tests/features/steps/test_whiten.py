"""whiten, against its formula and scikit-learn's PCA(whiten=True)."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import fractional_matrix_power
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from penstock.errors import RecipeError
from penstock.features.step import Columns, Form
from penstock.features.steps.whiten import Whiten
from penstock.testing.step import apply


@pytest.fixture
def values():
    """Correlated columns of very different units."""
    generator = np.random.default_rng(0)
    mixed = generator.normal(size=(400, 5)) @ generator.normal(size=(5, 5))
    return (mixed * [1e-6, 1, 1e6, 3, 50] + [0, 9, 1e8, 0, 1]).astype(np.float32)


def test_zca_is_its_formula(block, values):
    """The correlation matrix to the power -1/2 times the standardised columns, within 1e-5; outputs keep the names."""
    columns = block(Form.NUMBERS, *values.T)
    fitted = Whiten().fit([columns], None, seed=0)
    scaled = StandardScaler().fit_transform(values.astype(np.float64))
    expected = scaled @ fractional_matrix_power(np.corrcoef(scaled.T), -0.5)
    assert np.allclose(apply(fitted, columns), expected, atol=1e-5)
    assert fitted.names == columns.names


def test_pca_is_whitened_pca(block, values):
    """Of the standardised columns, but that variances divide by n."""
    columns = block(Form.NUMBERS, *values.T)
    scaled = StandardScaler().fit_transform(values.astype(np.float64))
    expected = PCA(whiten=True, svd_solver="full").fit_transform(scaled) * np.sqrt(400 / 399)
    assert np.allclose(apply(Whiten("pca").fit([columns], None, seed=0), columns), expected, atol=1e-5)


@pytest.mark.parametrize("method", ["zca", "pca"])
def test_the_training_rows_come_out_white(block, values, method):
    """Mean 0, variance 1, no correlation; with missing values too, which count as the mean."""
    values[::9, 2] = np.nan
    columns = block(Form.NUMBERS, *values.T)
    output = apply(Whiten(method).fit([columns], None, seed=0), columns).astype(np.float64)
    assert np.allclose(output.mean(axis=0), 0, atol=1e-5)
    assert np.allclose(np.cov(output.T, bias=True), np.eye(5), atol=1e-4)


def test_what_rows_do_not_differ_in_is_not_stretched(block):
    """A column twice, and a constant one: no noise is blown up."""
    column = np.random.default_rng(0).normal(size=50)
    columns = block(Form.NUMBERS, column, column, [0.1] * 50)
    output = apply(Whiten().fit([columns], None, seed=0), columns)
    assert np.allclose(output[:, 0], output[:, 1])
    assert np.allclose(output[:, 0] * np.sqrt(2), (column - column.mean()) / column.std(), atol=1e-5)
    assert (output[:, 2] == 0).all()
    assert len(Whiten("pca").fit([columns], None, seed=0).names) == 1


def test_too_many_columns_are_refused():
    """With ways out."""
    columns = Columns(np.zeros((1, 6_000), np.float32), tuple(f"c{j}" for j in range(6_000)), Form.NUMBERS)
    with pytest.raises(RecipeError, match="6,000 columns"):
        Whiten().fit([columns], None, seed=0)
