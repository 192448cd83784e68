"""`too-good-column`, `target-copy` and `filled-by-outcome`: inputs that know the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.data.quality.check import Finding, failures_or_nearest, finding, unjudged
from penstock.data.quality.encoding import coded
from penstock.data.quality.models import of_values, out_of_fold, strength
from penstock.data.quality.pairs import best_pair, powers_of_columns
from penstock.data.quality.view import View

LEAST_ROWS = 50
LEAST_SHARE = 0.005  # of rows with and without a value, for the difference to say something
ROWS_PER_VALUE = 5


class TooGoodColumn:
    """One column alone foretells the target nearly without error.

    What it does
        Predicts the target from each column by itself, on rows that were not learned from: numbers and instants by a small tree,
        categories by the mean outcome of their value. The figure is 2 AUC - 1 of a class, R squared of a number: 0 is chance,
        1 without error. It fails above the limit (0.95). Texts are not judged: a text may well say it all.
    Why it matters
        Real columns seldom know that much. Mostly such a one is written down after the outcome, or because of it, and will be
        empty or different when the model is asked.
    Example that fails
        `rating` of a review foretells whether it was called good: the label was made from it.
    What to do
        Ask when the column is filled. If not before the question is asked, drop it (`[data] drop`).
    Reference
        Kaufman, Rosset, Perlich & Stitelman (2012), Leakage in data mining, ACM TKDD 6(4).
    """

    id = "too-good-column"

    def judge(self, view: View, limit: float) -> Sequence[Finding]:
        if (why := _too_few(view)) is not None:
            return [unjudged(self, limit, why)]
        found = []
        for name in view.inputs:
            if view.train.kinds[name] is Kind.TEXT:
                continue
            value = alone(view, view.sample_frame[name], view.train.kinds[name])
            if not np.isnan(value):
                of = "2 AUC - 1" if view.is_classification else "R squared"
                found.append(finding(self, name, value, limit, f"{of} of this column alone, on rows not learned from"))
        return failures_or_nearest(self, found, limit, "there is no column to judge")


class TargetCopy:
    """A column, or several together, that are the target in another guise: a sum, a product, a ratio, the time between two instants.

    What it does
        Classes: the share of the rows outside the most frequent class that follow from the column's value, where each value
        occurs at least twice and in five rows on average. Numbers: the absolute rank correlation of each column, and R squared of
        a linear sum of all numeric columns, and of a product of powers of all positive ones, on rows that it was not fitted to. Where no
        column fails, pairs are looked at: the rank correlation of the product and the ratio of two columns with a number, and of
        the time between two instants; of classes 2 AUC - 1 of that time. It fails above the limit (0.98).
    Why it matters
        A code for the outcome, its amount in another currency or its parts are the answer, not a hint to it.
    Example that fails
        `net + tax` is `gross`, which is to be predicted: R squared 1.000. So is `quantity x price`; and the days from
        `invoiced_at` to `paid_at` where late payment is to be foretold.
    What to do
        Drop the column, or one of the parts (`[data] drop`).
    Reference
        Goodman & Kruskal (1954), Measures of association, J. Am. Stat. Assoc. 49; Kaufman et al. (2012), ACM TKDD 6(4).
    """

    id = "target-copy"

    def judge(self, view: View, limit: float) -> Sequence[Finding]:
        if (why := _too_few(view)) is not None:
            return [unjudged(self, limit, why)]
        found = self._of_classes(view, limit) if view.is_classification else self._of_numbers(view, limit)
        if not any(one.failed for one in found):
            found += self._of_several(view, limit)
        return failures_or_nearest(self, found, limit, "there is no column with values that repeat")

    def _of_classes(self, view: View, limit: float) -> list[Finding]:
        found, y = [], view.sample_y
        usual = int(np.bincount(y).max())
        for name in view.inputs:
            values, code = coded(view.sample_frame[name])
            if view.train.kinds[name] is Kind.TEXT or len(values) * ROWS_PER_VALUE > len(y):
                continue
            width = len(view.classes)
            pairs, counts = np.unique((code + 1) * width + y, return_counts=True)
            most = np.zeros(len(values) + 1)
            np.maximum.at(most, pairs // width, np.where(counts > 1, counts, 0))
            share = float((most.sum() - usual) / (len(y) - usual)) if usual < len(y) else np.nan
            why = f"share of the rows outside the most frequent class that follow from its {len(values)} values"
            found.append(finding(self, name, share, limit, why))
        return found

    def _of_numbers(self, view: View, limit: float) -> list[Finding]:
        from scipy.stats import spearmanr

        found, y = [], view.sample_y
        names = view.of_kind(Kind.NUMERIC)
        for name in names:
            there = np.isfinite(view.sample_frame[name])
            x = view.sample_frame[name][there]
            if len(x) < LEAST_ROWS or x.min() == x.max() or y[there].min() == y[there].max():
                continue
            value = abs(float(spearmanr(x, y[there]).statistic))
            found.append(finding(self, name, value, limit, "absolute rank correlation with the target"))
        if len(names) >= 2:
            found.append(self._sum_of_columns(view, names, limit))
        return found

    def _of_several(self, view: View, limit: float) -> list[Finding]:
        """Products of columns, and what two of them make together; each may find what the other cannot (zeros, other summands)."""
        names = view.of_kind(Kind.NUMERIC)
        found = [] if view.is_classification else [powers_of_columns(view, names)]
        of = "2 AUC - 1" if view.is_classification else "absolute rank correlation with the target"
        if (pair := best_pair(view, names)) is not None:
            found.append((pair[0], f"{of} {pair[1]}"))
        judged = [finding(self, None, one[0], limit, one[1]) for one in found if one is not None]
        return sorted(judged, key=lambda one: -one.value)[:1]

    def _sum_of_columns(self, view: View, names: list[str], limit: float) -> Finding:
        from sklearn.linear_model import LinearRegression

        X = np.column_stack([_plain(view.sample_frame[name]) for name in names])
        value = strength(
            view.sample_y,
            out_of_fold(LinearRegression, X, view.sample_y, 0, view.folds()),
            0,
        )
        why = f"R squared of a linear sum of {len(names)} numeric columns"
        if value > limit:
            weights = LinearRegression().fit(X, view.sample_y).coef_ * X.std(axis=0)
            parts = [names[i] for i in np.argsort(-np.abs(weights)) if abs(weights[i]) > 0.01 * np.abs(weights).max()]
            why += f", by weight: {', '.join(parts[:5])}"
        return finding(self, None, value, limit, why)


class FilledByOutcome:
    """Whether a column is filled tells the outcome.

    What it does
        Predicts the target from nothing but whether a column has a value. The figure is 2 AUC - 1 of a class, R squared of a number.
        It fails above the limit (0.5). Columns are judged that are empty, and filled, in at least one row of 200.
    Why it matters
        A field that is filled once the outcome is known travels back in time: at the hour of the question it is always empty.
    Example that fails
        `date of cancellation` has a value in the rows of customers that left, and in no other.
    What to do
        Ask when the field is filled. If after the outcome, drop it (`[data] drop`).
    Reference
        Kaufman, Rosset, Perlich & Stitelman (2012), Leakage in data mining, ACM TKDD 6(4).
    """

    id = "filled-by-outcome"

    def judge(self, view: View, limit: float) -> Sequence[Finding]:
        if (why := _too_few(view)) is not None:
            return [unjudged(self, limit, why)]
        found = []
        for name in view.inputs:
            absent = view.sample_frame.missing(name)
            if not LEAST_SHARE <= absent.mean() <= 1 - LEAST_SHARE:
                continue
            k = len(view.classes) if view.is_classification else 0
            value = strength(
                view.sample_y,
                of_values(absent.astype(np.int64), view.sample_y, k, view.folds()),
                k,
            )
            why = f"from its being filled alone; it is missing in {absent.mean():.1%} of the training rows"
            found.append(finding(self, name, value, limit, why))
        return failures_or_nearest(self, found, limit, "no column is filled in some rows and missing in others")


def alone(view: View, column: np.ndarray, kind: Kind) -> float:
    """How well one column of the sampled rows foretells the target, out of fold: see `strength`."""
    from scipy.stats import rankdata

    y, k = view.sample_y, len(view.classes) if view.is_classification else 0
    if kind in (Kind.NUMERIC, Kind.DATETIME):
        absent = np.isnan(column) if kind is Kind.NUMERIC else column == np.iinfo(np.int64).min
        if absent.all():
            return float("nan")
        ranks = np.full(len(column), np.nan)
        ranks[~absent] = rankdata(column[~absent], method="dense")  # a tree asks for the order alone
        return strength(
            y,
            out_of_fold(lambda: _tree(view, len(y)), ranks[:, None], y, k, view.folds()),
            k,
        )
    _, codes = coded(column)
    return strength(y, of_values(codes + 1, y, k, view.folds()), k)


def _tree(view: View, rows: int) -> Any:
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    kind = DecisionTreeClassifier if view.is_classification else DecisionTreeRegressor
    return kind(max_depth=6, min_samples_leaf=max(5, rows // 500), random_state=view.seed)


def _plain(column: np.ndarray) -> np.ndarray:
    """A column in units of its largest number; missing and infinite numbers become the mean of the others."""
    there = np.isfinite(column)
    scaled = np.where(there, column, 0.0)
    scaled = scaled / (np.abs(scaled).max(initial=0.0) or 1.0)
    return np.where(there, scaled, scaled[there].mean() if there.any() else 0.0)


def _too_few(view: View) -> str | None:
    if len(view.sample_y) < LEAST_ROWS:
        return f"{len(view.sample_y)} training rows are too few"
    if len(np.unique(view.sample_y)) < 2:
        return "the target has one value"
    return None
