"""The target made of two columns, or of several that are multiplied: products, ratios, spans between instants. For `target-copy`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from penstock.bundle.kinds import MISSING_TIME, Kind
from penstock.data.quality.models import out_of_fold, strength
from penstock.data.quality.view import View

MOST_COLUMNS = 40
"""Of so many columns all pairs are looked at, the first ones where there are more: 780 pairs."""
LEAST_ROWS = 50
LOOKED_AT = 2_000
"""Rows on which pairs are sought; the best one is judged on all that small models see."""


def powers_of_columns(view: View, names: list[str]) -> tuple[float, str] | None:
    """R squared of the logarithm of the target from those of the columns, out of fold, and in words what it is of; None where too few are positive.

    A total that is the product of quantity and price is a sum of their logarithms, whatever else is in the table.
    """
    from sklearn.linear_model import LinearRegression

    there = view.sample_y != 0
    if (view.sample_y > 0).any() and (view.sample_y < 0).any():
        return None
    y = np.abs(view.sample_y)
    columns = {name: view.themselves(view.sample_frame, name)[there] for name in names}
    used = [name for name in names if (columns[name] > 0).all()]
    if len(used) < 2 or there.sum() < max(LEAST_ROWS, len(y) / 2) or len(np.unique(y[there])) < 2:
        return None
    logs = np.log(np.column_stack([columns[name] for name in used]))
    if not np.isfinite(logs).all():
        return None
    target, folds = np.log(y[there]), view.folds(np.flatnonzero(there))
    value = strength(target, out_of_fold(LinearRegression, logs, target, 0, folds), 0)
    weights = LinearRegression().fit(logs, target).coef_
    sizes = np.abs(weights * logs.std(axis=0))
    parts = [f"{used[i]}^{weights[i]:.3g}" for i in np.argsort(-sizes) if sizes[i] > 0.01 * sizes.max()]
    return value, f"R squared of a product of {len(used)} positive columns, by weight: {', '.join(parts[:5])}"


def best_pair(view: View, names: list[str]) -> tuple[float, str] | None:
    """The product or ratio of two numeric columns, or the span between two of instants, that orders the rows as the target does.

    Of numbers the absolute rank correlation, of classes 2 AUC - 1 of each against the others, by their rows. None where there is no pair that
    half of the rows have.
    """
    rows = np.arange(len(view.sample_y))[:: max(1, len(view.sample_y) // LOOKED_AT)]
    best: tuple[float, str, np.ndarray] | None = None
    for told, values in _pairs(
        view, names
    ):  # the values of one pair and of the best are kept: of all they fill the memory
        agreement = _agreement(view, values[rows], rows)
        if not np.isnan(agreement) and (best is None or agreement > best[0]):
            best = (agreement, told, values)
    if best is None:
        return None
    value = _agreement(view, best[2], np.arange(len(view.sample_y)))
    return None if np.isnan(value) else (value, best[1])


def _pairs(view: View, names: list[str]) -> Iterator[tuple[str, np.ndarray]]:
    """What two columns make together, float64 (n_sample,), NaN where one is missing."""
    instants = view.of_kind(Kind.DATETIME)[:MOST_COLUMNS]
    times = {}
    for name in instants:
        column = view.sample_frame[name]
        times[name] = np.where(column == MISSING_TIME, np.nan, column.astype(np.float64))
    for a, b in combinations(instants, 2):
        yield f"of the time from {a} to {b}", times[b] - times[a]
    if view.is_classification:  # of classes products are left to the models
        return
    with np.errstate(all="ignore"):
        for a, b in combinations(names[:MOST_COLUMNS], 2):
            x, z = view.themselves(view.sample_frame, a), view.themselves(view.sample_frame, b)
            yield f"of {a} x {b}", _finite(x * z)
            yield f"of {a} / {b}", _finite(x / z)
            if (
                np.nanmin(x, initial=np.inf) <= 0 <= np.nanmax(x, initial=-np.inf)
            ):  # else in the order of the other ratio
                yield f"of {b} / {a}", _finite(z / x)


def _finite(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), values, np.nan)


def _agreement(view: View, values: np.ndarray, rows: np.ndarray) -> float:
    """How well values order the target of these rows; NaN where there are too few."""
    from scipy.stats import rankdata

    there = ~np.isnan(values)
    y = view.sample_y[rows][there]
    if len(y) < LEAST_ROWS or len(y) < 0.5 * len(rows) or len(np.unique(y)) < 2:
        return float("nan")
    ranks = rankdata(values[there])
    if ranks[0] == ranks.max() == ranks.min():
        return float("nan")
    if not view.is_classification:
        return abs(float(np.corrcoef(ranks, rankdata(y))[0, 1]))
    total, n = 0.0, len(y)
    for label, count in zip(*np.unique(y, return_counts=True), strict=True):
        mean = ranks[y == label].mean()
        auc = (mean - (count + 1) / 2) / (n - count)
        total += count / n * abs(2 * auc - 1)
    return float(total)
