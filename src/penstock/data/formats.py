"""How numbers and dates are written in a column, by the evidence of all its training values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from penstock.bundle.decoder import ColumnSpec, Kind
from penstock.bundle.kinds import MISSING_TIME
from penstock.bundle.numbers import number_grammar
from penstock.bundle.raw import Reader, Unreadable
from penstock.bundle.values import column_reader
from penstock.data.evidence import Evidence, plain_numbers
from penstock.data.plain_instants import plain_instants
from penstock.data.texts import Texts
from penstock.data.writing import AS_FOUND, Written
from penstock.project.privacy_lines import line_of

NUMBER_FORMATS = ((".", ""), (",", ""), (".", ","), (",", "."), (".", " "), (",", " "), (".", "'"))
"""(decimal mark, thousands mark), tried in this order."""

MAX_FORMATS = 6  # that one column may mix
MIN_DATE_SHARE = 0.98  # of the rows with a value; a few broken dates do not make a column of dates a text

_ZONED = re.compile(r":\d\d(?:\.\d+)?\s?(?:Z|[+-]\d\d:?\d\d)$")
_DAYS_FIRST = ("%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y", "%d/%m/%y", "%d-%m-%y", "%d.%m.%y")
_MONTHS_FIRST = tuple(p.replace("%d", "%D").replace("%m", "%d").replace("%D", "%m") for p in _DAYS_FIRST)
_NAMED = ("%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%B %Y", "%b %Y")
_OTHER = ("%Y/%m/%d", "%Y.%m.%d", *_NAMED, "%a %b %d %H:%M:%S %Y", "%a, %d %b %Y %H:%M:%S %z")
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", "T%H:%M:%S")


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """A number format that fits, the numbers read with it, and what is to be said about it."""

    decimal: str
    thousands: str
    numbers: np.ndarray  # (len(texts),)
    why: str = ""


@dataclass(frozen=True, slots=True)
class DateFormat:
    """Date formats that fit together, and what is to be said about them.

    Attributes
    ----------
    swapped : the formats with day and month the other way round, where the values do not tell which is right; else ().
    leaning : whether the order of the rows, or a day that never varies, speaks for `formats` then.
    """

    formats: tuple[str, ...]
    why: str
    warnings: tuple[str, ...] = field(default=())
    swapped: tuple[str, ...] = ()
    leaning: bool = False


def number_format(texts: Sequence[str], said: Written = AS_FOUND) -> NumberFormat | None:
    """The first number format in which all texts are numbers; None where there is none. Of what is `said`, nothing is tried.

    >>> number_format(["1.234,5", "7"]).numbers.tolist()
    [1234.5, 7.0]
    """
    tried = _tried(said)
    if (".", "") in tried and (plain := plain_numbers(texts)) is not None:
        return NumberFormat(*(tried[0] if said.settles_numbers else (".", "")), plain)
    if not texts or not any(char.isdigit() for char in texts[0]):
        return None
    fitting = []
    for decimal, thousands in tried:
        if (decimal, thousands) == (".", ""):
            continue  # plain ones, which these are not
        matches = number_grammar(decimal, thousands).fullmatch
        if all(matches(text) for text in texts):
            fitting.append((decimal, thousands))
    if not fitting:
        return None
    decimal, thousands = fitting[0]
    why = f"decimal mark {decimal!r}"
    if (",", "") in fitting and (".", ",") in fitting and any("," in text for text in texts):
        decimal, thousands = ".", ","  # every comma stands before exactly three digits
        why = "commas stand before three digits each, so they are thousands marks; where they are decimal marks, say it in [data] decimal"
    elif thousands:
        why += f", thousands mark {thousands!r}"
    why += ", as told" if said.settles_numbers else ""
    read = column_reader(ColumnSpec("", Kind.NUMERIC, decimal=decimal, thousands=thousands))
    try:
        return NumberFormat(decimal, thousands, np.array([read(text) for text in texts], dtype=np.float64), why)
    except Unreadable:  # it has the form of a number that is too large to be one
        return None


def _tried(said: Written) -> list[tuple[str, str]]:
    """The number formats that may be, the usual ones first."""
    usual = [
        (decimal, thousands)
        for decimal, thousands in NUMBER_FORMATS
        if said.decimal in ("", decimal) and said.thousands in (None, thousands)
    ]
    return usual or [(said.decimal or ("," if said.thousands == "." else "."), said.thousands or "")]


def date_format(evidence: Evidence, name: str, said: Written = AS_FOUND) -> DateFormat | None:
    """The date formats of a column that holds dates; None for any other. Those that are `said` are taken as they are."""
    if said.formats:
        return DateFormat(said.formats, f"{_listed(said.formats)}, as told", tuple(_without_zone(evidence, said)))
    texts = evidence.texts
    if not texts or sum(map(_may_be_date, texts[:50])) < 0.9 * len(texts[:50]):
        return None
    if plain_numbers(texts[:50]) is not None:
        return _compact_date(evidence, name)
    candidates = [pattern for pattern in _patterns(texts[0]) if any(_reads(pattern, text) for text in texts[:30])]
    readable = {pattern: _readable(pattern, texts) for pattern in candidates}
    chosen: list[str] = []
    covered = np.zeros(len(texts), dtype=bool)
    warnings: list[str] = []
    swapped: dict[str, str] = {}
    leaning = False
    while len(chosen) < MAX_FORMATS and not covered.all():
        gains = {p: int(evidence.counts[mask & ~covered].sum()) for p, mask in readable.items()}
        best = max(gains.values(), default=0)
        if best == 0:
            rest = [text for text, done in zip(texts, covered, strict=True) if not done]
            more = [p for p in _patterns(rest[0]) if p not in readable and _reads(p, rest[0])]
            if not more:
                break
            readable |= {pattern: _readable(pattern, texts) for pattern in more}
            continue
        tied = [pattern for pattern, gain in gains.items() if gain == best]
        pattern, order = tied[0], None if len(tied) == 1 else _decide(tied, evidence)
        if order is not None:
            pattern, leaning = order.pattern, leaning or order.leaning
            warnings.append(order.why(name))
        other = _swapped(pattern)
        if other is not None and other in chosen:  # some values are dates one way only, and some the other
            swapped |= {pattern: other, other: pattern}
        elif other is not None and order is not None:
            swapped[pattern] = other
        chosen.append(pattern)
        covered |= readable[pattern]
    if not chosen or evidence.counts[covered].sum() < MIN_DATE_SHARE * evidence.filled:
        return None
    warnings += _without_zone(evidence, said)
    other_way = tuple(swapped.get(pattern, pattern) for pattern in chosen) if swapped else ()
    return DateFormat(tuple(chosen), _listed(chosen), tuple(warnings), other_way, leaning)


def _listed(patterns: Sequence[str]) -> str:
    return " and ".join("ISO dates" if pattern == "iso" else f"dates as {pattern}" for pattern in patterns)


def _without_zone(evidence: Evidence, said: Written) -> list[str]:
    """Whether some instants say their time zone, and others do not, and nobody says which one these have."""
    zoned, plain = clocks_of_zones(evidence)
    if not zoned or not plain or said.timezone:
        return []
    return [
        f"{plain} instants name no time zone, others do: those without are read as UTC; [data] timezone says another"
    ]


def clocks_of_zones(evidence: Evidence) -> tuple[int, int]:
    """Rows with a time of day that names its time zone, and with one that does not."""
    zoned = np.array([bool(_ZONED.search(text)) for text in evidence.texts], dtype=bool)
    clocks = np.array([":" in text for text in evidence.texts], dtype=bool)
    return int(evidence.counts[zoned].sum()), int(evidence.counts[clocks & ~zoned].sum())


def _may_be_date(text: str) -> bool:
    return 6 <= len(text) <= 40 and sum(char.isdigit() for char in text) >= 3


def _compact_date(evidence: Evidence, name: str) -> DateFormat | None:
    """Dates as eight digits: numbers, unless the column's name speaks of time."""
    if not re.search(r"date|day|time|(^|_)(dt|ts)($|_)", name, re.IGNORECASE):
        return None
    if all(re.fullmatch(r"(19|20)\d{6}", text) and _reads("%Y%m%d", text) for text in evidence.texts):
        return DateFormat(("%Y%m%d",), "eight digits that are dates as %Y%m%d, and the name speaks of time")
    return None


