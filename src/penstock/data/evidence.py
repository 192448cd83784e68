"""What the training values of one column look like: the evidence from which its kind is inferred."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from penstock.bundle.decoder import EncodedColumn

MISSING_MARKERS = frozenset(
    {
        "?", "??", "-", "--", "NA", "na", "N/A", "n/a", "N.A.", "n.a.", "#N/A", "#NA", "<NA>", "NaN", "nan", "NAN",
        "null", "NULL", "Null", "(null)", "None", "nil", "NIL", "\\N", "unknown", "Unknown", "UNKNOWN", "missing",
        "Missing", "MISSING", "not available", "Not available", "Not Available", "undefined",
    }
)  # fmt: skip
"""Texts that stand for nothing, where they occur. (``none`` is not one: it is often an answer.)"""

_NUMBER_CHARACTERS = b"0123456789+-.eE\n"
_AT_ONCE = 1000  # texts that are put together; long ones are refused by the first of them


@dataclass(frozen=True)
class Evidence:
    """Distinct values of one column among the training rows, without white space at their ends.

    Attributes
    ----------
    texts, counts : each distinct value that is not empty, and its rows; the most frequent first.
    sequence : number of the value in `texts` of each row that has one, in the order of the file.
    rows : training rows. `blank` : rows that hold nothing but white space, though at least one space.
    share_of_all : of the rows with a value that differ, among all rows, where these are a sample; else None.
    """

    texts: list[str]
    counts: np.ndarray
    sequence: np.ndarray
    rows: int
    blank: int
    share_of_all: float | None = None

    @classmethod
    def of(cls, column: EncodedColumn, rows: np.ndarray, *, share: float | None = None) -> Evidence:
        """The evidence of some rows (positions). `share`: see `share_of_all`."""
        codes = np.asarray(column.codes)[rows]
        present = codes[codes >= 0]
        per_value = np.bincount(present, minlength=len(column.values))
        used = np.flatnonzero(per_value)
        number_of: dict[str, int] = {}
        number = np.full(len(column.values), -1, dtype=np.int64)
        blank = 0
        for code in used.tolist():
            value = column.values[code]
            text = value.strip() if value is not None else ""
            if text:
                number[code] = number_of.setdefault(text, len(number_of))
            elif value:
                blank += int(per_value[code])
        sequence = number[present]
        sequence = sequence[sequence >= 0]
        counts = np.bincount(sequence, minlength=len(number_of))
        texts = list(number_of)
        by_text = np.array(sorted(range(len(texts)), key=texts.__getitem__), dtype=np.int64)
        order = by_text[np.argsort(-counts[by_text], kind="stable")]
        rank = np.empty(len(texts), dtype=np.int64)
        rank[order] = np.arange(len(texts))
        return cls([texts[i] for i in order.tolist()], counts[order], rank[sequence], len(rows), blank, share)

    @property
    def filled(self) -> int:
        """Rows with a value."""
        return len(self.sequence)

    @property
    def distinct(self) -> int:
        return len(self.texts)

    @property
    def share(self) -> float:
        """Of the rows with a value that differ; there must be one. In a sample more of them differ than in the whole."""
        return self.distinct / self.filled if self.share_of_all is None else self.share_of_all

    def without(self, texts: Sequence[str]) -> Evidence:
        """The same, with some values taken for nothing."""
        gone = set(texts)
        if gone.isdisjoint(self.texts):
            return self
        keep = np.array([text not in gone for text in self.texts], dtype=bool)
        rank = np.cumsum(keep) - 1
        sequence = rank[self.sequence[keep[self.sequence]]]
        kept = [text for text in self.texts if text not in gone]
        return Evidence(kept, self.counts[keep], sequence, self.rows, self.blank, self.share_of_all)


def plain_numbers(texts: Sequence[str]) -> np.ndarray | None:
    """The numbers that these texts are, float64, or None when one is none (or infinite).

    >>> plain_numbers(["1", "-2.5", "1e3"]).tolist(), plain_numbers(["1", "nan"])
    ([1.0, -2.5, 1000.0], None)
    """
    for start in range(0, len(texts), _AT_ONCE):
        joined = "\n".join(texts[start : start + _AT_ONCE])
        if not joined.isascii() or joined.encode().translate(None, _NUMBER_CHARACTERS):
            return None
    try:
        numbers = np.fromiter(map(float, texts), np.float64, len(texts))
    except ValueError:
        return None
    return numbers if np.isfinite(numbers).all() else None


_EXPONENT_CODE = re.compile(r"[0-9]+[eE][0-9]+", re.ASCII)


def leading_zero(text: str) -> bool:
    """Whether a text begins as numbers do not: "007", but not "0" or "0.5"."""
    return len(text) > 1 and text[0] == "0" and text[1].isdigit()


def exponent_code(text: str) -> bool:
    """Whether a text is digits, an E and digits: a number, but as no program writes one, and as articles and rooms are called.

    >>> [exponent_code(text) for text in ("1E3", "12e5", "1E+03", "1.0E7", "1e-05", "1000")]
    [True, True, False, False, False, False]
    """
    return _EXPONENT_CODE.fullmatch(text.strip()) is not None


def same_number_same_text(texts: Sequence[str]) -> bool:
    """Whether "1.0" and "1" may be taken for the same: all are plain numbers, and none has a leading zero, or may be a code such as 1E3.

    >>> same_number_same_text(["1.0", "20"]), same_number_same_text(["1.0", "007"]), same_number_same_text(["1", "x"])
    (True, False, False)
    >>> same_number_same_text(["1000", "1E3"]), same_number_same_text(["1000", "1e+03"])
    (False, True)
    """
    return plain_numbers(texts) is not None and not any(leading_zero(text) or exponent_code(text) for text in texts)
