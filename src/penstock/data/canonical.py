"""One text for every way of writing the same value, so that a row is known again whatever it is written in.

Columns of many different numbers are most of the work of reading a wide table. Where Arrow writes a number as Python does
(both write the shortest digits that read back as the same number), it does so for a whole column at a time.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from penstock.bundle.numbers import number_text, whole_text

if TYPE_CHECKING:
    import pyarrow as pa

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WHOLE = re.compile(r"[+-]?[0-9]+")
_KEY_WHOLE = re.compile(r"(?:0|[1-9][0-9]{0,19})")
_KEY_NUMBER = re.compile(r"[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-][0-9]{2,3})?")
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
            return whole_text(text)
        if _NUMBER.fullmatch(text):
            number = float(text)
            return number_text(number) if isfinite(number) else text
    if not text.isascii():
        return unicodedata.normalize("NFC", text)
    if len(text) in (4, 5):
        lower = text.lower()
        return lower if lower in ("true", "false") else text
    return text


def key_text(text: str) -> str:
    """One text for every way of writing the same key: of what names rows, groups and partners of a join.

    As `canonical_text`, but for what may be two names although it is one number: digits with leading zeros, and an exponent
    that is not written as programs write floats, stand as they are; and no digit is lost, however many there are.

    >>> [key_text(t) for t in (" 1.50", "5.0", "+1", "1e+16", "1E3", "1e3", "007", "7", "True")]
    ['1.5', '5', '1', '10000000000000000', '1E3', '1e3', '007', '7', 'true']
    >>> key_text("0.10000000000000000001"), key_text("100000000000000000000001.0")
    ('0.10000000000000000001', '100000000000000000000001')
    """
    if _KEY_WHOLE.fullmatch(text):
        return text
    text = text.strip()
    if text[:1] not in _BEGINS_NUMBER:
        return canonical_text(text)
    if not _KEY_NUMBER.fullmatch(text):
        return text if text.isascii() else unicodedata.normalize("NFC", text)
    number = float(text)
    if isfinite(number) and Decimal(written := number_text(number)) == Decimal(text):
        return written
    if "e" in text:
        return text
    whole, _, fraction = text.partition(".")
    if not (fraction := fraction.rstrip("0")):
        return whole_text(whole)
    return f"{whole.removeprefix('+')}.{fraction}" if whole.lstrip("+-") else f"{whole.removeprefix('+')}0.{fraction}"


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
