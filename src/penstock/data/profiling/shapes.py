"""How the values of one column are distributed: bars for the page, and what lies outside."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from penstock.bundle.decoder import MISSING_TIME, Kind
from penstock.data.origins import itself

BINS = 30
TOP = 12
TEXT_SAMPLE = 20_000  # texts that are read word by word
FENCE = 3.0  # interquartile ranges beyond the quartiles (Tukey's outer fence)


@dataclass(frozen=True)
class Shape:
    """The distribution of one column.

    Attributes
    ----------
    edges, counts : of numbers, instants (microseconds) and texts (words): rows of each bin; the outer bins hold all
        that lies beyond the 0.5 % and 99.5 % quantiles. shape (b + 1,) and (b,).
    top, others : of categories: the most frequent values with their rows, and the rows of all others.
    notes : what else there is to know, in words.
    outliers : numbers beyond Tukey's outer fences. extremes : the lowest and the highest three.
    origin : what the numbers of `edges` are less, where a float64 would round them; all else is of the numbers themselves.
    """

    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()
    top: tuple[tuple[str, int], ...] = ()
    others: int = 0
    notes: tuple[str, ...] = ()
    outliers: int = 0
    extremes: tuple[float, ...] = field(default=())
    origin: int = 0

    def to_json(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if key != "origin" or value}


def shape_of_numbers(ordered: np.ndarray, origin: int = 0) -> Shape:
    """Of numbers without missing ones, ascending, shape (n,), kept less an origin; infinite ones are counted apart."""
    first, last = np.searchsorted(ordered, [-np.inf, np.inf], side="right")[0], np.searchsorted(ordered, np.inf)
    finite = ordered[first:last]
    notes = [f"{len(ordered) - len(finite)} infinite"] if len(finite) < len(ordered) else []
    if not len(finite):
        return Shape(notes=tuple(notes))
    q1, q3 = finite[len(finite) // 4], finite[(3 * len(finite)) // 4]
    with np.errstate(over="ignore"):
        reach = FENCE * (q3 - q1)
    outside = int(np.searchsorted(finite, q1 - reach) + len(finite) - np.searchsorted(finite, q3 + reach, side="right"))
    outliers = outside if reach > 0 else 0
    with np.errstate(over="ignore", invalid="ignore"):  # of huge numbers: then nothing is said
        spread = float(finite.std())
        skew = float((((finite - finite.mean()) / spread) ** 3).mean()) if spread > 0 else np.nan
    if np.isfinite(skew):
        notes.append(f"skewness {skew:.2f}")
    zeros = int(np.searchsorted(finite, -float(origin), side="right") - np.searchsorted(finite, -float(origin)))
    if zeros:
        notes.append(f"{zeros / len(ordered):.1%} zeros")
    if outliers:
        notes.append(f"{outliers} beyond Tukey's outer fences")
    edges, counts = _bins(finite)
    ends = tuple(itself(end, origin) for end in (*finite[:3].tolist(), *finite[-3:].tolist()))
    return Shape(edges, counts, notes=tuple(notes), outliers=outliers, extremes=ends, origin=origin)


def shape_of_instants(array: np.ndarray) -> Shape:
    """Of instants in microseconds, shape (n,)."""
    present = np.sort(array[array != MISSING_TIME])
    if not len(present):
        return Shape()
    edges, counts = _bins(present, trimmed=False)
    days = present // 86_400_000_000
    notes = [f"{1 + int(np.count_nonzero(np.diff(days)))} different days"]
    weekdays = np.bincount((days + 3) % 7, minlength=7)  # 1 January 1970 was a Thursday
    names = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    notes.append(f"most on {names[int(weekdays.argmax())]} ({weekdays.max() / len(present):.0%})")
    if bool((present % 86_400_000_000 == 0).all()):
        notes.append("dates without a time of day")
    gaps = np.diff(present)
    if len(gaps) and gaps.max() > 0:
        widest = int(gaps.argmax())
        start = np.datetime64(int(present[widest]), "us").astype("datetime64[D]")
        notes.append(f"the longest gap is {gaps.max() / 86_400_000_000:.4g} days, from {start}")
    return Shape(edges, counts, notes=tuple(notes))


def shape_of_categories(values: list[str], rows: np.ndarray) -> Shape:
    """Of distinct values and their rows."""
    order = np.argsort(-rows, kind="stable")[:TOP]
    top = tuple((values[i], int(rows[i])) for i in order)
    once = int((rows == 1).sum())
    notes = [f"{once} values occur once"] if once else []
    return Shape(top=top, others=int(rows.sum()) - sum(n for _, n in top), notes=tuple(notes))


def shape_of_texts(texts: np.ndarray, seed: int = 0) -> Shape:
    """Of texts, shape (n,): lengths in words and the commonest words, of at most `TEXT_SAMPLE` of them."""
    present = texts[np.not_equal(texts, None)]  # type: ignore[call-overload]  # numpy compares objects one by one
    if len(present) > TEXT_SAMPLE:
        present = present[np.random.default_rng(seed).choice(len(present), TEXT_SAMPLE, replace=False)]
    if not len(present):
        return Shape()
    words: Counter[str] = Counter()
    lengths = np.empty(len(present))
    for i, text in enumerate(present):
        found = text.lower().split()
        lengths[i] = len(found)
        words.update(found)
    edges, counts = _bins(np.sort(lengths))
    notes = [f"{len(words)} different words"]
    if (empty := int((lengths == 0).sum())) > 0:
        notes.append(f"{empty} without a word")
    foreign = sum(not text.isascii() for text in present)
    if foreign:
        notes.append(f"{foreign / len(present):.1%} with letters beyond ASCII")
    if len(texts) > len(present) == TEXT_SAMPLE:
        notes.append(f"of {TEXT_SAMPLE} texts, drawn by a seed")
    common = tuple(sorted(words.items(), key=lambda pair: (-pair[1], pair[0]))[:TOP])
    return Shape(edges, counts, top=common, notes=tuple(notes))


def shape_of(array: np.ndarray, kind: Kind, *, seed: int = 0, origin: int = 0) -> Shape:
    """Of a column of any kind; `origin`: what its numbers are kept less."""
    if kind is Kind.NUMERIC:
        return shape_of_numbers(np.sort(array[~np.isnan(array)]), origin)
    if kind is Kind.DATETIME:
        return shape_of_instants(array)
    if kind is Kind.TEXT:
        return shape_of_texts(array, seed)
    if kind is Kind.IDENTIFIER:
        return Shape()  # its values name rows; none is the commonest
    from penstock.data.quality.encoding import value_counts

    values, rows = value_counts(array)
    return shape_of_categories([str(value) for value in values], rows)


def _bins(ordered: np.ndarray, *, trimmed: bool = True) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Up to `BINS` bins of equal width; whole numbers of a small range get one bin each."""
    n = len(ordered)
    cut = n // 200 if trimmed else 0
    low, high = float(ordered[cut]), float(ordered[n - 1 - cut])
    if low == high:
        low, high = float(ordered[0]), float(ordered[-1])
    if low == high:
        width = abs(low) * 0.5 or 0.5
        return (low - width, low + width), (n,)
    whole = high - low < BINS and float(low).is_integer() and bool((ordered[:: max(1, n // 1000)] % 1 == 0).all())
    if whole:
        edges = np.arange(np.floor(low) - 0.5, np.floor(high) + 1.0)
    else:
        part = np.arange(BINS + 1) / BINS
        edges = low * (1 - part) + high * part  # high - low may be beyond the largest number
    places = np.searchsorted(ordered, edges[1:-1])
    counts = np.diff(np.concatenate([[0], places, [n]]))
    return tuple(float(e) for e in edges), tuple(int(c) for c in counts)
