"""Reliability diagrams count every row once."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.evaluation.calibration import reliability


def test_a_calibrated_model_is_observed_as_it_states():
    """Every point within its interval, or nearly every."""
    rng = np.random.default_rng(0)
    p1 = rng.random(20_000)
    y = (rng.random(20_000) < p1).astype(np.int64)
    points = reliability(y, np.stack([1 - p1, p1], axis=1))
    assert len(points) == 10
    assert sum(point["rows"] for point in points) == 20_000
    assert sum(point["low"] <= point["stated"] <= point["high"] for point in points) >= 8


def test_of_many_classes_the_answer_given_is_looked_at():
    """Share of right answers at each stated probability."""
    p = np.array([[0.7, 0.2, 0.1], [0.1, 0.75, 0.15], [0.72, 0.2, 0.08]])
    (point,) = reliability(np.array([0, 1, 2]), p)
    assert point["observed"] == pytest.approx(2 / 3)
    assert point["stated"] == pytest.approx((0.7 + 0.75 + 0.72) / 3)


def test_empty_bins_are_left_out_and_the_last_holds_certainty():
    """Probability 1.0 has a bin."""
    (point,) = reliability(np.array([1, 1]), np.array([[0.0, 1.0], [0.0, 1.0]]))
    assert (point["stated"], point["observed"], point["rows"]) == (1.0, 1.0, 2)