def _patterns(example: str) -> list[str]:
    """Patterns with the separators of the example."""
    if re.match(r"\d{4}-\d{2}-\d{2}", example):
        return ["iso"]
    clocks = [clock for clock in _CLOCKS if (":" in clock) == (":" in example)] if example.count(":") < 4 else [""]
    days = [*_DAYS_FIRST, *_MONTHS_FIRST, *_OTHER]
    shape = re.sub(r"[\d:]", "", example)
    separators = set("/-.") & set(shape)
    patterns = [p for p in days if separators <= set(p) or "%z" in p]
    return [p if "%H" in p else p + clock for p in patterns for clock in clocks]


def _reads(pattern: str, text: str) -> bool:
    read = _READERS.get(pattern)
    if read is None:
        read = _READERS[pattern] = column_reader(ColumnSpec("", Kind.DATETIME, formats=(pattern,)))
    try:
        return read(text) is not None
    except Unreadable:
        return False


def _readable(pattern: str, texts: Sequence[str]) -> np.ndarray:
    """Which texts are dates of this pattern: bool, shape (n,)."""
    readable = np.zeros(len(texts), dtype=bool)
    if pattern == "iso" and isinstance(texts, Texts):
        readable = plain_instants(texts.array) != MISSING_TIME
    other = np.flatnonzero(~readable)
    readable[other] = [_reads(pattern, texts[i]) for i in other.tolist()]
    return readable


