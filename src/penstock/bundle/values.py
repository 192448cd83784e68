"""How one raw value becomes a number, an instant, a category or a text. The only place that knows.

A reader is made once for a column (`column_reader`) and called once for a value. It returns the decoded value, or None
when it is missing, and raises `Unreadable` when the value is neither. Numbers and instants have files of their own.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from math import isfinite

from penstock.bundle.instants import instant_reader
from penstock.bundle.kinds import Kind
from penstock.bundle.numbers import number_reader, number_text, plain_number, whole_text
from penstock.bundle.raw import Reader, Unreadable, describe, simple_value
from penstock.bundle.specs import ColumnSpec, Label, TargetSpec


def column_reader(spec: ColumnSpec) -> Reader:
    """The reader of a column: raw value -> float | int microseconds | str, or None where missing."""
    if spec.kind is Kind.NUMERIC:
        return number_reader(spec)
    if spec.kind is Kind.DATETIME:
        return instant_reader(spec)
    if spec.kind is Kind.TEXT:
        return _text_reader(spec)
    return _category_reader(spec)


def target_reader(target: TargetSpec) -> Reader:
    """The reader of a target: raw value -> class number, or float for a regression; None where missing."""
    if not target.task.is_classification:
        return number_reader(target)
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


def class_text(label: Label) -> str:
    """The canonical text of a class, which is also its key in `probabilities`.

    >>> [class_text(label) for label in ("yes", 1, 1.0, 0.5, True)]
    ['yes', '1', '1', '0.5', 'true']
    """
    if isinstance(label, str):
        return unicodedata.normalize("NFC", label.strip())
    if isinstance(label, bool):
        return "true" if label else "false"
    return number_text(label)


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
        elif (simple := simple_value(value)) is not value:
            return read(simple)
        else:
            raise Unreadable("wrong-type", f"{describe(value)} is not a {spec.kind} value")
        return None if text in markers or text in canonical_markers else text

    return read


def _canonical_category(spec: ColumnSpec) -> Callable[[str], str] | None:
    """How text that means a number or a truth value is written in one way; None when text stays as it is."""
    if not (spec.numeric_text or spec.boolean_text):
        return None
    plain = plain_number(spec.decimal, spec.thousands)

    def canonical(text: str) -> str:
        if spec.boolean_text and (lower := text.lower()) in ("true", "false"):
            return lower
        if spec.numeric_text and (written := plain(text)) is not None:
            whole, _, rest = written.partition(".")
            if not rest.strip("0") and whole.lstrip("+-").isdigit():
                return whole_text(whole)
            number = float(written)
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
        elif (simple := simple_value(value)) is not value:
            return read(simple)
        else:
            raise Unreadable("wrong-type", f"{describe(value)} is not text")
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
