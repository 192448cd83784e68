"""How one raw value becomes a number, an instant, a category or a text. The only place that knows.

A reader is made once for a column (`column_reader`) and called once for a value. It returns the decoded value, or None
when it is missing, and raises `Unreadable` when the value is neither.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from math import isfinite
from typing import Any

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.bundle.specs import ColumnSpec, TargetSpec
from penstock.errors import DeclarationError

Reader = Callable[[object], Any]


class Unreadable(Exception):  # noqa: N818 - not an error of the program: callers turn it into a Problem or a refusal
    """A value that is not what its column declares."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(code, why)
        self.code, self.why = code, why


def column_reader(spec: ColumnSpec) -> Reader:
    """The reader of a column: raw value -> float | int microseconds | str, or None where missing."""
    if spec.kind is Kind.NUMERIC:
        return _number_reader(spec)
    if spec.kind is Kind.DATETIME:
        return _instant_reader(spec)
    if spec.kind is Kind.TEXT:
        return _text_reader(spec)
    return _category_reader(spec)


def target_reader(target: TargetSpec) -> Reader:
    """The reader of a target: raw value -> class number, or float for a regression; None where missing."""
    if not target.task.is_classification:
        return _number_reader(target)
    read = _category_reader(
        ColumnSpec(
            target.name,
            Kind.CATEGORICAL,
            missing=target.missing,
            decimal=target.decimal,
            thousands=target.thousands,
            numeric_text=all(type(label) in (int, float) for label in target.classes),
            boolean_text=all(type(label) is bool for label in target.classes),
        )
    )
    numbers = {class_text(label): number for number, label in enumerate(target.classes)}

    def read_class(value: object) -> int | None:
        text = read(value)
        if text is None:
            return None
        number = numbers.get(text)
        if number is None:
            raise Unreadable(
                "unknown-class", f"{text!r} is none of the classes {', '.join(map(repr, list(numbers)[:20]))}"
            )
        return number

    return read_class


def class_text(label: str | int | float | bool) -> str:
    """The canonical text of a class, which is also its key in `probabilities`.

    >>> [class_text(label) for label in ("yes", 1, 1.0, 0.5, True)]
    ['yes', '1', '1', '0.5', 'true']
    """
    if isinstance(label, str):
        return unicodedata.normalize("NFC", label.strip())
    if isinstance(label, bool):
        return "true" if label else "false"
    return number_text(label)


# ---------------------------------------------------------------- numbers


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


def _plain_number(decimal: str, thousands: str) -> Callable[[str], str | None]:
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


def _number_reader(spec: ColumnSpec | TargetSpec) -> Reader:
    plain = _plain_number(spec.decimal, spec.thousands)
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
                raise Unreadable("wrong-type", f"{_short(text)} is not a number ({style})")
            number = float(written)
            if not isfinite(number):
                raise Unreadable("out-of-range", f"{_short(text)} is too large for a 64-bit float")
        elif value is None:
            return None
        elif (simple := _simple(value)) is not value:
            return read(simple)
        else:
            raise Unreadable("wrong-type", f"{_describe(value)} is not a number")
        return None if number in marked else number

    return read


def marked_numbers(spec: ColumnSpec | TargetSpec) -> list[float]:
    """The missing markers of a numeric column that are numbers themselves."""
    plain = _plain_number(spec.decimal, spec.thousands)
    return [float(written) for marker in spec.missing if (written := plain(marker.strip())) is not None]


def number_text(number: int | float) -> str:
    """The canonical text of a number: integers without ".0" below 1e21, everything else as Python's `repr` writes it.

    >>> number_text(1.0), number_text(-0.0), number_text(0.1), number_text(10**20), number_text(1e21)
    ('1', '0', '0.1', '100000000000000000000', '1e+21')
    """
    if -1e21 < number < 1e21:
        return str(int(number)) if number == int(number) else repr(float(number))
    return repr(float(number))


# ---------------------------------------------------------------- categories and texts


