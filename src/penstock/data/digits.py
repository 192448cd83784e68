"""What of the numbers of a column is left where the model sees them: as float32, of 24 bits."""

from __future__ import annotations

import numpy as np

MOST_VALUES = 20_000  # that are looked at; of more, so many would share a float32 by chance alone
LEAST_VALUES = 10
MOST_LOST = 0.1
"""The share of different numbers from which on it is told that they are lost: differences within the column begin to disappear."""


def as_the_model_sees(values: np.ndarray) -> tuple[int, int]:
    """How many different numbers there are, and how many different ones of them in float32; NaN does not count. `values`: float64, shape (n,).

    Looked at are at most `MOST_VALUES`, evenly by size.

    >>> as_the_model_sees(1_700_000_000.0 + np.arange(60))
    (60, 1)
    """
    numbers = np.unique(values[~np.isnan(values)])
    numbers = numbers[:: max(1, -(-len(numbers) // MOST_VALUES))]
    with np.errstate(over="ignore"):
        return len(numbers), len(np.unique(numbers.astype(np.float32)))


def lost_share(values: np.ndarray) -> float:
    """The share of different numbers that are none of their own in float32; 0 where there are hardly any.

    >>> lost_share(np.array([0.1, 0.2, 0.3])), lost_share(16_777_216.0 + np.arange(100)).__round__(2)
    (0.0, 0.49)
    """
    before, after = as_the_model_sees(values)
    return 1 - after / before if before >= LEAST_VALUES else 0.0


def told_of_lost(name: str, values: np.ndarray) -> tuple[str, ...]:
    """A warning where clearly fewer different numbers are left."""
    if lost_share(values) <= MOST_LOST:
        return ()
    before, after = as_the_model_sees(values)
    return (
        f"the model sees numbers as float32, of about 7 digits: of {before} different ones {after} are left, as they differ little for their "
        f'size; subtract a constant in the source, or say kinds.{name} = "categorical" (or another kind) under [data]',
    )
