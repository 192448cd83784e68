"""Guessing how a delimited text is written, from its first lines. Every guess is told and can be overruled."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass

DELIMITERS = ("\t", ";", "|", ",")
"""In order of preference where several fit equally well: a comma may also be a decimal mark."""

NO_DELIMITER = "\x1f"
"""Stands for "one column": ASCII's unit separator, which texts do not hold."""

MIXED = "mixed"
"""Stands for lines that end in different ways."""

MIN_AGREEMENT = 0.5  # without a header line, the share of lines that must agree on their width


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a delimited text is written: `quote` is empty where no mark encloses values."""

    delimiter: str
    quote: str
    why: tuple[str, ...]


def records(text: str, delimiter: str, quote: str) -> tuple[list[list[str]], bool]:
    """Split a text into records; blank lines are left out.

    Returns
    -------
    the records read, and whether the text obeys the quoting rule to its end (an open quote or a letter after a closing
    quote breaks it; what was read before that is returned).
    """
    if quote:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quotechar=quote, strict=True)
    else:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=csv.QUOTE_NONE)
    found: list[list[str]] = []
    try:
        for record in reader:
            if record:
                found.append(record)
    except csv.Error:
        return found, False
    return found, True


def line_end(text: str, quote: str) -> str | None:
    """How lines end: ``"\\n"``, ``"\\r\\n"``, ``"\\r"``, `MIXED`; None where there is but one line."""
    mark = re.escape(quote)
    outside = re.sub(f"{mark}[^{mark}]*{mark}", "", text) if quote else text
    ends = set(re.findall("\r\n|\r|\n", outside))
    return MIXED if len(ends) > 1 else next(iter(ends), None)


def guess(text: str, *, header: bool, delimiter: str | None, quote: str | None, prefer: str = "") -> Dialect:
    """The dialect of a text of whole lines.

    Parameters
    ----------
    header : the first line holds names, so the delimiter must occur in it.
    delimiter, quote : taken as given unless None (`quote` "" means none).
    prefer : a delimiter that the file's name speaks for.

    >>> guess("a;b\\n1,5;x\\n2,5;y\\n", header=True, delimiter=None, quote=None)
    Dialect(delimiter=';', quote='"', why=("delimiter ';': every line has 2 fields",))
    """
    why: list[str] = []
    if delimiter is None:
        delimiter = _guess_delimiter(text, header, quote, prefer, why)
    if quote is None:
        quote = _guess_quote(text, delimiter, why)
    return Dialect(delimiter, quote, tuple(why))


def _guess_delimiter(text: str, header: bool, quote: str | None, prefer: str, why: list[str]) -> str:
    best: tuple[float, bool, int] | None = None
    chosen, width, agreement = NO_DELIMITER, 1, 1.0
    for rank, candidate in enumerate(DELIMITERS):
        for mark in ['"', ""] if quote is None else [quote]:
            found, clean = records(text, candidate, mark)
            if not found:
                continue
            widths = Counter(len(record) for record in found)
            common, count = widths.most_common(1)[0]
            share = count / len(found) * (1.0 if clean else 0.99)
            enough = len(found[0]) > 1 if header else (common > 1 and share >= MIN_AGREEMENT)
            score = (share if common > 1 else 0.0, candidate == prefer, -rank)
            if enough and (best is None or score > best):
                best, chosen, width, agreement = score, candidate, common, count / len(found)
    if best is None:
        why.append("one column: no tab, semicolon, bar or comma divides the lines")
    elif agreement == 1.0:
        why.append(f"delimiter {chosen!r}: every line has {width} fields")
    else:
        why.append(f"delimiter {chosen!r}: {agreement:.0%} of the first lines have {width} fields")
    return chosen


def _guess_quote(text: str, delimiter: str, why: list[str]) -> str:
    """The double quote, unless the lines agree when it is a plain letter and disagree when it is not."""
    if '"' not in text:
        return '"'
    plain, _ = records(text, delimiter, "")
    if len({len(record) for record in plain}) > 1:
        return '"'
    quoted, clean = records(text, delimiter, '"')
    spans_lines = any("\n" in field or "\r" in field for record in quoted for field in record)
    if clean and not spans_lines:
        return '"'
    why.append("quote none: the double quotes in the first lines do not pair up, and without them all lines agree")
    return ""
