"""Which columns of a source hold personal data."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from penstock import parts
from penstock.bundle.specs import EncodedColumn
from penstock.data.evidence import MISSING_MARKERS
from penstock.data.privacy.judging import HALF
from penstock.data.privacy.recogniser import GROUP, ORDER, Column, Confidence, Evidence, Recogniser

VALUES = 1000  # distinct values of a column that are looked at
TEXTS = 20_000  # of texts, in which hits are rarer
TEXT_CHARACTERS = 8_000_000  # of all texts of a column together
LONG = 40  # characters of a value on average, from which on it is a text, however few words it has
TEXT_WORDS = 3.0
_PUNCTUATION = re.compile(r"[^\w\s.+-]")  # beside that of numbers: a short value may hold others


@dataclass(frozen=True, slots=True)
class PersonalColumn:
    """A column that holds personal data, as far as can be told.

    Attributes
    ----------
    evidence : what speaks for it, the strongest first; at least one.
    action : what is proposed.
    """

    name: str
    evidence: tuple[Evidence, ...]
    action: str

    @property
    def kind(self) -> str:
        return self.evidence[0].kind

    @property
    def confidence(self) -> Confidence:
        return self.evidence[0].confidence

    @property
    def is_sure(self) -> bool:
        """Whether the values say so: a hint is of the name, and waits for a decision all the same."""
        return self.confidence != "low"

    def to_json(self) -> dict[str, Any]:
        return {
            "column": self.name,
            "kind": self.kind,
            "confidence": self.confidence,
            "proposed": self.action,
            "evidence": [one.to_json() for one in self.evidence],
        }


def detect(columns: Mapping[str, EncodedColumn], *, off: Iterable[str] = ()) -> list[PersonalColumn]:
    """The personal columns of a table of text, in its order. It looks at all rows and tells shares, never a value.

    Parameters
    ----------
    off : names of recognisers that are not asked.
    """
    found = (detect_column(name, column.values, off=off) for name, column in columns.items())
    return [one for one in found if one is not None]


def detect_column(name: str, values: Iterable[str | None], *, off: Iterable[str] = ()) -> PersonalColumn | None:
    """The same of one column, from its distinct values; None where nothing was found.

    >>> detect_column("contact", [f"user{i}@example.org" for i in range(9)]).action
    'hash'
    """
    column = column_of(name, values)
    evidence = _evidence(column, frozenset(off))
    if not evidence:
        return None
    evidence.sort(key=lambda e: (-ORDER.index(e.confidence), not e.named, -e.share, e.chance))
    first = evidence[0]
    rest = [e for e in evidence[1:] if first.inside or e.inside or e.confidence == first.confidence]
    action = "mask:hits" if first.inside or first.share < HALF else parts.load(GROUP, first.kind).action
    return PersonalColumn(name, (first, *rest), action)


def _evidence(column: Column, silent: frozenset[str]) -> list[Evidence]:
    """What recognisers say; of values in groups, such as `4111 1111 1111 1111`, as of values first, and as of texts where few are one kind."""
    some = evenly(column.values, VALUES)
    if column.texts and sum(map(_words, some)) < TEXT_WORDS * len(some) and sum(map(len, some)) < LONG * len(some):
        found = _judged(Column(column.name, some), silent)
        if any(one.confidence != "low" and one.share >= HALF for one in found):
            return found
    found = _judged(column, silent)
    if column.texts or any(one.confidence != "low" for one in found) or not _PUNCTUATION.search(column.joined):
        return found
    inside = _judged(Column(column.name, column.values, texts=True), silent)  # as in {"mail": "..."} or a@x.org;b@x.org
    return found + [one for one in inside if one.inside and one.proof != "pattern"]


def _judged(column: Column, silent: frozenset[str]) -> list[Evidence]:
    asked = (one.judge(column) for one in recognisers() if one.name not in silent)
    return [evidence for evidence in asked if evidence is not None]


def _words(value: str) -> int:
    """Words without digits: a number that is written in groups has hardly any."""
    return sum(any(map(str.isalpha, word)) and not any(map(str.isdigit, word)) for word in value.split())


def column_of(name: str, values: Iterable[str | None]) -> Column:
    """What recognisers are shown: a sample, evenly over all distinct values."""
    present: list[str] = [
        text for value in values if value is not None and (text := value.strip()) and text not in MISSING_MARKERS
    ]
    some = evenly(present, VALUES)
    words = sum(len(value.split()) for value in some) / len(some) if some else 0.0
    length = sum(map(len, some)) / len(some) if some else 0.0
    texts = words >= TEXT_WORDS or length >= LONG
    if not texts:
        return Column(name, some)
    most = max(1, min(TEXTS, int(TEXT_CHARACTERS / max(length, 1.0))))
    return Column(name, evenly(present, most), texts=True)


def evenly(values: Sequence[str], most: int) -> list[str]:
    """At most so many, at even distances: the beginning of a file is often not like the rest."""
    if len(values) <= most:
        return list(values)
    return [values[i * len(values) // most] for i in range(most)]


@cache
def recognisers() -> tuple[Recogniser, ...]:
    """All that are there, built-in ones and plug-ins."""
    return tuple(parts.load(GROUP, name)() for name in parts.names(GROUP))
