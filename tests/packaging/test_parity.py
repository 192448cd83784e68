"""The parity gate."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.errors import ParityError
from penstock.packaging.parity import compare, require


def test_equal_answers_pass():
    """The last bit of a float32 is no difference."""
    learner = np.random.default_rng(0).random((100, 2))
    assert compare(learner.astype(np.float32), learner).passed


def test_one_wrong_row_is_counted_and_refused():
    """A graph that answers differently must not ship."""
    learner = np.full((10, 2), 0.5)
    graph = learner.copy()
    graph[3, 1] = 0.51
    parity = compare(graph, learner)
    assert parity.wrong_rows == 1
    with pytest.raises(ParityError, match="1 of 10 rows differ"):
        require(parity, what="the model")


def test_a_nan_on_one_side_only_is_wrong():
    """NaN compares as false with everything; the gate must not take that for agreement."""
    assert not compare(np.array([[np.nan, 0.5]]), np.array([[0.5, 0.5]])).passed
    assert compare(np.array([[np.nan]]), np.array([[np.nan]])).passed


def test_rows_near_the_threshold_are_counted():
    """They may fall on either side, and the report says how many there are."""
    p = np.array([[0.7, 0.3], [0.5 - 2e-6, 0.5 + 2e-6], [0.2, 0.8]])
    assert compare(p, p, threshold=0.5).near_threshold == 1


def test_large_answers_are_compared_relative_to_the_scale():
    """1e-5 of the target's spread, or of the answer where that is larger."""
    assert compare(np.array([[100.0005]]), np.array([[100.0]])).passed
    assert not compare(np.array([[1.0005]]), np.array([[1.0]])).passed


def test_a_different_shape_is_refused():
    """Two classes against three is no matter of tolerance."""
    with pytest.raises(ParityError, match="shape"):
        compare(np.zeros((3, 2)), np.zeros((3, 3)))
