"""truncated_svd, against scikit-learn's TruncatedSVD."""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import TruncatedSVD

from penstock.features.step import Columns, Form
from penstock.features.steps.truncated_svd import TruncatedSvd
from penstock.testing.step import apply


def _counts(n_rows: int, width: int, seed: int = 0) -> np.ndarray:
    """Sparse counts with a few topics."""
    generator = np.random.default_rng(seed)
    topics = generator.gamma(0.1, 10, (6, width)) * (2.0 ** -np.arange(6))[:, None]
    return generator.poisson(generator.gamma(0.5, 2, (n_rows, 6)) @ topics).astype(np.float32)


def _columns(values: np.ndarray) -> Columns:
    return Columns(values, tuple(f"c{j}" for j in range(values.shape[1])), Form.NUMBERS)


def test_it_is_truncated_svd():
    """Within 1e-5 of the size of the numbers, with the same signs, for training rows and others."""
    train, rows = _counts(300, 40), _counts(50, 40, seed=1)
    theirs = TruncatedSVD(4, algorithm="arpack", random_state=0).fit(train.astype(np.float64))
    expected = theirs.transform(rows.astype(np.float64))
    output = apply(TruncatedSvd(4).fit([_columns(train)], None, seed=0), _columns(rows))
    assert np.allclose(output, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def test_wide_tables_are_iterated(monkeypatch):
    """With the same answer."""
    values = _counts(200, 80)
    whole = apply(TruncatedSvd(3).fit([_columns(values)], None, seed=0), _columns(values))
    monkeypatch.setattr("penstock.features.projection.DENSE_COLUMNS", 50)
    output = apply(TruncatedSvd(3).fit([_columns(values)], None, seed=0), _columns(values))
    assert np.allclose(output, whole, rtol=1e-5, atol=1e-5 * np.abs(whole).max())


def test_zero_stays_zero_and_missing_is_the_mean():
    """Columns are not centred."""
    values = _counts(100, 5) + np.float32(1)
    fitted = TruncatedSvd(3).fit([_columns(values)], None, seed=0)
    assert apply(fitted, _columns(np.zeros((1, 5), np.float32))).tolist() == [[0.0, 0.0, 0.0]]
    missing = apply(fitted, _columns(np.full((1, 5), np.nan, np.float32)))
    assert np.allclose(missing, apply(fitted, _columns(values.mean(axis=0, keepdims=True))), rtol=1e-5)


def test_columns_of_zeros_leave_nothing(monkeypatch):
    """Also where directions are iterated."""
    nothing = _columns(np.zeros((9, 60), np.float32))
    assert TruncatedSvd().fit([nothing], None, seed=0).names == ()
    monkeypatch.setattr("penstock.features.projection.DENSE_COLUMNS", 50)
    assert TruncatedSvd().fit([nothing], None, seed=0).names == ()
