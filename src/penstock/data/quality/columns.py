"""`constant-columns` and `redundant-columns`"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from penstock.bundle.kinds import INPUT_KINDS, Kind
from penstock.data.quality.check import Finding, failures_or_nearest, finding, unjudged
from penstock.data.quality.encoding import coded
from penstock.data.quality.view import View

MOST_COLUMNS = 200  # that are compared in pairs
FEW_VALUES = 60  # of a number, for it to be compared as a category too
LEAST_ROWS = 20
NEARLY = 0.95  # of the limit, from which on ranks are taken anew among the rows that both columns have


class ConstantColumns:
    """A column that says the same in (nearly) every row.

    What it does
        Takes the share of the most frequent value of each column among the training rows; missing counts as a value. It
        fails above the limit (99.9 %).
    Why it matters
        Nothing can be learned from it. Often it is the trace of a fault: a filter too many, a field that is no longer filled.
    Example that fails
        `country` is "DE" in all rows since the export was made for one branch.
    What to do
        Drop it (`[data] drop`), or ask why it does not vary.
    Reference
        Kuhn & Johnson (2013), Applied Predictive Modeling, 3.5, on near-zero variance.
    """

    id = "constant-columns"

    def judge(self, view: View, limit: float) -> Sequence[Finding]:
        if not view.train.n_rows:
            return [unjudged(self, limit, "there are no training rows")]
        found = []
        for name, kind in view.train.kinds.items():
            if (kind not in INPUT_KINDS and kind is not Kind.CONSTANT) or name in view.withheld:
                continue
            values, codes = coded(view.train[name])
            rows = np.bincount(codes + 1, minlength=len(values) + 1)
            most = int(rows.argmax())
            told = "has no value" if most == 0 else f"is {str(values[most - 1])[:40]!r}"
            why = f"it {told} in {rows[most]} of {view.train.n_rows} training rows"
            found.append(finding(self, name, rows[most] / view.train.n_rows, limit, why))
        return failures_or_nearest(self, found, limit, "there are no columns")


class RedundantColumns:
    """Two columns that say the same.

    What it does
        Compares columns in pairs on at most 20,000 training rows: numbers by the absolute rank correlation over the rows in which
        both have a value (20 at least), categories (and
        numbers with at most 60 values) by the share of rows in which each value goes with one value of the other column, in both
        directions. It fails above the limit (0.99). Of each pair the later column is named. At most 200 columns are compared.
    Why it matters
        Importance is split between the two at will, linear models become unstable, and two columns are to be kept in order
        for the work of one.
    Example that fails
        `education` and `education_number` stand for each other in every row.
    What to do
        Drop the one that is harder to come by when serving.
    Reference
        Hall (1999), Correlation-based feature selection, University of Waikato; Spearman (1904).
    """

    id = "redundant-columns"

    def judge(self, view: View, limit: float) -> Sequence[Finding]:
        if len(view.sample) < LEAST_ROWS:
            return [unjudged(self, limit, "there are too few training rows")]
        numbers = view.of_kind(Kind.NUMERIC)[:MOST_COLUMNS]
        found = self._numbers(view, numbers, limit) + self._categories(view, numbers, limit)
        best: dict[tuple[str | None, str], Finding] = {}
        for one in found:
            key = (one.about, one.why.partition(" (")[0])
            if key not in best or one.value > best[key].value:
                best[key] = one
        return failures_or_nearest(self, list(best.values()), limit, "there are no two columns to compare")

    def _numbers(self, view: View, names: list[str], limit: float) -> list[Finding]:
        if len(names) < 2:
            return []
        columns = np.column_stack([view.sample_frame[name] for name in names])
        related, rows = rank_correlations(columns)
        found = []
        for a, b in combinations(range(len(names)), 2):
            if rows[a, b] < LEAST_ROWS:
                continue
            value = related[a, b]
            if value > NEARLY * limit and rows[a, b] < len(columns):
                value = _correlation(columns[:, a], columns[:, b])
            both = "" if rows[a, b] == len(columns) else f" in {rows[a, b]} rows with both"
            found.append(
                finding(self, names[b], value, limit, f"it goes with {names[a]} (rank correlation {value:.4f}{both})")
            )
        return found

    def _categories(self, view: View, numbers: list[str], limit: float) -> list[Finding]:
        codes: dict[str, np.ndarray] = {}
        for name in view.inputs:
            kind = view.train.kinds[name]
            if kind is Kind.TEXT or (kind is Kind.NUMERIC and name not in numbers):
                continue
            values, code = coded(view.sample_frame[name])
            most = FEW_VALUES if kind is Kind.NUMERIC else len(view.sample) // 4
            if 1 < len(values) <= most:
                codes[name] = code + 1
        found = []
        for a, b in combinations(list(codes)[:MOST_COLUMNS], 2):
            share = min(_follows(codes[a], codes[b]), _follows(codes[b], codes[a]))
            why = f"it goes with {a} (each value with one, in {share:.2%} of the rows that are not of the most frequent value)"
            found.append(finding(self, b, share, limit, why))
        return found


def _follows(given: np.ndarray, told: np.ndarray) -> float:
    """Goodman and Kruskal's lambda: share of the rows beside `told`'s most frequent value that `given` foretells, 0 to 1."""
    width = int(told.max()) + 1
    pairs, counts = np.unique(given * width + told, return_counts=True)
    most = np.zeros(int(given.max()) + 1)
    np.maximum.at(most, pairs // width, counts)
    usual = np.bincount(told).max()
    return float((most.sum() - usual) / (len(told) - usual)) if usual < len(told) else 0.0


def rank_correlations(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Absolute correlations of columns' ranks over the rows in which both have a value, (c, c), and how many those are.

    Ranks are those among all rows of a column: exact where nothing is missing, near where something is.
    """
    from scipy.stats import rankdata

    there = ~np.isnan(columns)
    ranks = np.zeros(columns.shape)
    for j, own in enumerate(there.T):
        ranked = rankdata(columns[own, j])
        ranks[own, j] = (ranked - ranked.mean()) / max(1, len(ranked))  # near 0, so that nothing cancels
    mask = there.astype(np.float64)
    rows = mask.T @ mask
    n = np.maximum(rows, 1.0)
    sums, squares = ranks.T @ mask, (ranks**2).T @ mask  # of the first column, over the rows that the second has too
    together = ranks.T @ ranks - sums * sums.T / n
    spread = np.maximum(squares - sums**2 / n, 0.0)
    scale = np.sqrt(spread * spread.T)
    with np.errstate(divide="ignore", invalid="ignore"):
        related = np.where(scale > 1e-12 * n, np.abs(together) / scale, 0.0)
    return np.minimum(related, 1.0), rows.astype(np.int64)


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    """The absolute rank correlation over the rows that both have: Spearman's."""
    both = ~(np.isnan(one) | np.isnan(other))
    related, _ = rank_correlations(np.column_stack([one[both], other[both]]))
    return float(related[0, 1])
