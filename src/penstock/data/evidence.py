"""What the training values of one column look like: the evidence from which its kind is inferred."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from penstock.bundle.decoder import EncodedColumn
from penstock.data.texts import MANY, Texts, places_of

if TYPE_CHECKING:
    import pyarrow as pa

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

    texts: Sequence[str]
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
        texts, number, blank = _stripped(column.values, per_value)
        sequence = number[present]
        sequence = sequence[sequence >= 0]
        counts = np.bincount(sequence, minlength=len(texts))
        by_text = _by_text(texts)
        order = by_text[np.argsort(-counts[by_text], kind="stable")]
        rank = np.empty(len(texts), dtype=np.int64)
        rank[order] = np.arange(len(texts))
        return cls(_taken(texts, order), counts[order], rank[sequence], len(rows), blank, share)

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

    def places_of(self, texts: Collection[str]) -> np.ndarray:
        """Numbers of those of `texts` that occur: int64, rising."""
        return places_of(self.texts, texts)

    def without(self, texts: Sequence[str]) -> Evidence:
        """The same, with some values taken for nothing."""
        gone = self.places_of(texts)
        if not len(gone):
            return self
        keep = np.ones(len(self.texts), dtype=bool)
        keep[gone] = False
        rank = np.cumsum(keep) - 1
        sequence = rank[self.sequence[keep[self.sequence]]]
        kept = _taken(self.texts, np.flatnonzero(keep))
        return Evidence(kept, self.counts[keep], sequence, self.rows, self.blank, self.share_of_all)


def _stripped(values: Sequence[str | None], rows: np.ndarray) -> tuple[Sequence[str], np.ndarray, int]:
    """The texts of values without white space at their ends, the number of each value's (-1: none), and the rows with white space only.

    `rows`: of each value, int64; one without rows is left out.
    """
    used = np.flatnonzero(rows)
    number = np.full(len(values), -1, dtype=np.int64)
    if (as_they_stand := _as_they_stand(values, used)) is not None:
        number[used] = np.arange(len(used))
        return as_they_stand, number, 0
    number_of: dict[str, int] = {}
    blank = 0
    for code in used.tolist():
        value = values[code]
        text = value.strip() if value is not None else ""
        if text:
            number[code] = number_of.setdefault(text, len(number_of))
        elif value:
            blank += int(rows[code])
    return list(number_of), number, blank


def _as_they_stand(values: Sequence[str | None], used: np.ndarray) -> Sequence[str] | None:
    """The values at some places, where each is a text of its own without white space at its ends; None where they are not."""
    if not isinstance(values, Texts) or len(used) < MANY:
        return None
    import pyarrow as pa
    import pyarrow.compute as pc

    array = values.array if len(used) == len(values) else values.array.take(pa.array(used))
    if array.null_count or not pc.utf8_trim_whitespace(array).equals(array):
        return None
    if not pc.min(pc.binary_length(array)).as_py() or pc.count_distinct(array).as_py() < len(array):
        return None
    return cast("Sequence[str]", Texts(array))


def _by_text(texts: Sequence[str]) -> np.ndarray:
    """Positions in the order of the texts: int64."""
    if isinstance(texts, Texts):
        import pyarrow.compute as pc

        return np.asarray(pc.sort_indices(texts.array)).astype(np.int64)  # UTF-8 is in the order of its code points
    return np.array(sorted(range(len(texts)), key=texts.__getitem__), dtype=np.int64)


def _taken(texts: Sequence[str], at: np.ndarray) -> Sequence[str]:
    if isinstance(texts, Texts):
        import pyarrow as pa

        return cast("Sequence[str]", Texts(texts.array.take(pa.array(at))))
    return [texts[i] for i in at.tolist()]


def plain_numbers(texts: Sequence[str]) -> np.ndarray | None:
    """The numbers that these texts are, float64, or None when one is none (or infinite).

    >>> plain_numbers(["1", "-2.5", "1e3"]).tolist(), plain_numbers(["1", "nan"])
    ([1.0, -2.5, 1000.0], None)
    """
    if isinstance(texts, Texts) and len(texts) >= MANY:
        return _plain_numbers(cast("Sequence[str]", texts), texts.array)
    for start in range(0, len(texts), _AT_ONCE):
        joined = "\n".join(texts[start : start + _AT_ONCE])
        if not joined.isascii() or joined.encode().translate(None, _NUMBER_CHARACTERS):
            return None
    try:
        numbers = np.fromiter(map(float, texts), np.float64, len(texts))
    except ValueError:
        return None
    return numbers if np.isfinite(numbers).all() else None


def _plain_numbers(texts: Sequence[str], array: pa.StringArray) -> np.ndarray | None:
    """The same of many: Arrow reads numbers as Python does, but for those with a plus sign, which it refuses. `array`: the same texts."""
    import pyarrow as pa

    if plain_numbers(texts[:1]) is None or _any_matches(texts, "[^0-9+.eE-]"):
        return None
    try:
        numbers = array.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return plain_numbers(list(texts))
    return numbers if np.isfinite(numbers).all() else None


_EXPONENT_CODE = re.compile(r"[0-9]+[eE][0-9]+", re.ASCII)


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
    if plain_numbers(texts) is None or any_leading_zero(texts):
        return False
    return not (_any_matches(texts, "[eE]") and any(map(exponent_code, texts)))


def any_leading_zero(texts: Sequence[str]) -> bool:
    """Whether one of some numbers begins as numbers do not: "007", but not "0" or "0.5"."""
    return _any_matches(texts, "^0[0-9]")


def _any_matches(texts: Sequence[str], pattern: str) -> bool:
    if isinstance(texts, Texts):
        import pyarrow.compute as pc

        return bool(pc.any(pc.match_substring_regex(texts.array, pattern)).as_py())
    return any(map(re.compile(pattern).search, texts))
