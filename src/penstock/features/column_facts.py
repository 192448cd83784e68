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
_BINS = 50


@dataclass(frozen=True)
class Facts:
    """Of one column, in the training rows.

    Attributes
    ----------
    missing : share of rows without a value. distinct : number of values. words : mean number of words, of strings.
    same_as : an earlier column with the same values in every row.
    explains : share of the target that the column explains alone on unseen rows; 0 where it was not tried.
    """

    name: str
    kind: Kind
    missing: float
    distinct: int
    words: float = 0.0
    same_as: str | None = None
    explains: float = 0.0


def column_facts(frame: Frame, names: list[str], y: np.ndarray | None, task: Task) -> list[Facts]:
    """Facts of these columns of the training rows."""
    seen: dict[Any, str] = {}
    facts = []
    for name in names:
        values, kind = frame[name], frame.kinds[name]
        if kind not in INPUT_KINDS:
            facts.append(Facts(name, kind, 0.0, 0))
            continue
        missing = float(frame.missing(name).mean()) if len(frame) else 1.0
        if values.dtype == object:
            counts = Counter(values.tolist())
            counts.pop(None, None)
            n_words = sum(len(value.split()) * count for value, count in counts.items())
            distinct, words = len(counts), n_words / max(counts.total(), 1)
            identity: Any = hash(tuple(values.tolist()))
        else:
            present = values[~frame.missing(name)]
            distinct, words = len(np.unique(present)), 0.0
            identity = values.tobytes()
        same = seen.setdefault((values.dtype == object, identity), name)
        explains = _explained(values, y, task) if y is not None and kind is not Kind.TEXT and distinct > 1 else 0.0
        facts.append(Facts(name, kind, missing, distinct, words, same if same != name else None, explains))
    return facts


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