_READERS: dict[str, Reader] = {}


@dataclass(frozen=True, slots=True)
class _Order:
    """Which of day and month stands first, against the `other` way. `because` the rows speak for it; "" where nothing does."""

    pattern: str
    other: str
    because: str = ""

    @property
    def leaning(self) -> bool:
        return bool(self.because)

    def why(self, name: str) -> str:
        """In words, and what settles it."""
        if not self.because:
            return (
                f"day and month cannot be told apart: every value is a date as {self.pattern} and as {self.other}; "
                f"{self.pattern} was taken by its separator: say formats.{line_of(name, self.pattern)} under [data] where that "
                f"is right, or {self.other!r} there"
            )
        return (
            f"every value is also a date as {self.other}; {self.pattern} was chosen because {self.because}; where that is "
            f"wrong, say formats.{line_of(name, self.other)} under [data]"
        )


def _swapped(pattern: str) -> str | None:
    """The same with day and month the other way round; None where neither stands first."""
    first, then = pattern[:2], pattern[3:5]
    if {first, then} != {"%d", "%m"}:
        return None
    return then + pattern[2] + first + pattern[5:]


def _decide(tied: list[str], evidence: Evidence) -> _Order | None:
    """Between formats that read equally many: a day-first against a month-first one is decided by the rows; None where there are no such two.

    Where one reading gives the same day of a month throughout, as in a table with a row a month, it is that one. Else by
    the order: data are mostly written in the order of time, so that under the right reading neighbours lie closer together.
    """
    day_first = [p for p in tied if p.startswith("%d")]
    month_first = [p for p in tied if p.startswith("%m")]
    if not day_first or not month_first:
        return None
    both = (day_first[0], month_first[0])
    fields = [text.split(both[0][2], 2)[:2] for text in evidence.texts if _reads(both[0], text)]
    firsts, thens = ({int(pair[at]) for pair in fields} for at in (0, 1))
    if (len(firsts) == 1) != (len(thens) == 1):
        pattern, other = both if len(firsts) == 1 else both[::-1]
        return _Order(pattern, other, "the day of the month is then always the same")
    jumps = {}
    for pattern in both:
        read = column_reader(ColumnSpec("", Kind.DATETIME, formats=(pattern,)))
        times = np.array([read(text) if _reads(pattern, text) else 0 for text in evidence.texts], dtype=np.float64)
        jumps[pattern] = float(np.abs(np.diff(times[evidence.sequence])).sum())
    nearer, other = sorted(jumps, key=lambda p: jumps[p])
    if jumps[nearer] < 0.8 * jumps[other]:
        return _Order(nearer, other, "rows follow each other in time")
    default, other = (month_first[0], day_first[0]) if "/" in tied[0] else both
    return _Order(default, other)
