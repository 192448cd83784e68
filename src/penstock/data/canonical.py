"""One text for every way of writing the same value, so that a row is known again whatever it is written in.

Columns of many different numbers are most of the work of reading a wide table. Where Arrow writes a number as Python does
(both write the shortest digits that read back as the same number), it does so for a whole column at a time.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from penstock.bundle.numbers import number_text, whole_text
from penstock.data.texts import MANY, as_arrow

if TYPE_CHECKING:
    import pyarrow as pa

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WHOLE = re.compile(r"[+-]?[0-9]+")
_KEY_WHOLE = re.compile(r"(?:0|[1-9][0-9]{0,19})")
_KEY_NUMBER = re.compile(r"[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-][0-9]{2,3})?")
_BEGINS_NUMBER = frozenset("+-.0123456789")
_MAY_BE_WRITTEN_OTHERWISE = rf"^(?:{_NUMBER.pattern}|(?i:true|false))$"
"""Of texts of ASCII without white space at their ends."""
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


def canonical_bytes(values: Sequence[str | None]) -> list[bytes | None]:
    """The same of many values, as UTF-8; None stays None."""
    texts = as_arrow(values) if len(values) >= MANY else None
    if texts is None:
        return list(map(_canonical_bytes, values))
    import pyarrow as pa

    found: list[bytes | None] = texts.cast(pa.binary()).to_pylist()
    odd = np.flatnonzero(~_as_written(texts))
    if len(odd):
        for i, value in zip(odd.tolist(), texts.take(pa.array(odd)).to_pylist(), strict=True):
            found[i] = _canonical_bytes(value)
    return found


def _canonical_bytes(value: str | None) -> bytes | None:
    return None if value is None else canonical_text(value).encode("utf-8", "surrogatepass")


def number_bytes(numbers: np.ndarray) -> list[bytes | None]:
    """`number_text` of each number as UTF-8, None of NaN. float64, shape (n,).

    >>> number_bytes(np.array([1.0, 0.1, np.nan, 1e300]))
    [b'1', b'0.1', None, b'1e+300']
    """
    if len(numbers) < MANY:
        return [_number_bytes(number) for number in numbers.tolist()]
    import pyarrow as pa

    usual, whole = _is_usual(numbers), _is_whole(numbers)
    texts = _binary(pa.array(numbers if usual.all() else np.where(usual, numbers, 0.5)))
    if whole.any():
        at = np.flatnonzero(whole)
        for i, text in zip(at.tolist(), _binary(pa.array(numbers[at].astype(np.int64))), strict=True):
            texts[i] = text
    for i in np.flatnonzero(~usual & ~whole).tolist():
        texts[i] = _number_bytes(float(numbers[i]))
    return texts


def _binary(numbers: pa.Array) -> list[bytes | None]:
    import pyarrow as pa

    texts: list[bytes | None] = numbers.cast(pa.string()).cast(pa.binary()).to_pylist()
    return texts


def _number_bytes(number: float) -> bytes | None:
    return None if number != number else number_text(number).encode()


def _as_written(texts: pa.StringArray) -> np.ndarray:
    """Which texts are canonical as they stand, as far as Arrow can tell: bool, shape (n,); also of those that are null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    first = next((scalar.as_py() for scalar in texts if scalar.as_py()), "")
    if first[:1] in _BEGINS_NUMBER:
        for written in (_numbers_as_written,) if "." in first else (_whole_as_written, _numbers_as_written):
            with suppress(pa.ArrowInvalid):  # not all of them are
                return written(texts)
    plain = pc.and_(pc.string_is_ascii(texts), pc.equal(pc.utf8_trim_whitespace(texts), texts))
    plain = pc.and_not(plain, pc.match_substring_regex(texts, _MAY_BE_WRITTEN_OTHERWISE))
    return np.asarray(plain.fill_null(True).to_numpy(zero_copy_only=False))


def _whole_as_written(texts: pa.StringArray) -> np.ndarray:
    import pyarrow as pa
    import pyarrow.compute as pc

    same = pc.equal(texts.cast(pa.int64()).cast(pa.string()), texts)
    return np.asarray(same.fill_null(True).to_numpy(zero_copy_only=False))


def _numbers_as_written(texts: pa.StringArray) -> np.ndarray:
    import pyarrow as pa
    import pyarrow.compute as pc

    read = texts.cast(pa.float64())
    numbers = np.asarray(read.fill_null(0.5).to_numpy(zero_copy_only=False))
    same = pc.equal(read.cast(pa.string()), texts).fill_null(True).to_numpy(zero_copy_only=False) & _is_usual(numbers)
    whole = np.flatnonzero(_is_whole(numbers))
    if len(whole):
        as_whole = pa.array(numbers[whole].astype(np.int64)).cast(pa.string())
        same[whole] = pc.equal(as_whole, texts.take(pa.array(whole))).to_numpy(zero_copy_only=False)
    return np.asarray(same)


def _is_whole(numbers: np.ndarray) -> np.ndarray:
    """Which numbers are whole and exact as integers, and are written as such: bool, shape (n,)."""
    return np.asarray((np.abs(numbers) < _LARGEST_WHOLE) & (np.floor(numbers) == numbers))


def _is_usual(numbers: np.ndarray) -> np.ndarray:
    """Which numbers have a fraction and are written without an exponent: bool, shape (n,)."""
    size = np.abs(numbers)
    with np.errstate(invalid="ignore"):
        return np.asarray((size >= _SMALLEST) & (size < _LARGEST) & (np.floor(numbers) != numbers))
