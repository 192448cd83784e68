"""`part-shift`"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.data.quality.check import Finding, finding, unjudged
from penstock.data.quality.models import auc, chance_limit, tell_apart
from penstock.data.quality.view import View

LEAST_ROWS = 50


class PartShift:
    """Validation or test rows that a classifier can tell from training rows.

    What it does
        Trains small boosted trees to say which part a row is of, judges them on rows that they have not seen, and reads the
        area under the curve: 0.5 where the parts are alike, 1 where no row is in doubt. Instants, and the column by which
        rows are dealt, are left out. It fails above the limit (0.6) where chance alone does not reach it (three standard
        errors). Test rows are compared inside the sealing step, which tells counts only.
    Why it matters
        A model is chosen on validation rows and examined on test rows; where these are of another sort than the training
        rows, its score says little about the rows it was made for.
    Example that fails
        Rows are dealt by time, and prices have doubled within the last tenth: the classifier reaches 0.93.
    What to do
        Look at the columns that are named. Where the world has moved, train on newer rows and keep the split by time, which
        is honest; where one part was collected differently, collect it again, or drop what betrays its origin.
    Reference
        Lopez-Paz & Oquab (2017), Revisiting classifier two-sample tests, ICLR.
    """

    id = "part-shift"

    def judge(self, view: View, limit: float) -> Sequence[Finding]:
        return [self._valid(view, limit), self._test(view, limit)]

    def _valid(self, view: View, limit: float) -> Finding:
        keep = comparable(view)
        rows, others = len(view.X_other), len(view.valid_sample)
        if min(rows, others) < LEAST_ROWS or not keep.any():
            return unjudged(self, limit, f"{rows} training and {others} validation rows are too few", "valid")
        X, X_valid = view.X_other[:, keep], view.X_valid[:, keep]
        value = tell_apart(X, X_valid, seed=view.seed)
        highest = max(limit, chance_limit(rows, others))
        names = _most_different(view, keep)
        why = f"area under the curve of a classifier that tells them from training rows; most different: {names}"
        return finding(self, "valid", value, highest, why)

    def _test(self, view: View, limit: float) -> Finding:
        counts = view.sealed
        if counts is None or not counts.pairs:
            return unjudged(self, limit, "there are too few sealed rows to count", "test")
        highest = max(limit, chance_limit(counts.train_rows, counts.test_rows))
        why = f"as for validation rows, from {counts.test_rows} sealed rows; which columns differ is not told"
        return finding(self, "test", counts.told_apart / counts.pairs, highest, why)


def comparable(view: View) -> np.ndarray:
    """Which columns of the encoded rows are compared: bool, shape (width,)."""
    keep: list[bool] = []
    for name, kind in view.encoder.columns:
        wanted = kind is not Kind.DATETIME and name != view.split.column
        keep += [wanted] * (view.encoder.width(name))
    return np.array(keep, dtype=bool)


def _most_different(view: View, keep: np.ndarray) -> str:
    """The three columns that tell the parts apart best by themselves."""
    names = [name for name, _ in view.encoder.columns for _ in range(view.encoder.width(name))]
    X = view.X_other
    which = np.r_[np.zeros(len(X), dtype=bool), np.ones(len(view.X_valid), dtype=bool)]
    found: dict[str, float] = {}
    for i in np.flatnonzero(keep):
        column = np.r_[X[:, i], view.X_valid[:, i]]
        area = auc(which, np.where(np.isnan(column), -np.inf, column))
        found[names[i]] = max(found.get(names[i], 0.0), abs(area - 0.5))
    best = sorted(found, key=lambda name: -found[name])[:3]
    return ", ".join(f"{name} ({0.5 + found[name]:.2f} alone)" for name in best)
