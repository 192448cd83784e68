"""Prediction ids: 26 characters that sort by time and say where in the journal the prediction stands.

Crockford's base 32 (https://www.crockford.com/base32.html), 130 bits, each field a whole number of characters:

    time_ms  9 characters   milliseconds since 1970
    segment  6 characters   number of the journal segment; 0: this prediction was not journalled (sampling)
    offset   7 characters   byte offset of the record in the segment; random where not journalled
    row      4 characters   row of the request

So a label that names an id is matched by reading one record, without any index.
"""

from __future__ import annotations

from dataclasses import dataclass

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 26
NOT_JOURNALLED = 0
MAX_ROWS = 32**4
MAX_OFFSET = 32**7

_PAIRS = [high + low for high in ALPHABET for low in ALPHABET]
_DIGITS = str.maketrans(ALPHABET, "0123456789abcdefghijklmnopqrstuv")
_FORGIVEN = str.maketrans("OoIiLl", "001111")  # letters that Crockford's reading takes for digits
_LETTERS = frozenset(ALPHABET)


@dataclass(frozen=True, slots=True)
class PredictionId:
    time_ms: int
    segment: int
    offset: int
    row: int

    def __str__(self) -> str:
        return id_prefix(self.time_ms, segment_part(self.segment), self.offset) + row_part(self.row)


def id_prefix(time_ms: int, segment: str, offset: int) -> str:
    """The 22 characters shared by all rows of one request."""
    pairs = _PAIRS
    return (
        f"{ALPHABET[time_ms >> 40 & 31]}{pairs[time_ms >> 30 & 1023]}{pairs[time_ms >> 20 & 1023]}"
        f"{pairs[time_ms >> 10 & 1023]}{pairs[time_ms & 1023]}{segment}{ALPHABET[offset >> 30 & 31]}"
        f"{pairs[offset >> 20 & 1023]}{pairs[offset >> 10 & 1023]}{pairs[offset & 1023]}"
    )


def segment_part(segment: int) -> str:
    return _PAIRS[segment >> 20 & 1023] + _PAIRS[segment >> 10 & 1023] + _PAIRS[segment & 1023]


def segment_part_of(text: str) -> str:
    """The same of an id that is written as answers have it. Parts sort as numbers do."""
    return text[9:15]


def row_part(row: int) -> str:
    return _PAIRS[row >> 10] + _PAIRS[row & 1023]


def parse_id(text: str) -> PredictionId | None:
    """The parts of an id, or None where the text is no id. Lower case and the letters O, I, L are forgiven.

    >>> parse_id(str(PredictionId(1_700_000_000_123, 7, 4096, 2)))
    PredictionId(time_ms=1700000000123, segment=7, offset=4096, row=2)
    >>> parse_id("17") is None
    True
    """
    plain = text.strip().translate(_FORGIVEN).upper()
    if len(plain) != LENGTH or not _LETTERS.issuperset(plain):
        return None
    digits = plain.translate(_DIGITS)
    return PredictionId(int(digits[:9], 32), int(digits[9:15], 32), int(digits[15:22], 32), int(digits[22:], 32))
