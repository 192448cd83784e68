"""How the check of scale jumps compares the two sides of a cut."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.data.quality.scale_jumps import APART, LEAST_PER_BLOCK, _are_apart, _distance

SIDES = st.lists(st.integers(-9, 9).map(float), min_size=LEAST_PER_BLOCK, max_size=80).map(np.array)


@settings(max_examples=200)
@given(SIDES, SIDES, st.integers(0, 20))
def test_sides_that_are_apart_by_their_distance_are_found_without_it(
    a: np.ndarray, b: np.ndarray, further: int
) -> None:
    """What is asked first leaves nothing out, with ties, and just at the limit."""
    assert _are_apart(a, b + further) == (_distance(a, b + further) >= APART)


def test_sides_just_as_far_apart_as_asked_are_apart() -> None:
    """Four fifths of the one lie below all of the other, or of all but one."""
    side = np.repeat([0.0, 2.0], [20, 5])
    assert _are_apart(side, np.ones(25))
    assert not _are_apart(side, np.repeat([0.0, 1.0], [1, 24]))
