"""What of the numbers of a column is left where the model sees them: as float32, of 24 bits, less an offset where that keeps more of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from penstock.bundle.numbers import number_text
from penstock.bundle.packing import FLOAT32_MAX

MOST_VALUES = 20_000  # that are looked at; of more, so many would share a float32 by chance alone
LEAST_VALUES = 10  # of numbers that are not whole: 0.3 and 0.1 + 0.2 are two, and nobody means that
MOST_ROWS = 4 * MOST_VALUES
MOST_LOST = 0.1
"""The share of different numbers from which on they are lost: differences within the column begin to disappear."""
BITS = 24  # of a float32
EXACT = 2**53  # whole numbers up to which float64 has each


def offset_of(values: np.ndarray) -> float:
    """What is subtracted of a column before it becomes float32; 0 where that is not needed, or does not help.

    It is needed where more than `MOST_LOST` of the different numbers are none of their own in float32. The offset is near the median of
    the different numbers or the middle of their range, whichever leaves more of them, and has as few bits as leave as many: a float32 at
    the most, so that a graph can add it again, and a whole number where that is large. At most `MOST_ROWS` rows are looked at. `values`:
    float64, shape (n,), NaN where missing; what is not finite does not count.

    >>> offset_of(1_700_000_000.0 + np.arange(60)), offset_of(np.arange(60.0))
    (1700000000.0, 0.0)
    """
    there = values[np.isfinite(values)]
    with np.errstate(over="ignore"):
        if np.array_equal(there, there.astype(np.float32)):
            return 0.0
    numbers = _different(_some(there))
    before, plain = len(numbers), _left(numbers, 0.0)
    if before - plain <= MOST_LOST * before or not _is_meant(numbers):
        return 0.0
    with np.errstate(over="ignore"):
        span = numbers[-1] - numbers[0]
        near = (numbers[0] - span, numbers[-1] + span)
    best = (plain + MOST_LOST * before, 0, 0.0)
    for middle in (numbers[before // 2], numbers[0] / 2 + numbers[-1] / 2):
        for bits in range(1, BITS + 1):
            offset = _of_bits(middle, bits)
            if (near[0] <= offset <= near[1] or bits == BITS) and abs(offset) <= FLOAT32_MAX:
                best = max(best, (_left(numbers, offset), -bits, offset))
    return best[2]


def origin_of(wholes: Sequence[int]) -> int:
    """What a decoder subtracts of whole numbers beyond 2^53, which float64 would round; 0 where it rounds none, or differences are as long.

    It is a multiple of 2^48, so that it is the same for numbers of other rows that lie near, and a float64 holds it.

    >>> origin_of([2**60 + 1, 2**60 + 2]) == 2**60, origin_of([1, 2**60]), origin_of([2**60 + 1, 1])
    (True, 0, 0)
    """
    if all(abs(whole) <= EXACT or _is_float(whole) for whole in wholes):
        return 0
    least = min(wholes)
    span = max(wholes) - least
    step = max(48, span.bit_length(), least.bit_length() - 53)
    return 0 if step > 52 else least >> step << step


def _is_float(whole: int) -> bool:
    try:
        return int(float(whole)) == whole
    except OverflowError:
        return False


@dataclass(frozen=True)
class Kept:
    """What is left of the different numbers of a column where the model sees them.

    Attributes
    ----------
    before : how many different numbers there are; of more than `MOST_VALUES`, so many are looked at, evenly by size.
    after : how many different ones of them in float32. offset : what was subtracted first.
    meant : whether their differences mean anything: there are `LEAST_VALUES`, or all are whole.
    """

    before: int
    after: int
    offset: float
    meant: bool

    @property
    def lost_share(self) -> float:
        """The share of different numbers that are none of their own in float32; 0 where they are hardly any."""
        return 1 - self.after / self.before if self.before and self.meant else 0.0

    def told(self, name: str) -> tuple[str, ...]:
        """A warning where clearly fewer different numbers are left. `name`: of the column."""
        if self.lost_share <= MOST_LOST:
            return ()
        after_that = f"also less {number_text(self.offset)}, " if self.offset else ""
        return (
            f"the model sees numbers as float32, of about 7 digits: {after_that}of {self.before} different ones {self.after} are left, as they "
            f"differ little for the range of the column; take it apart in the source (days and seconds, say), or say "
            f'kinds.{name} = "categorical" (or another kind) under [data]',
        )


def kept(values: np.ndarray, offset: float | None = None) -> Kept:
    """What the model sees of a column. `values`: float64, shape (n,); NaN does not count.

    Parameters
    ----------
    offset : what is subtracted first; None: what a recipe that is fitted on these numbers would subtract.

    >>> kept(1_700_000_000.0 + np.arange(60)).after, kept(1_700_000_000.0 + np.arange(60), 0.0).after
    (60, 1)
    >>> kept(np.array([0.1, 0.2, 0.3])).lost_share, round(kept(16_777_216.0 + np.arange(100), 0.0).lost_share, 2)
    (0.0, 0.49)
    """
    offset = offset_of(values) if offset is None else offset
    numbers = _different(values)
    return Kept(len(numbers), _left(numbers, offset), offset, _is_meant(numbers))


def _some(values: np.ndarray) -> np.ndarray:
    """At most `MOST_ROWS`, drawn at random, and the same each time."""
    if len(values) <= MOST_ROWS:
        return values
    drawn: np.ndarray = values[np.random.default_rng(0).integers(0, len(values), MOST_ROWS)]
    return drawn


def _different(values: np.ndarray) -> np.ndarray:
    """Rising; at most `MOST_VALUES`, evenly by size."""
    numbers = np.unique(values[~np.isnan(values)])
    return numbers[:: max(1, -(-len(numbers) // MOST_VALUES))]


def _left(numbers: np.ndarray, offset: float) -> int:
    """How many different ones of rising numbers there are in float32."""
    with np.errstate(over="ignore"):
        seen = (numbers - offset).astype(np.float32)
    return int(np.count_nonzero(seen[1:] != seen[:-1])) + min(1, len(seen))


def _is_meant(numbers: np.ndarray) -> bool:
    return len(numbers) >= LEAST_VALUES or bool(np.all(numbers == np.rint(numbers)))


def _of_bits(number: float, bits: int) -> float:
    """The nearest number of so many bits."""
    part, exponent = np.frexp(number)
    return float(np.ldexp(np.rint(np.ldexp(part, bits)), exponent - bits))