def _category_reader(spec: ColumnSpec) -> Reader:
    markers = frozenset(unicodedata.normalize("NFC", marker.strip()) for marker in spec.missing)
    canonical = _canonical_category(spec)
    canonical_markers = frozenset(map(canonical, markers)) if canonical else frozenset()
    true, false = ("1", "0") if spec.numeric_text and not spec.boolean_text else ("true", "false")

    def read(value: object) -> str | None:
        kind = type(value)
        if kind is str:
            text: str = value.strip()  # type: ignore[attr-defined]
            if not text.isascii():
                _check_unicode(text)
                text = unicodedata.normalize("NFC", text)
            if not text or text in markers:
                return None
            if canonical is not None:
                text = canonical(text)
                return None if text in canonical_markers else text
            return text
        if value is None:
            return None
        if kind is bool:
            text = true if value else false
        elif kind is int or kind is float:
            if value != value:
                return None
            text = _json_number_text(value)  # type: ignore[arg-type]
        elif (simple := _simple(value)) is not value:
            return read(simple)
        else:
            raise Unreadable("wrong-type", f"{_describe(value)} is not a {spec.kind} value")
        return None if text in markers or text in canonical_markers else text

    return read


def _canonical_category(spec: ColumnSpec) -> Callable[[str], str] | None:
    """How text that means a number or a truth value is written in one way; None when text stays as it is."""
    if not (spec.numeric_text or spec.boolean_text):
        return None
    plain = _plain_number(spec.decimal, spec.thousands)

    def canonical(text: str) -> str:
        if spec.boolean_text and (lower := text.lower()) in ("true", "false"):
            return lower
        if spec.numeric_text and (written := plain(text)) is not None:
            whole, _, rest = written.partition(".")
            exact = len(whole) <= 21 and not rest.strip("0") and "e" not in whole and "E" not in whole
            number: int | float = int(whole or "0") if exact and whole.lstrip("+-") else float(written)
            return number_text(number) if isfinite(number) else text
        return text

    return canonical


def _text_reader(spec: ColumnSpec) -> Reader:
    markers = frozenset(marker.strip() for marker in spec.missing)

    def read(value: object) -> str | None:
        kind = type(value)
        if kind is str:
            stripped = value.strip()  # type: ignore[attr-defined]
            if not stripped or stripped in markers:
                return None
            _check_unicode(value)  # type: ignore[arg-type]
            return value  # type: ignore[return-value]
        if value is None:
            return None
        if kind is bool:
            text = "true" if value else "false"
        elif kind is int or kind is float:
            if value != value:
                return None
            text = _json_number_text(value)  # type: ignore[arg-type]
        elif (simple := _simple(value)) is not value:
            return read(simple)
        else:
            raise Unreadable("wrong-type", f"{_describe(value)} is not text")
        return None if text in markers else text

    return read


def _json_number_text(number: int | float) -> str:
    try:
        if isfinite(number):
            return number_text(number)
    except OverflowError:
        raise Unreadable("out-of-range", "the number is too large for a 64-bit float") from None
    raise Unreadable("wrong-type", f"{number} is not a finite number")


