"""polynomial, against scikit-learn's PolynomialFeatures."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.preprocessing import PolynomialFeatures

from penstock.errors import RecipeError
from penstock.features.step import Columns, Form
from penstock.features.steps.polynomial import Polynomial
from penstock.testing.step import apply


@pytest.mark.parametrize("degree", [2, 3, 4])
@pytest.mark.parametrize("width", [1, 3, 5])
def test_it_is_polynomial_features(block, degree, width):
    """The same products in the same order, with the same names but for their spelling."""
    values = np.random.default_rng(0).normal(size=(50, width)).astype(np.float32)
    columns = block(Form.NUMBERS, *values.T)
    theirs = PolynomialFeatures(degree, include_bias=False).fit(values.astype(np.float64))
    fitted = Polynomial(degree).fit([columns], None, seed=0)
    assert np.allclose(apply(fitted, columns), theirs.transform(values.astype(np.float64)), rtol=1e-6, atol=1e-7)
    assert [n.replace(" * ", " ") for n in fitted.names] == list(theirs.get_feature_names_out(columns.names))


def test_missing_factors_make_missing_products(block):
    """And leave the other outputs alone."""
    columns = block(Form.NUMBERS, [2.0], [np.nan])
    output = apply(Polynomial().fit([columns], None, seed=0), columns).ravel()
    assert output[[0, 2]].tolist() == [2.0, 4.0]
    assert np.isnan(output[[1, 3, 4]]).all()


def test_products_beyond_float32_stop_at_its_end(block):
    """A product that passes through a huge one on the way to a small one is right."""
    most = np.finfo(np.float32).max
    columns = block(Form.NUMBERS, [most], [-most], [0.0])
    fitted = Polynomial(3).fit([columns], None, seed=0)
    output = dict(zip(fitted.names, apply(fitted, columns).ravel().tolist(), strict=True))
    assert (output["a^2"], output["a * b"], output["a^2 * c"]) == (most, -most, 0.0)


def test_too_many_outputs_are_refused():
    """With their number and ways out."""
    columns = Columns(np.zeros((1, 60), np.float32), tuple(f"c{j}" for j in range(60)), Form.NUMBERS)
    with pytest.raises(RecipeError, match=r"60 columns with degree 4 has 635,375 outputs"):
        Polynomial(4).fit([columns], None, seed=0)
