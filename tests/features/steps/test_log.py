"""log, against numpy's logarithms in float64."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.features.step import Form
from penstock.features.steps.log import BASES, Log
from penstock.testing.step import apply

EXPECTED = {
    "signed": lambda x: np.sign(x) * np.log1p(np.abs(x)),
    "one_plus": lambda x: np.log1p(np.where(x > -1, x, np.nan)),
    "plain": lambda x: np.log(np.where(x > 0, x, np.nan)),
}


@pytest.fixture
def numbers():
    """Of every size that float32 has, both signs, and neighbours of 0, 1, -1 and of where the series ends."""
    size = np.float32(10) ** np.random.default_rng(0).uniform(-44, 38.5, 5_000).astype(np.float32)
    edges = np.array([0, 1, 1e-3, np.finfo(np.float32).max, 1e-45], np.float32)
    around = np.concatenate([edges, np.nextafter(edges, np.float32(0)), np.nextafter(edges[1:3], np.float32(2))])
    positive = np.concatenate([size, around])
    return np.concatenate([positive, -positive, [np.nan]]).astype(np.float32)


@pytest.mark.parametrize("base", list(BASES))
@pytest.mark.parametrize("form", list(EXPECTED))
def test_it_is_the_logarithm(block, numbers, form, base):
    """Within 2e-7 and a rounding to float32 for every number that has one; NaN for the others."""
    columns = block(Form.NUMBERS, numbers)
    output = apply(Log(form, base).fit([columns], None, seed=0), columns).ravel()
    expected = EXPECTED[form](numbers.astype(np.float64)) / BASES[base]
    assert np.array_equal(np.isnan(output), np.isnan(expected))
    assert np.allclose(output, expected, rtol=1.2e-7, atol=2e-7, equal_nan=True)


def test_small_numbers_keep_their_digits(block):
    """ln(1 + x) is about x, also where 1 + x is 1."""
    small = np.array([1e-30, -1e-12, 1e-7, 9.99e-4, -9.99e-4], np.float32)
    columns = block(Form.NUMBERS, small)
    output = apply(Log().fit([columns], None, seed=0), columns).ravel()
    assert np.allclose(output, np.sign(small) * np.log1p(np.abs(small.astype(np.float64))), rtol=2e-7, atol=0)


def test_larger_numbers_have_larger_logarithms(block):
    """No rounding turns two of them around, not even where the series ends."""
    rising = np.linspace(0.5e-3, 2e-3, 2_001, dtype=np.float32)
    columns = block(Form.NUMBERS, rising)
    assert (np.diff(apply(Log().fit([columns], None, seed=0), columns).ravel()) > 0).all()
