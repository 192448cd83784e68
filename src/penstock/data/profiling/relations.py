"""What goes together: columns with each other, columns with the target, and gaps with gaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from penstock.bundle.decoder import Frame, Kind
from penstock.bundle.kinds import MISSING_TIME
from penstock.data.origins import itself
from penstock.data.quality.encoding import coded

MOST_COLUMNS = 40  # in the matrix of associations
MOST_VALUES = 30  # of a category; rarer ones are taken together
PATTERNS = 12
BINS = 10


@dataclass(frozen=True)
class Relation:
    """How the target varies with one column.

    Attributes
    ----------
    strength : share of the target's variation between the groups, 0 to 1: the correlation ratio of a number, the mean of it over the
        classes weighted by their variance (Goodman and Kruskal's tau) of a class; less what so many groups would explain by chance
        (epsilon squared: Kelley (1935), An unbiased correlation ratio measure, PNAS 21).
    labels : the groups: the values of a whole number that has few, else tenths of it, frequent values of a category, years or tenths of instants, tenths of text lengths.
    rows : in each group. values : of the shown class (its share) or of the target (its mean), by group.
    """

    column: str
    strength: float
    labels: tuple[str, ...]
    rows: tuple[int, ...]
    values: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def groups_of(array: np.ndarray, kind: Kind, origin: int = 0) -> tuple[np.ndarray, list[str]]:
    """The group of each row, int64 (n,), and the groups' names; the last one is "(missing)", where there are such rows.

    `origin`: what numbers are kept less; the names are of the numbers themselves.
    """
    if kind in (Kind.NUMERIC, Kind.DATETIME, Kind.TEXT):
        numbers = _numbers(array, kind)
        there = np.isfinite(numbers)
        known = numbers[there]
        if kind is not Kind.DATETIME and (few := _few_values(known)) is not None:
            group = np.searchsorted(few, np.where(there, numbers, few[0])).astype(np.int64)
            return _with_missing(
                group, [f"{itself(value, origin)}" if origin else f"{value:.15g}" for value in few.tolist()], there
            )
        edges = np.unique(np.quantile(known, np.arange(1, BINS) / BINS)) if len(known) else np.empty(0)
        group = np.searchsorted(edges, np.where(there, numbers, 0.0), side="right").astype(np.int64)
        names = _ranges(edges, kind, origin)
        return _with_missing(group, names, there)
    values, codes = coded(array)
    rows = np.bincount(codes[codes >= 0], minlength=len(values))
    order = np.argsort(-rows, kind="stable")
    rank = np.empty(len(values) + 1, dtype=np.int64)
    rank[order] = np.minimum(np.arange(len(values)), MOST_VALUES)
    names = [str(values[i]) for i in order[:MOST_VALUES]] + (["(others)"] if len(values) > MOST_VALUES else [])
    return _with_missing(rank[codes], names, codes >= 0)


def relation(column: str, group: np.ndarray, names: Sequence[str], y: np.ndarray, shown: int | None) -> Relation:
    """Of a column, by its groups, with the target; `shown` is the class whose share is told, None of a regression."""
    size = len(names)
    rows = np.bincount(group, minlength=size)
    if shown is None:
        values = y.astype(np.float64)
        outcome = values[None] / (np.abs(values).max(initial=0.0) or 1.0)  # squares of huge numbers overflow
    else:
        values = (y == shown).astype(np.float64)
        outcome = values[None] if y.max(initial=0) <= 1 else np.array([y == k for k in np.unique(y)], dtype=np.float64)
    between = within = 0.0
    for one in outcome:
        mean = np.bincount(group, one, size) / np.maximum(rows, 1)
        between += float((rows * (mean - one.mean()) ** 2).sum())
        within += float(((one - one.mean()) ** 2).sum())
    means = np.bincount(group, values, size) / np.maximum(rows, 1)
    filled = rows > 0
    return Relation(
        column,
        _beyond_chance(between / within if within else 0.0, len(y), int(filled.sum())),
        tuple(name for name, there in zip(names, filled, strict=True) if there),
        tuple(int(n) for n in rows[filled]),
        tuple(float(v) for v in means[filled]),
    )


def _beyond_chance(share: float, rows: int, groups: int) -> float:
    return max(0.0, 1.0 - (1.0 - share) * (rows - 1) / (rows - groups)) if rows > groups else 0.0


def associations(frame: Frame, grouped: Mapping[str, tuple[np.ndarray, list[str]]], names: Sequence[str]) -> np.ndarray:
    """How much columns go together, 0 to 1, shape (c, c), NaN where nothing can be said.

    Two numbers: the absolute rank correlation (rows in which both are there). Two categories: Cramer's V, corrected for chance
    (Bergsma 2013). A number and a category: the square root of the correlation ratio of the number's ranks, corrected for chance.
    """
    from scipy.stats import rankdata

    ranks: dict[str, np.ndarray] = {}
    for name in names:
        if frame.kinds[name] in (Kind.NUMERIC, Kind.DATETIME, Kind.TEXT):
            numbers = _numbers(frame[name], frame.kinds[name])
            there = np.isfinite(numbers)
            ranks[name] = np.full(len(numbers), np.nan)
            ranks[name][there] = rankdata(numbers[there])
    matrix = np.eye(len(names))
    for a, one in enumerate(names):
        for b in range(a):
            other = names[b]
            if one in ranks and other in ranks:
                value = _correlation(ranks[one], ranks[other])
            elif one in ranks:
                value = _ratio(grouped[other][0], ranks[one])
            elif other in ranks:
                value = _ratio(grouped[one][0], ranks[other])
            else:
                value = _cramer(grouped[one][0], grouped[other][0])
            matrix[a, b] = matrix[b, a] = value
    return matrix


def missing_patterns(frame: Frame) -> tuple[list[str], list[tuple[tuple[str, ...], int]]]:
    """Columns with gaps, most gaps first, and which are missing together: the commonest patterns with their rows."""
    absent = {name: frame.missing(name) for name in frame.columns}
    gaps = {name: int(mask.sum()) for name, mask in absent.items() if mask.any()}
    names = sorted(gaps, key=lambda name: (-gaps[name], name))
    if not names:
        return [], []
    dice = np.random.default_rng(0)
    key = np.zeros(frame.n_rows, dtype=np.uint64)  # 64 random bits for each column: no two patterns have the same sum
    for name in names:
        key += absent[name] * dice.integers(1, 2**63, dtype=np.uint64)
    _, first, rows = np.unique(key, return_index=True, return_counts=True)
    order = np.argsort(-rows, kind="stable")[:PATTERNS]
    found = [(tuple(name for name in names if absent[name][first[i]]), int(rows[i])) for i in order]
    return names, found


def _numbers(array: np.ndarray, kind: Kind) -> np.ndarray:
    """A column as numbers, NaN where missing: texts by their length in words."""
    if kind is Kind.NUMERIC:
        return array
    if kind is Kind.DATETIME:
        return np.where(array == MISSING_TIME, np.nan, array.astype(np.float64))
    return np.array([np.nan if text is None else len(text.split()) for text in array], dtype=np.float64)


def _few_values(known: np.ndarray) -> np.ndarray | None:
    """The values of numbers that are whole and few, ascending: each is a group of its own; None of other numbers."""
    some = known[: 10 * MOST_VALUES]
    if not len(known) or len(np.unique(some)) > BINS or (np.floor(some) != some).any():
        return None  # known from the first rows: sorting all of them takes long
    values = np.unique(known)
    return values if len(values) <= BINS and (np.floor(values) == values).all() else None


def _ranges(edges: np.ndarray, kind: Kind, origin: int) -> list[str]:
    def text(edge: float) -> str:
        if kind is Kind.DATETIME:
            return str(np.datetime64(int(edge), "us").astype("datetime64[D]"))
        if origin:
            return f"{itself(edge, origin)}"
        return f"{float(f'{edge:.4g}'):,.0f}" if 1e4 <= abs(edge) < 1e15 else f"{edge:.4g}"

    if not len(edges):
        return ["(all)"]
    told = [text(edge) for edge in edges.tolist()]
    return [f"< {told[0]}", *(f"{told[i]} to {told[i + 1]}" for i in range(len(told) - 1)), f"from {told[-1]}"]


def _with_missing(group: np.ndarray, names: list[str], there: np.ndarray) -> tuple[np.ndarray, list[str]]:
    if there.all():
        return group, names
    return np.where(there, group, len(names)), [*names, "(missing)"]


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's, of two columns of ranks: where either has gaps, ranks are given anew among the rows that have both."""
    from scipy.stats import rankdata

    both = ~(np.isnan(a) | np.isnan(b))
    x, y = a[both], b[both]
    if len(x) < 3:
        return float("nan")
    if len(x) < len(a):
        x, y = rankdata(x), rankdata(y)
    x, y = x - x.mean(), y - y.mean()
    spread = float(np.sqrt(_dot(x, x) * _dot(y, y)))
    return abs(_dot(x, y)) / spread if spread else float("nan")


def _dot(x: np.ndarray, y: np.ndarray) -> float:
    """Without BLAS, whose threads wait for each other on a busy machine."""
    return float(np.einsum("i,i->", x, y))


def _ratio(group: np.ndarray, ranks: np.ndarray) -> float:
    there = ~np.isnan(ranks)
    group, ranks = group[there], ranks[there]
    rows = np.bincount(group)
    k, n = int((rows > 0).sum()), len(ranks)
    total = float(((ranks - ranks.mean()) ** 2).sum()) if n else 0.0
    if not total or n <= k:
        return float("nan")
    mean = np.bincount(group, ranks) / np.maximum(rows, 1)
    share = float((rows * (mean - ranks.mean()) ** 2).sum()) / total
    return float(np.sqrt(max(0.0, 1 - (1 - share) * (n - 1) / (n - k))))


def _cramer(a: np.ndarray, b: np.ndarray) -> float:
    table = np.zeros((int(a.max(initial=0)) + 1, int(b.max(initial=0)) + 1))
    np.add.at(table, (a, b), 1)
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    n = table.sum()
    rows, columns = table.shape
    if min(rows, columns) < 2 or n < 3:
        return float("nan")
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / n
    phi = float(((table - expected) ** 2 / expected).sum() / n)
    less = max(0.0, phi - (rows - 1) * (columns - 1) / (n - 1))
    r, c = rows - (rows - 1) ** 2 / (n - 1), columns - (columns - 1) ** 2 / (n - 1)
    return float(np.sqrt(less / (min(r, c) - 1))) if min(r, c) > 1 else float("nan")
