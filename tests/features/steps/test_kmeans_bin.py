"""kmeans_bin, against scikit-learn's KMeans."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans

from penstock.features.step import Form
from penstock.features.steps.kmeans_bin import KmeansBin
from penstock.testing.step import apply


@pytest.mark.parametrize("bins", [2, 3, 5, 12])
def test_bins_are_the_clusters_of_kmeans(block, bins):
    """From the same start, run until nothing changes: each number is in the bin of the centre that is nearest to it."""
    generator = np.random.default_rng(2)
    train = np.concatenate([generator.normal(m, 1, 150) for m in (0, 4, 9, 15)]).astype(np.float32)
    rows = generator.uniform(-5, 20, 500).astype(np.float32)
    ends = np.linspace(train.min(), train.max(), bins + 1, dtype=np.float64)
    start = ((ends[1:] + ends[:-1]) / 2)[:, None]
    theirs = KMeans(bins, init=start, n_init=1, tol=0, algorithm="lloyd").fit(train[:, None].astype(np.float64))
    order = np.argsort(np.argsort(theirs.cluster_centers_.ravel()))
    fitted = KmeansBin(bins).fit([block(Form.NUMBERS, train)], None, seed=0)
    expected = order[theirs.predict(rows[:, None].astype(np.float64))]
    assert apply(fitted, block(Form.NUMBERS, rows)).ravel().tolist() == expected.tolist()


def test_a_centre_without_values_is_given_up(block):
    """Two crowds are two bins, however many were asked for."""
    columns = block(Form.NUMBERS, [0, 0.1, 0.2, 100, 100.1, np.nan])
    fitted = KmeansBin(9, "one_hot").fit([columns], None, seed=0)
    assert len(fitted.names) == 3
    assert fitted.names[-1] == "a is missing"
    assert apply(fitted, columns).argmax(axis=1).tolist() == [0, 0, 0, 1, 1, 2]


def test_constant_empty_and_huge_columns(block):
    """One value is one bin; the ends of float32 have a middle."""
    most = np.finfo(np.float32).max
    columns = block(Form.NUMBERS, [7, 7, 7], [np.nan] * 3, [-most, most, most])
    output = apply(KmeansBin(2).fit([columns], None, seed=0), columns)
    assert output.tolist() == [[0, -1, 0], [0, -1, 1], [0, -1, 1]]
