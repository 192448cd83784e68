"""`standing-still`"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from penstock.bundle.kinds import INPUT_KINDS
from penstock.data.quality.check import Finding, failures_or_nearest, finding, unjudged
from penstock.data.quality.encoding import coded
from penstock.data.quality.orders import orders_of
from penstock.data.quality.view import View

LEAST_ROWS = 200
LEAST_CHANGES = 30.0  # that the stretch would have seen at the pace of the other rows: by chance alone e^-30
OFTEN = 0.05  # of the other rows differ from the one before: a column that seldom changes stands still by nature
SORTED = 0.1  # of the changes of class that chance would bring: below, rows lie sorted by their class
ONE_CLASS = 0.95  # of a stretch, for the sorting to explain it
NAMED = 5  # columns that one finding lists


class StandingStill:
    """A column that says one thing, or nothing, over a long stretch of rows, and changes all the time in the others.

    What it does
        Puts the training rows in the order of time (the column by which rows are dealt, and the first three of instants) and in
        that of the source, and takes the longest stretch in which a column does not change, missing being a value as any other. The
        figure is its share of the rows. It fails above the limit (10 %), where at least one in 20 of the other rows differs from the
        one before it, so that chance does not explain the stretch. Where rows lie sorted by their class, columns stand still because
        the class does: then there is one finding, on the order of the rows, for all such columns together.
    Why it matters
        A sensor that hung, a field that was only filled from some day on, a default that stood for "not measured yet": what a model
        learns from such rows is not what the column means in the others.
    Example that fails
        `transfer` says 0.414912 in the first 17,400 half hours and moves with each of the 28,000 after them.
    What to do
        Find out when the column began to be measured. Declare what stood there as missing (`[data] missing`), train on the rows since
        then, or drop the column. Rows that lie sorted by class are dealt at random, which mends it; ask why they lie so.
    Reference
        Gama et al. (2014), A survey on concept drift adaptation, ACM Computing Surveys 46(4); the example is Harries (1999), Splice-2.
    """

    id = "standing-still"

    def judge(self, view: View, limit: float) -> Sequence[Finding]:
        if view.train.n_rows < LEAST_ROWS:
            return [unjudged(self, limit, f"{view.train.n_rows} training rows are too few")]
        orders = [(order, by) for order, by in orders_of(view) if len(order) >= LEAST_ROWS]
        found, sorted_by = [], [self._is_sorted(view, order) for order, _ in orders]
        explained: dict[int, list[Finding]] = {}
        for name, kind in view.train.kinds.items():
            if kind not in INPUT_KINDS:
                continue
            values, codes = coded(view.train[name])
            best = max(((*_stretch(codes[order]), i) for i, (order, _) in enumerate(orders)), default=(0, 0, 0))
            rows, start, i = best
            if not rows:
                continue
            order, by = orders[i]
            code = codes[order[start]]
            told = "has no value" if code < 0 else f"is {str(values[code])[:40]!r}"
            why = f"it {told} in {rows} rows from row {start} on of {len(order)}, by {by}, and changes all the time in the others"
            one = finding(self, name, rows / len(order), limit, why, rows=order[start : start + 1])
            if one.failed and sorted_by[i] and _share_of_one(view.y[order[start : start + rows]]) >= ONE_CLASS:
                explained.setdefault(i, []).append(one)
            else:
                found.append(one)
        found += [self._of_the_order(ones, orders[i][1], limit) for i, ones in explained.items()]
        return failures_or_nearest(self, found, limit, "no column stands still and changes")

    def _is_sorted(self, view: View, order: np.ndarray) -> bool:
        """Whether the class changes far less often along the rows than chance would have it."""
        if not view.is_classification:
            return False
        y = view.y[order]
        by_chance = 1 - float(((np.bincount(y) / len(y)) ** 2).sum())
        return float((y[1:] != y[:-1]).mean()) < SORTED * by_chance

    def _of_the_order(self, ones: Sequence[Finding], by: str, limit: float) -> Finding:
        """One finding for columns that stand still because the rows lie sorted by class."""
        longest = max(ones, key=lambda one: one.value)
        names = [str(one.about) for one in sorted(ones, key=lambda one: -one.value)]
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        why = (
            f"the rows lie sorted by class, by {by}: within one class {len(names)} column{'s' * (len(names) > 1)} stand{'s' * (len(names) == 1)} "
            f"still ({', '.join(names[:NAMED])}{more})"
        )
        return finding(self, None, longest.value, limit, why, rows=longest.rows)


def _share_of_one(y: np.ndarray) -> float:
    """The share of the most frequent class."""
    return float(np.bincount(y).max() / len(y))


def _stretch(codes: np.ndarray) -> tuple[int, int]:
    """Rows of the longest stretch without a change, and where it begins; 0 rows where the others do not change enough."""
    n = len(codes)
    edges = np.r_[0, np.flatnonzero(codes[1:] != codes[:-1]) + 1, n]
    lengths = np.diff(edges)
    at = int(lengths.argmax())
    rows, others = int(lengths[at]), n - int(lengths[at])
    pace = (len(lengths) - 1) / others if others else 0.0
    return (rows, int(edges[at])) if pace >= OFTEN and pace * rows >= LEAST_CHANGES else (0, 0)
