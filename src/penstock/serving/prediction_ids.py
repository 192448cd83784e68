"""Prediction ids: 32 characters that sort by time and say where in which journal the prediction stands.

Crockford's base 32 (https://www.crockford.com/base32.html), 160 bits, each field a whole number of characters:

    time_ms  9 characters   milliseconds since 1970
    segment  12 characters  number and name of the journal segment, see `segments`; 0: this prediction was not journalled (sampling)
    offset   7 characters   byte offset of the record in the segment; random where not journalled
    row      4 characters   row of the request

So a label that names an id is matched by reading one record, without any index. A segment's number holds 28 random bits of the process that
writes it: servers that know nothing of each other give no id twice. Ids of 26 characters are of segments that were numbered from 1 on in each folder; they
are read on.
"""

from __future__ import annotations

from dataclasses import dataclass

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 32
NOT_JOURNALLED = 0
MAX_ROWS = 32**4
MAX_OFFSET = 32**7

FIRST_RANDOM = 32**6
"""Segments below it were numbered from 1 on in each journal: two journals may each have one of that number."""

_SEGMENT_WIDTHS = {LENGTH: 12, LENGTH - 6: 6}
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
    """The 28 characters shared by all rows of one request."""
    pairs = _PAIRS
    return (
        f"{ALPHABET[time_ms >> 40 & 31]}{pairs[time_ms >> 30 & 1023]}{pairs[time_ms >> 20 & 1023]}"
        f"{pairs[time_ms >> 10 & 1023]}{pairs[time_ms & 1023]}{segment}{ALPHABET[offset >> 30 & 31]}"
        f"{pairs[offset >> 20 & 1023]}{pairs[offset >> 10 & 1023]}{pairs[offset & 1023]}"
    )


def segment_part(segment: int) -> str:
    """A number's characters: also the name of the file, unless it was numbered from 1 on. Parts sort as numbers do.

    >>> segment_part(5), segment_part(1_700_000_000 << 28 | 77)
    ('000005', 'CN9Z2000002D')
    """
    shifts = (20, 10, 0) if NOT_JOURNALLED < segment < FIRST_RANDOM else (50, 40, 30, 20, 10, 0)
    return "".join(_PAIRS[segment >> shift & 1023] for shift in shifts)


def segment_part_of(text: str) -> str:
    """The same of an id that is written as answers have it."""
    return text[9:-11]


def parse_segment_part(text: str) -> int | None:
    """The number of a segment from its twelve characters as they are written; None where they are none.

    >>> parse_segment_part("CN9Z2000002D") == 1_700_000_000 << 28 | 77, parse_segment_part("notes")
    (True, None)
    """
    if len(text) != _SEGMENT_WIDTHS[LENGTH] or not _LETTERS.issuperset(text):
        return None
    return int(text.translate(_DIGITS), 32)


def row_part(row: int) -> str:
    return _PAIRS[row >> 10] + _PAIRS[row & 1023]


def parse_id(text: str) -> PredictionId | None:
    """The parts of an id, or None where the text is no id. Lower case and the letters O, I, L are forgiven.

    >>> parse_id(str(PredictionId(1_700_000_000_123, 7, 4096, 2)))
    PredictionId(time_ms=1700000000123, segment=7, offset=4096, row=2)
    >>> parse_id("1HF7YAT3V" "CN9Z2000002D" "0000400" "0002") == PredictionId(1_700_000_000_123, 1_700_000_000 << 28 | 77, 4096, 2)
    True
    >>> parse_id("17") is None
    True
    """
    plain = text.strip().translate(_FORGIVEN).upper()
    width = _SEGMENT_WIDTHS.get(len(plain))
    if width is None or not _LETTERS.issuperset(plain) or not text.isascii():  # the capitals of "ß" are "SS"
        return None
    digits = plain.translate(_DIGITS)
    offset = 9 + width
    segment = int(digits[9:offset], 32)
    return PredictionId(int(digits[:9], 32), segment, int(digits[offset:-4], 32), int(digits[-4:], 32))
