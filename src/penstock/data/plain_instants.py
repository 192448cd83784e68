"""Instants at the speed of numpy, where they are written as most programs write them; all others are left to the decoder's reader."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from penstock.bundle.kinds import MISSING_TIME

if TYPE_CHECKING:
    import pyarrow as pa

_DAY, _SECOND = len("2026-11-30"), len("2026-11-30T20:15:00")
_DIGITS = {_DAY: (0, 1, 2, 3, 5, 6, 8, 9), _SECOND: (0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18)}
_DAYS_OF_MONTH = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])


def plain_instants(texts: pa.StringArray) -> np.ndarray:
    """Microseconds since 1970 of texts such as ``2026-11-30``, ``2026-11-30 20:15:00`` and ``2026-11-30T20:15:00``, read as UTC: int64, shape (n,).

    `MISSING_TIME` stands for every other text, whether or not it is an instant.

    >>> import pyarrow as pa
    >>> plain_instants(pa.array(["1970-01-02", "1970-01-01T00:00:01", "1970-02-29", None])).tolist()[:2]
    [86400000000, 1000000]
    """
    found = np.full(len(texts), MISSING_TIME, dtype=np.int64)
    _, offsets, data = texts.buffers()
    if data is None or not len(texts):
        return found
    ends = np.frombuffer(offsets, dtype=np.int32)[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)
    raw, lengths = np.frombuffer(data, dtype=np.uint8), np.diff(ends)
    there = texts.is_valid().to_numpy(zero_copy_only=False)
    for length in (_DAY, _SECOND):
        rows = np.flatnonzero((lengths == length) & there)
        if len(rows):
            found[rows] = _read(raw[ends[rows][:, None] + np.arange(length)], length)
    return found


def _read(text: np.ndarray, length: int) -> np.ndarray:
    """Of texts of one length. `text`: uint8, shape (n, length)."""
    right = (text[:, 4] == ord("-")) & (text[:, 7] == ord("-"))
    digits = text - np.uint8(ord("0"))  # what is none becomes more than 9
    for place in _DIGITS[length]:
        right &= digits[:, place] <= 9
    year, month, day = 100 * _two(digits, 0) + _two(digits, 2), _two(digits, 5), _two(digits, 8)
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    right &= (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1)
    right &= day <= _DAYS_OF_MONTH[np.where(month <= 12, month, 0)] + (leap & (month == 2))
    seconds = np.zeros(len(text), dtype=np.int64)
    if length == _SECOND:
        hour, minute, second = _two(digits, 11), _two(digits, 14), _two(digits, 17)
        right &= (text[:, 13] == ord(":")) & (text[:, 16] == ord(":")) & np.isin(text[:, 10], list(b"Tt "))
        right &= (hour < 24) & (minute < 60) & (second < 60)
        seconds = 3600 * hour + 60 * minute + second
    months = np.where(right, (year - 1970) * 12 + month - 1, 0).astype("datetime64[M]")
    days = months.astype("datetime64[D]").astype(np.int64) + day - 1
    return np.where(right, (days * 86_400 + seconds) * 1_000_000, MISSING_TIME)


def _two(digits: np.ndarray, at: int) -> np.ndarray:
    return 10 * digits[:, at].astype(np.int64) + digits[:, at + 1]
