"""products, against scikit-learn's interaction features."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.preprocessing import PolynomialFeatures

from penstock.errors import RecipeError
from penstock.features.step import Columns, Form
from penstock.features.steps.products import Products
from penstock.testing.step import apply


def test_they_are_the_interactions_of_degree_2(block):
    """Without the columns themselves."""
    values = np.random.default_rng(0).normal(size=(50, 5)).astype(np.float32)
    columns = block(Form.NUMBERS, *values.T)
    theirs = PolynomialFeatures(2, interaction_only=True, include_bias=False).fit_transform(values.astype(np.float64))
    fitted = Products().fit([columns], None, seed=0)
    assert np.allclose(apply(fitted, columns), theirs[:, 5:], rtol=1e-6)
    assert fitted.names[:4] == ("a * b", "a * c", "a * d", "a * e")


def test_one_column_has_no_product(block):
    """It leaves no output."""
    assert Products().fit([block(Form.NUMBERS, [1, 2])], None, seed=0).names == ()


def test_missing_and_huge_factors(block):
    """NaN stays NaN; what is beyond float32 stops at its end."""
    columns = block(Form.NUMBERS, [3e38, np.nan], [-3e38, 2.0])
    output = apply(Products().fit([columns], None, seed=0), columns).ravel()
    assert output[0] == -np.finfo(np.float32).max
    assert np.isnan(output[1])


def test_too_many_are_refused():
    """With their number and ways out."""
    columns = Columns(np.zeros((1, 300), np.float32), tuple(f"c{j}" for j in range(300)), Form.NUMBERS)
    with pytest.raises(RecipeError, match="300 columns has 44,850 outputs"):
        Products().fit([columns], None, seed=0)
