"""A sketch keeps a distribution closely enough to compare with it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from penstock.monitoring.sketch import Sketch

numbers = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=60)


@given(numbers, numbers)
def test_of_few_values_the_distance_is_exactly_that_of_the_samples(reference, sample):
    """Ties and all, as scipy computes it."""
    wanted = ks_2samp(reference, sample).statistic
    assert Sketch.of(reference).distance(sample) <= wanted + 1e-12
    both_seen = set(sample) <= set(reference)
    if both_seen:
        assert Sketch.of(reference).distance(sample) == pytest.approx(wanted)


@pytest.mark.parametrize("seed", range(5))
def test_of_many_values_the_distance_is_off_by_less_than_a_point(seed):
    """1,000 points of 30,000 rows."""
    rng = np.random.default_rng(seed)
    reference, sample = rng.lognormal(size=30_000), rng.lognormal(0.2, 1, size=700)
    sketch = Sketch.of(reference, 1000)
    assert len(sketch.values) <= 1000
    assert not sketch.exact
    assert sketch.distance(sample) == pytest.approx(ks_2samp(reference, sample).statistic, abs=0.0011)


def test_a_jump_that_moves_by_a_hair_is_a_full_distance():
    """96 % at 999, all of it now at 998.9."""
    reference = np.r_[np.full(960, 999.0), np.arange(40.0)]
    assert Sketch.of(reference).distance(np.where(reference == 999, 998.9, reference)) == pytest.approx(0.96)


def test_the_ends_and_every_atom_survive():
    """Smallest, largest, and exact counts."""
    rng = np.random.default_rng(0)
    values = np.r_[rng.normal(size=5000), np.full(300, 0.5)]
    sketch = Sketch.of(values, 200)
    assert sketch.values[0] == values.min()
    assert sketch.values[-1] == values.max()
    assert (sketch.upto == [(values <= v).sum() for v in sketch.values]).all()
    assert (sketch.below == [(values < v).sum() for v in sketch.values]).all()


def test_it_reads_back_as_it_was_written():
    """Through JSON; of no rows too; NaN left out."""
    for values in ([1.0, 2.0, 2.0, float("nan")], []):
        sketch = Sketch.of(values)
        again = Sketch.from_json(json.loads(json.dumps(sketch.to_json())))
        assert again.to_json() == sketch.to_json()
        assert again.rows == len([v for v in values if v == v])


def test_shares_are_spread_between_points_and_step_at_atoms():
    """For the plots."""
    exact = Sketch.of([1.0, 1.0, 2.0, 4.0])
    assert exact.share_up_to([0.9, 1.0, 1.5, 3.0, 4.0, 9.0]).tolist() == [0.0, 0.5, 0.5, 0.75, 1.0, 1.0]
    even = Sketch.of(np.arange(10_001.0), 101)
    assert even.share_up_to([2500.5])[0] == pytest.approx(0.25, abs=0.001)
    assert even.quantile(0.5) == pytest.approx(5000, abs=60)
