"""One text for every way of writing the same value, so that a row is known again whatever it is written in.

Columns of many different numbers are most of the work of reading a wide table. Where Arrow writes a number as Python does
(both write the shortest digits that read back as the same number), it does so for a whole column at a time.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from penstock.bundle.numbers import number_text

if TYPE_CHECKING:
    import pyarrow as pa

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WHOLE = re.compile(r"[+-]?[0-9]{1,20}")
_BEGINS_NUMBER = frozenset("+-.0123456789")
MANY = 256  # values from which on it pays to ask Arrow
_SMALLEST, _LARGEST = 1e-4, 1e9
"""Between them both write numbers without an exponent; Arrow does not beyond."""
_LARGEST_WHOLE = 1e15  # whole numbers are written as such, and are exact as integers


def canonical_text(text: str) -> str:
    """One text for every way of writing the same value.

    >>> [canonical_text(t) for t in (" 1.50", "+1", "1e3", "007", "True", "cafe\\u0301 ")]
    ['1.5', '1', '1000', '7', 'true', 'café']
    """
    text = text.strip()
    if text[:1] in _BEGINS_NUMBER:
        if _WHOLE.fullmatch(text):
            return str(int(text))
        if _NUMBER.fullmatch(text):
            number = float(text)
            return number_text(number) if isfinite(number) else text
    if not text.isascii():
        return unicodedata.normalize("NFC", text)
    if len(text) in (4, 5):
        lower = text.lower()
        return lower if lower in ("true", "false") else text
    return text


def canonical_texts(values: Sequence[str | None]) -> Sequence[str | None]:
    """The same of many values; None stays None."""
    written = _as_written(values) if len(values) >= MANY else None
    if written is None:
        return [None if value is None else canonical_text(value) for value in values]
    found = list(values)
    for i in np.flatnonzero(~written).tolist():
        value = values[i]
        found[i] = None if value is None else canonical_text(value)
    return found


def number_texts(numbers: np.ndarray) -> list[str | None]:
    """`number_text` of each number, None of NaN. float64, shape (n,).

    >>> number_texts(np.array([1.0, 0.1, np.nan, 1e300]))
    ['1', '0.1', None, '1e+300']
    """
    if len(numbers) < MANY:
        return [_number_text(number) for number in numbers.tolist()]
    import pyarrow as pa

    usual = _is_usual(numbers)
    whole = (np.abs(numbers) < _LARGEST_WHOLE) & (np.floor(numbers) == numbers)
    texts = pa.array(np.where(usual, numbers, 0.5)).cast(pa.string()).to_pylist()
    if whole.any():
        at = np.flatnonzero(whole)
        of_whole = pa.array(numbers[at].astype(np.int64)).cast(pa.string()).to_pylist()
        for i, text in zip(at.tolist(), of_whole, strict=True):
            texts[i] = text
    for i in np.flatnonzero(~usual & ~whole).tolist():
        texts[i] = _number_text(float(numbers[i]))
    return texts


def _number_text(number: float) -> str | None:
    return None if number != number else number_text(number)


def _as_written(values: Sequence[str | None]) -> np.ndarray | None:
    """Which values are canonical as they stand, as they are numbers that Arrow writes in the same way: bool, shape (n,); None
    where some value is no number."""
    import pyarrow as pa
    import pyarrow.compute as pc

    first = next((value for value in values if value), "")
    if first[:1] not in _BEGINS_NUMBER or "." not in first:
        return None
    try:
        texts = pa.array(values, type=pa.string())
        numbers = texts.cast(pa.float64())
    except (pa.ArrowInvalid, UnicodeEncodeError):
        return None
    same = pc.fill_null(pc.equal(numbers.cast(pa.string()), texts), False).to_numpy(zero_copy_only=False)
    return np.asarray(same & _is_usual(_filled(numbers)))


def _filled(numbers: pa.Array) -> np.ndarray:
    return np.asarray(numbers.fill_null(0.0).to_numpy(zero_copy_only=False))


def _is_usual(numbers: np.ndarray) -> np.ndarray:
    """Which numbers have a fraction and are written without an exponent: bool, shape (n,)."""
    size = np.abs(numbers)
    with np.errstate(invalid="ignore"):
        return np.asarray((size >= _SMALLEST) & (size < _LARGEST) & (np.floor(numbers) != numbers))