def _check_unicode(text: str) -> None:
    """Refuse half a surrogate pair: JSON can spell one, UTF-8 and the graph cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Unreadable("wrong-type", "the text holds half of a surrogate pair, which is not Unicode") from None


_WORD = re.compile(r"\w+")
_GAP = re.compile(r"\W+")


def normalise_text(text: str) -> str:
    """The words of a text, as every text step sees them: NFKC, Unicode lower case, words joined by one space.

    A word is a run of letters, digits and underscores; combining marks inside it belong to it, so that words written
    with vowel signs (Hindi, Thai, vocalised Arabic) or a Turkish dotted i stay whole.

    >>> normalise_text("  Ｆree entry!! £100 at Straße-Café ")
    'free entry 100 at straße café'
    """
    if text.isascii():
        return " ".join(_WORD.findall(text.lower()))
    return _GAP.sub(_gap, unicodedata.normalize("NFKC", text).lower()).strip(" ")


def _gap(match: re.Match[str]) -> str:
    """What stands between two runs of word characters: marks that belong to the word before, then a space."""
    between = match[0]
    if between == " ":
        return between
    kept = 0
    if match.start() > 0:
        while kept < len(between) and unicodedata.category(between[kept])[0] == "M":
            kept += 1
    return between[:kept] + (" " if kept < len(between) else "")


# ---------------------------------------------------------------- instants

_ISO = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?"
    r" ?(?:([Zz])|([+-])([0-9]{2}):?([0-9]{2})?)?)?"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND


def _instant_reader(spec: ColumnSpec) -> Reader:
    markers = frozenset(marker.strip() for marker in spec.missing)
    zone = time_zone(spec.timezone, column=spec.name)
    formats = spec.formats or ("iso",)
    parsers = [_iso_instant if pattern == "iso" else _pattern_instant(pattern) for pattern in formats]

    def read(value: object) -> int | None:
        if type(value) is str:
            text = value.strip()
            if not text or text in markers:
                return None
            for parse in parsers:
                try:
                    instant = parse(text)
                except ValueError:
                    continue
                if instant.tzinfo is None:
                    instant = instant.replace(tzinfo=zone)  # twice-told hours: the first; skipped hours: the old offset
                microseconds = (instant - _EPOCH) // _MICROSECOND
                if not _FIRST <= microseconds <= _LAST:
                    raise Unreadable("out-of-range", f"{_short(text)} lies outside the years 1 to 9999 in UTC")
                return microseconds
            raise Unreadable("wrong-type", f"{_short(text)} is not a date of the form {' or '.join(formats)}")
        if value is None or value != value:
            return None
        simple = _simple(value)
        if simple is not value:
            return read(simple)
        raise Unreadable("wrong-type", f"{_describe(value)} is not a date: it must be text")

    return read


def time_zone(name: str, *, column: str) -> tzinfo:
    """The time zone of this name.

    Raises
    ------
    DeclarationError : there is none, or this machine has no time-zone data.
    """
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise DeclarationError(
            f"column {column!r} declares the time zone {name!r}, which is not known here",
            why="it is no name of the time-zone data base, or this machine has no such data base",
            way_out="write a name such as 'Europe/Berlin', or `pip install tzdata`",
        ) from error


def _iso_instant(text: str) -> datetime:
    match = _ISO.fullmatch(text)
    if match is None:
        raise ValueError(text)
    year, month, day, hour, minute, second, fraction, zulu, sign, offset_hours, offset_minutes = match.groups()
    zone: tzinfo | None = None
    if zulu:
        zone = UTC
    elif sign:
        offset = timedelta(hours=int(offset_hours), minutes=int(offset_minutes or 0))
        zone = timezone(-offset if sign == "-" else offset)
    microsecond = int(fraction[:6].ljust(6, "0")) if fraction else 0
    return datetime(
        int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), microsecond, tzinfo=zone
    )


def _pattern_instant(pattern: str) -> Callable[[str], datetime]:
    def parse(text: str) -> datetime:
        if not text.isascii() and any(char.isdigit() and not char.isascii() for char in text):
            raise ValueError(text)  # `strptime` would take digits of other scripts
        return datetime.strptime(text, pattern)

    return parse


# ---------------------------------------------------------------- what a value is called


def _simple(value: object) -> object:
    """A numpy scalar or a subclass of str, int or float as the plain Python value; anything else as it is."""
    if isinstance(value, np.generic):
        value = value.item()
    if type(value) in (str, bool, int, float):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, int):
        return int.__int__(value)
    return value


def _describe(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"the number {value}" if abs(value) < 1e30 else "a huge number"
    if isinstance(value, (list, tuple)):
        return "an array"
    if isinstance(value, dict):
        return "an object"
    return f"a {type(value).__name__}"


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
