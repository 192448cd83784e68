"""How a raw value becomes a number, and how a number is written as text."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from math import isfinite

from penstock.bundle.raw import Reader, Unreadable, describe, short, simple_value
from penstock.bundle.specs import ColumnSpec, TargetSpec

_WHOLE = re.compile(r"([+-]?[0-9]{1,308})(?:[.]0*)?")


def number_grammar(decimal: str, thousands: str) -> re.Pattern[str]:
    """What a number looks like in text: sign, ASCII digits, marks, exponent; no underscores, no inf, nan or hex.

    Where thousands marks are used they stand between groups of three digits: "1,23" is refused rather than read as 123.
    """
    point = re.escape(decimal)
    whole = r"[0-9]+"
    if thousands:
        mark = "[ \u00a0\u202f]" if thousands == " " else re.escape(thousands)
        whole = rf"(?:[0-9]{{1,3}}(?:{mark}[0-9]{{3}})+|[0-9]+)"
    return re.compile(rf"[+-]?(?:{whole}(?:{point}[0-9]*)?|{point}[0-9]+)(?:[eE][+-]?[0-9]+)?")


def plain_number(decimal: str, thousands: str) -> Callable[[str], str | None]:
    """text -> the same number as Python writes numbers, or None when it is no number."""
    matches = number_grammar(decimal, thousands).fullmatch
    removed = str.maketrans(
        {**dict.fromkeys((" ", "\u00a0", "\u202f") if thousands == " " else thousands, None), decimal: "."}
    )

    def plain(text: str) -> str | None:
        return text.translate(removed) if matches(text) else None

    if (decimal, thousands) == (".", ""):
        return lambda text: text if matches(text) else None
    return plain


def number_reader(spec: ColumnSpec | TargetSpec) -> Reader:
    plain = plain_number(spec.decimal, spec.thousands)
    markers = frozenset(marker.strip() for marker in spec.missing)
    marked = frozenset(marked_numbers(spec))
    style = f"decimal mark {spec.decimal!r}" + (f", thousands mark {spec.thousands!r}" if spec.thousands else "")

    def read(value: object) -> float | None:
        kind = type(value)
        if kind is float:
            number: float = value  # type: ignore[assignment]
            if not isfinite(number):
                if number != number:
                    return None
                raise Unreadable("wrong-type", f"{number} is not a finite number")
        elif kind is int:
            try:
                number = float(value)  # type: ignore[arg-type]
            except OverflowError:
                raise Unreadable("out-of-range", "the number is too large for a 64-bit float") from None
        elif kind is str:
            text = value.strip()  # type: ignore[attr-defined]
            if not text or text in markers:
                return None
            written = plain(text)
            if written is None:
                raise Unreadable("wrong-type", f"{short(text)} is not a number ({style})")
            number = float(written)
            if not isfinite(number):
                raise Unreadable("out-of-range", f"{short(text)} is too large for a 64-bit float")
        elif value is None:
            return None
        elif (simple := simple_value(value)) is not value:
            return read(simple)
        else:
            raise Unreadable("wrong-type", f"{describe(value)} is not a number")
        return None if number in marked else number

    return _less(spec.origin, read, plain, spec) if isinstance(spec, ColumnSpec) and spec.origin else read


def _less(origin: int, read: Reader, plain: Callable[[str], str | None], spec: ColumnSpec) -> Reader:
    """A reader of numbers less an origin: of whole ones the difference is exact before it becomes a float."""
    marked = {whole for marker in spec.missing if (whole := _whole(marker, plain)) is not None}
    markers = frozenset(marker.strip() for marker in spec.missing)

    def read_less(value: object) -> float | None:
        if isinstance(value, str) and value.strip() in markers:
            return None
        whole = _whole(simple_value(value), plain)
        if whole is None:
            number = read(value)
            return None if number is None else number - float(origin)
        if whole in marked:
            return None
        try:
            return float(whole - origin)
        except OverflowError:
            raise Unreadable("out-of-range", "the number is too large for a 64-bit float") from None

    return read_less


def _whole(value: object, plain: Callable[[str], str | None]) -> int | None:
    """The whole number that a value is, of any length that a float64 has; None where it is none."""
    if type(value) is int:
        return value
    if type(value) is not str:
        return None
    found = _WHOLE.fullmatch(plain(value.strip()) or "")
    return None if found is None else int(found[1])


def marked_numbers(spec: ColumnSpec | TargetSpec) -> list[float]:
    """The missing markers of a numeric column that are numbers themselves."""
    plain = plain_number(spec.decimal, spec.thousands)
    return [float(written) for marker in spec.missing if (written := plain(marker.strip())) is not None]


def number_text(number: int | float) -> str:
    """The canonical text of a number: integers without ".0" below 1e21, everything else as Python's `repr` writes it.

    An integer that no float holds keeps its digits: two of them never have one text.

    >>> number_text(1.0), number_text(-0.0), number_text(0.1), number_text(10**20), number_text(1e21), number_text(10**21 + 1)
    ('1', '0', '0.1', '100000000000000000000', '1e+21', '1000000000000000000001')
    """
    if -1e21 < number < 1e21:
        return str(int(number)) if number == int(number) else repr(float(number))
    return str(number) if isinstance(number, int) and float(number) != number else repr(float(number))


def whole_text(digits: str) -> str:
    """`number_text` of a whole number in ASCII digits, with or without a sign; exact at any length.

    >>> whole_text("+007"), whole_text("1" + 21 * "0"), whole_text("-" + 21 * "1")
    ('7', '1e+21', '-111111111111111111111')
    """
    if len(digits) <= 20:
        return str(int(digits))
    number = float(digits)
    if isfinite(number) and Decimal(digits) == int(number):
        return number_text(number)
    plain = digits.lstrip("+-").lstrip("0")
    return f"-{plain}" if digits[0] == "-" else plain
