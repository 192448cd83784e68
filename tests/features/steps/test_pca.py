"""pca, against scikit-learn's PCA in float64."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer

from penstock.features.step import Columns, Form
from penstock.features.steps.pca import Pca
from penstock.testing.step import apply


def _mixed(n_rows: int, width: int, seed: int = 0) -> np.ndarray:
    """Correlated columns of falling strength, far from 0."""
    generator = np.random.default_rng(seed)
    strength = 0.8 ** np.arange(width)
    turned = np.linalg.qr(generator.normal(size=(width, width)))[0]
    return (50 + (generator.normal(size=(n_rows, width)) * strength) @ turned).astype(np.float32)


@pytest.mark.parametrize(("components", "share"), [(3, 1.0), (8, 1.0), (8, 0.7), (8, 0.95)])
def test_it_is_pca(block, components, share):
    """The same components with the same signs, within 1e-5, for training rows and others."""
    train, rows = _mixed(300, 8), _mixed(50, 8, seed=1)
    theirs = PCA(share if share < 1 else components, svd_solver="full").fit(train.astype(np.float64))
    fitted = Pca(components, share).fit([block(Form.NUMBERS, *train.T)], None, seed=0)
    expected = theirs.transform(rows.astype(np.float64))
    assert len(fitted.names) == theirs.n_components_
    assert np.allclose(apply(fitted, block(Form.NUMBERS, *rows.T)), expected, atol=1e-5)


def test_missing_counts_as_the_mean(block):
    """In fit and serving, so that nothing is missing afterwards."""
    values = _mixed(200, 5)
    values[np.random.default_rng(1).random(values.shape) < 0.2] = np.nan
    complete = SimpleImputer().fit_transform(values.astype(np.float64))
    columns = block(Form.NUMBERS, *values.T)
    output = apply(Pca(3).fit([columns], None, seed=0), columns)
    assert np.allclose(output, PCA(3).fit_transform(complete), atol=1e-5)


def test_wide_tables_are_iterated(monkeypatch):
    """With the answer of the full decomposition."""
    values = _mixed(400, 60)
    columns = Columns(values, tuple(f"c{j}" for j in range(60)), Form.NUMBERS)
    expected = PCA(6, svd_solver="full").fit_transform(values.astype(np.float64))
    monkeypatch.setattr("penstock.features.projection.DENSE_COLUMNS", 50)
    assert np.allclose(apply(Pca(6).fit([columns], None, seed=0), columns), expected, atol=1e-5)


def test_what_rows_do_not_differ_in_is_left_out(block):
    """A column twice is one component; constant columns, or one row, are none."""
    column = np.random.default_rng(0).normal(size=20)
    assert len(Pca().fit([block(Form.NUMBERS, column, column, [0.1] * 20)], None, seed=0).names) == 1
    assert Pca().fit([block(Form.NUMBERS, [0.1] * 9, [7] * 9)], None, seed=0).names == ()
    assert Pca().fit([block(Form.NUMBERS, [3], [7])], None, seed=0).names == ()


def test_names_say_from_which_columns(block):
    """The first, and how many more."""
    columns = block(Form.NUMBERS, *np.random.default_rng(0).normal(size=(3, 9)))
    assert Pca(2).fit([columns], None, seed=0).names == ("a and 2 more: component 1", "a and 2 more: component 2")


def test_huge_values_stay_finite(block):
    """Sums of numbers at the end of float32, with either sign."""
    most = np.finfo(np.float32).max
    columns = block(Form.NUMBERS, [most, -most, 0, 1], [most, -most, 1, 0], [-most, most, 5, 2])
    assert np.isfinite(apply(Pca().fit([columns], None, seed=0), columns)).all()
