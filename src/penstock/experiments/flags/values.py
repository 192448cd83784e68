"""Words of the command line as values, and back.

A flag with a known type takes only what is of that type. One whose type nobody tells takes a value as TOML has it (a number,
``true``, a list in brackets, a text in quotes), and everything else is text. A number that would not come out as it was
written (``1.10``, ``007``) stays text there: it may be the name of a version.
"""

from __future__ import annotations

import math
import re
from typing import Any

# Written here, compiled by `re` when a word is first read: most runs are given few words, or none.
_INT = r"[+-]?[0-9]+(_[0-9]+)*"
_BASED = r"0x[0-9a-f]+|0o[0-7]+|0b[01]+"
_FLOAT = r"[+-]?([0-9]+(_[0-9]+)*\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|[+-]?(inf(inity)?|nan)"
_PLAIN_INT = r"-?(0|[1-9][0-9]{0,17})"
_PLAIN_FLOAT = r"-?(0|[1-9][0-9]*)?\.([0-9]*[1-9]|0)|-?(0|[1-9][0-9]*)(\.[0-9]+)?e[+-]?[0-9]+"
WORDS = {
    "true": True,
    "false": False,
    "none": None,
    "null": None,
    "nan": math.nan,
    "inf": math.inf,
    "+inf": math.inf,
    "-inf": -math.inf,
}
BOOLS = {
    "true": True, "yes": True, "on": True, "1": True, "y": True, "t": True,
    "false": False, "no": False, "off": False, "0": False, "n": False, "f": False,
}  # fmt: skip


class NotOfType(ValueError):
    """A word is not of the type it should be; the text says what it should have been."""


def read_value(text: str, type_: str) -> Any:
    """One word as a value of a type: "int", "float", "bool", "str" or "any".

    >>> read_value("1e-3", "float"), read_value("1_000", "int"), read_value("yes", "bool"), read_value("007", "str")
    (0.001, 1000, True, '007')
    >>> [read_value(t, "any") for t in ("1e-3", "-2", "1.10", "true", '"1"', "[1, a]", "")]
    [0.001, -2, '1.10', True, '1', [1, 'a'], '']

    Raises
    ------
    NotOfType : it is not.
    """
    if type_ == "str":
        return text
    if type_ == "any":
        return read_literal(text)
    word = text.strip()
    if type_ == "bool":
        if word.lower() not in BOOLS:
            raise NotOfType("true or false")
        return BOOLS[word.lower()]
    if type_ == "int":
        return _int(word)
    if type_ == "float":
        if not _is(_FLOAT, word):
            raise NotOfType("a number")
        return float(word)
    raise AssertionError(type_)


def _int(word: str) -> int:
    if len(word) > 4000:
        raise NotOfType("a whole number of fewer digits")
    if _is(_INT, word):
        return int(word)
    if _is(_BASED, word):
        return int(word, 0)
    if "e" in word.lower() and _is(_FLOAT, word):
        number = float(word)  # 1e6 is a whole number too
        if number.is_integer() and abs(number) <= 2**53:
            return int(number)
    raise NotOfType("a whole number")


def read_literal(text: str) -> Any:
    """A word of unknown type: what TOML would take it for, else the text itself.

    >>> read_literal("0.5"), read_literal("adam"), read_literal("1.10"), read_literal("12e999")
    (0.5, 'adam', '1.10', '12e999')
    """
    word = text.strip()
    if word.lower() in WORDS:
        return WORDS[word.lower()]
    if _is(_PLAIN_INT, word):
        return int(word)
    if _is(_PLAIN_FLOAT, word):
        number = float(word)
        return number if math.isfinite(number) else text
    if len(word) > 1 and word[0] == word[-1] and word[0] in "\"'":
        return _unquoted(word)
    if word.startswith("[") and word.endswith("]"):
        return [read_literal(item) for item in split_list(word)]
    return text


def read_list(text: str, type_: str) -> list[Any]:
    """A word as the values of a flag that takes several: in brackets, or with commas between them.

    >>> read_list("[64, 32]", "int"), read_list("64,32", "int"), read_list("64", "int"), read_list("", "int")
    ([64, 32], [64, 32], [64], [])
    """
    items = split_list(text)
    return [read_value(_unquoted(item) if type_ == "str" else item, type_) for item in items]


def split_list(text: str) -> list[str]:
    """The items of a list, with or without brackets; commas within quotes and inner brackets part nothing.

    >>> split_list("[a, 'b,c', [1,2]]"), split_list("a,b"), split_list("[]")
    (['a', "'b,c'", '[1,2]'], ['a', 'b'], [])
    """
    word = text.strip()
    body = word[1:-1] if word.startswith("[") and word.endswith("]") else word
    found: list[str] = []
    start, depth, quote = 0, 0, ""
    for i, letter in enumerate(body):
        if quote:
            quote = "" if letter == quote and body[i - 1] != "\\" else quote
        elif letter in "\"'" and not body[start:i].strip():
            quote = letter
        elif letter in "[({":
            depth += 1
        elif letter in "])}":
            depth -= 1
        elif letter == "," and depth <= 0:
            found.append(body[start:i].strip())
            start = i + 1
    last = body[start:].strip()
    return [*found, last] if last or found else []


def _is(pattern: str, word: str) -> bool:
    return re.fullmatch(pattern, word, re.ASCII | re.IGNORECASE) is not None


_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}


def _unquoted(word: str) -> str:
    """Without its quotes. Within double quotes a backslash escapes, as in TOML; within single ones nothing does."""
    if len(word) < 2 or word[0] != word[-1] or word[0] not in "\"'":
        return word
    if word[0] == "'":
        return word[1:-1]
    return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[0]), word[1:-1], flags=re.DOTALL)


def spell(value: Any, *, bools: tuple[str, str] = ("False", "True")) -> str:
    """A value as a word for a program. `bools` are its words for false and true.

    >>> spell(1e-05), spell(True), spell(10), spell("a b")
    ('1e-05', 'True', '10', 'a b')
    """
    if isinstance(value, bool):
        return bools[value]
    if isinstance(value, float):
        return repr(value)
    return str(value)


def show(value: Any) -> str:
    """A value for a person, as it would be typed.

    >>> show(None), show(True), show([64, 32]), show(""), show("a b")
    ('none', 'true', '[64, 32]', '""', 'a b')
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "[" + ", ".join(show(item) for item in value) + "]"
    if value == "":
        return '""'
    return spell(value).replace("\n", "\\n")


def same(a: Any, b: Any) -> bool:
    """Whether two values are one and the same for a program: ``1`` is neither ``1.0`` nor ``True``.

    >>> same(1, 1), same(1, True), same(1, 1.0), same(float("nan"), float("nan")), same([1, 2], (1, 2))
    (True, False, False, True, True)
    """
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, float) and isinstance(b, float):
        return (a == b and math.copysign(1, a) == math.copysign(1, b)) or (math.isnan(a) and math.isnan(b))
    return type(a) is type(b) and bool(a == b)
