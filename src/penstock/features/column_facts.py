"""What the training rows say about a column, as far as a suggestion needs it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.bundle.frame import Frame
from penstock.bundle.kinds import INPUT_KINDS, Kind, Task

LEAK_ROWS = 20_000
"""Rows, drawn at random, on which a single column is tried as a model: the answer does not need more."""
LEAK_SHARE = 0.97
"""Share of what there is to explain that one column explains by itself on rows that it has not seen."""
MOST_VALUES = 100
"""Values of a categorical column that are told apart."""
MOST_LABELS = 1_000
"""Values of a column up to which it is looked for another one that goes with it one to one."""
_BINS = 50


@dataclass(frozen=True)
class Facts:
    """Of one column, in the training rows.

    Attributes
    ----------
    missing : share of rows without a value. distinct : number of values. words : mean number of words, of strings.
    same_as : an earlier column with the same values in every row. line_of : an earlier column of which this one is a multiple, with
        something added, in every row. names_of : an earlier column each of whose values goes with one value of this one, and back.
    usual : rows of the most frequent value; a missing value counts as one.
    frequent : share of the rows with a value that have one of the `MOST_VALUES` most frequent values, each in `least` rows or more.
    explains : share of the target that the column explains alone on unseen rows; 0 where it was not tried.
    """

    name: str
    kind: Kind
    missing: float
    distinct: int
    words: float = 0.0
    same_as: str | None = None
    explains: float = 0.0
    line_of: str | None = None
    names_of: str | None = None
    usual: int = 0
    frequent: float = 1.0


def column_facts(frame: Frame, names: list[str], y: np.ndarray | None, task: Task, *, least: int = 1) -> list[Facts]:
    """Facts of these columns of the training rows."""
    earlier = _Earlier()
    facts = []
    for name in names:
        values, kind = frame[name], frame.kinds[name]
        if kind not in INPUT_KINDS:
            facts.append(Facts(name, kind, 0.0, 0))
            continue
        absent = frame.missing(name)
        missing = float(absent.mean()) if len(frame) else 1.0
        words, frequent = 0.0, 1.0
        if values.dtype == object:
            found = Counter(values.tolist())
            usual = max(found.values(), default=0)
            n_missing = found.pop(None, 0)
            words = sum(len(value.split()) * count for value, count in found.items()) / max(found.total(), 1)
            distinct = len(found)
            often = [count for _, count in found.most_common(MOST_VALUES) if count >= least]
            frequent = sum(often) / max(len(frame) - n_missing, 1)
        else:
            counts = np.unique(values[~absent], return_counts=True)[1]
            distinct, usual = len(counts), max(int(counts.max(initial=0)), int(absent.sum()))
        explains = _explained(values, y, task) if y is not None and kind is not Kind.TEXT and distinct > 1 else 0.0
        same, line, like = earlier.of(name, values, kind, absent, distinct)
        facts.append(Facts(name, kind, missing, distinct, words, same, explains, line, like, usual, frequent))
    return facts


class _Earlier:
    """Columns that were seen, by what two that say the same have in common."""

    def __init__(self) -> None:
        self.values: dict[Any, str] = {}
        self.lines: dict[Any, str] = {}
        self.labels: dict[Any, str] = {}

    def of(
        self, name: str, values: np.ndarray, kind: Kind, absent: np.ndarray, distinct: int
    ) -> tuple[str | None, str | None, str | None]:
        """The earlier column with the same values; of which it is a line; with which it goes one to one."""
        is_object = values.dtype == object
        same = self.values.setdefault((is_object, _digest(values)), name)
        line = like = name
        if kind is Kind.NUMERIC and distinct > 2:
            line = self.lines.setdefault(_on_a_line(values, absent), name)
        if distinct <= MOST_LABELS and kind in (Kind.NUMERIC, Kind.CATEGORICAL) and distinct > 2:
            like = self.labels.setdefault(_digest(_codes(values)), name)
        told = [None if other == name else other for other in (same, line, like)]
        return told[0], told[1], told[2]


def _digest(values: np.ndarray) -> int:
    return hash(tuple(values.tolist())) if values.dtype == object else hash(values.tobytes())


def _on_a_line(values: np.ndarray, absent: np.ndarray) -> int:
    """One number for all columns a * x + b of a column x: of how far each value is from the median, by the usual distance, to six digits.

    Far ones by their logarithm: one huge value, which rules mean and deviation, must not make all others the same number.
    """
    known = values[~absent]
    with np.errstate(over="ignore", invalid="ignore"):
        off = known - np.median(known)
        shape = np.arcsinh(off / np.median(np.abs(off[off != 0])))
    if not np.isfinite(shape).all():
        return hash(values.tobytes())
    first = shape[np.flatnonzero(np.abs(shape) > 1e-3)[:1]]
    shape = np.round(shape * (np.sign(first[0]) if len(first) else 1.0), 6) + 0.0  # no -0
    return hash((shape.tobytes(), absent.tobytes()))


def _codes(values: np.ndarray) -> np.ndarray:
    """The values of a column as numbers, in the order in which they come first."""
    if values.dtype == object:
        numbers: dict[Any, int] = {}
        return np.array([numbers.setdefault(value, len(numbers)) for value in values.tolist()])
    _, first, codes = np.unique(values, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[codes])


def _explained(values: np.ndarray, y: np.ndarray, task: Task) -> float:
    """How much of the target the groups of one column tell, learned on half of the rows and tried on the others."""
    if len(y) < 20:
        return 0.0
    chosen = np.random.default_rng(0).permutation(len(y))[:LEAK_ROWS]  # files are often sorted, or alternate
    groups, y = _groups(values[chosen]), y[chosen]
    if not task.is_classification:
        y = y.argsort().argsort()  # ranks: a few large values would hide what the column tells of all others
    n_groups = int(groups.max()) + 1
    learn, tried = slice(0, None, 2), slice(1, None, 2)
    if task.is_classification:
        table = np.zeros((n_groups, int(y.max()) + 1))
        np.add.at(table, (groups[learn], y[learn].astype(np.int64)), 1)
        usual = table.sum(axis=0).argmax()
        guess = np.where(table.sum(axis=1) > 0, table.argmax(axis=1), usual)[groups[tried]]
        wrong, wrong_without = np.mean(guess != y[tried]), np.mean(usual != y[tried])
    else:
        counts = np.bincount(groups[learn], minlength=n_groups)
        sums = np.bincount(groups[learn], weights=y[learn], minlength=n_groups)
        mean = y[learn].mean()
        guess = np.where(counts > 0, sums / np.maximum(counts, 1), mean)[groups[tried]]
        wrong, wrong_without = np.mean((guess - y[tried]) ** 2), np.mean((mean - y[tried]) ** 2)
    return float(1 - wrong / wrong_without) if wrong_without > 0 else 0.0


def _groups(values: np.ndarray) -> np.ndarray:
    """Group numbers from 0: the values of strings, quantile bins of numbers with many values."""
    if values.dtype == object:
        numbers: dict[Any, int] = {}
        return np.array([numbers.setdefault(value, len(numbers)) for value in values.tolist()])
    unique, codes = np.unique(values, return_inverse=True)
    if len(unique) > _BINS:
        edges = np.unique(np.quantile(values[~np.isnan(values)], np.arange(1, _BINS) / _BINS))
        codes = np.searchsorted(edges, values, side="right")
    return codes
