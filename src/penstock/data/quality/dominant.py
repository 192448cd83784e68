"""`dominant-column`"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.data.quality.check import Finding, failures_or_nearest, finding, unjudged
from penstock.data.quality.leakage import alone
from penstock.data.quality.models import boosted, out_of_fold, strength
from penstock.data.quality.view import View, some_rows

LEAST_ROWS = 200
MOST_ROWS = 6000  # that the models learn from: a difference that matters shows on them
CANDIDATES = 2  # columns, the strongest alone, without which a model is fitted
STRONG = 0.8  # of a model with all columns: a weak one gives nothing away
LEAST_ERROR = 0.02  # below this the ratio says nothing any more
SUSPECT = 0.5  # alone, of a column that may be one of several that hide each other
MOST_SUSPECTS = 12
MINORITY = (
    3  # at most one in so many inputs is a suspect: where most columns are strong, that is what the data are like
)


class DominantColumn:
    """A model is very good, and one column alone makes it so.

    What it does
        Fits small boosted trees to all inputs and to all but one, for the two columns that foretell the target best by themselves, and
        compares what is left to perfection on rows that were not learned from: 1 - (2 AUC - 1) of a class, 1 - R squared of a number. The
        figure is how many times as large it is without the column. It fails above the limit (3 times). Only models with at least 0.8 are
        judged, and only columns that foretell more by themselves than all others together. Texts are not left out. At most 6,000 rows are
        used, drawn by a seed. Several such columns hide each other: without one of them the others still tell. So where no column is
        judged, all that reach 0.5 by themselves are left out together, and each is added to the rest alone; the figure is how many times
        as large what is left to perfection is without it. This is done for at most 12 columns, and a third of the inputs.
    Why it matters
        That one of many columns carries a very good model is how a leak looks that is not perfect: it is written down during or after what
        is to be foretold. The rows cannot tell it from an honest column as strong; who knows when it is filled can.
    Example that fails
        `duration`, the length of a call, foretells with 2 AUC - 1 of 0.63 whether the client subscribes in that call. With it a model
        reaches 0.89, without it 0.58: four times as far from perfection. Before the call, when the model is asked, nobody knows it. Of a
        file on people who were released, `is_recid`, `event` and `end` each say nearly all of `two_year_recid`: each looks harmless beside
        the other two.
    What to do
        Ask when the column is filled. If not before the question is asked, drop it (`[data] drop`). If it is, raise the limit or turn the
        check off, and watch the column when serving: all depends on it.
    Reference
        Kaufman, Rosset, Perlich & Stitelman (2012), Leakage in data mining, ACM TKDD 6(4).
    """

    id = "dominant-column"

    def judge(self, view: View, limit: float) -> Sequence[Finding]:
        rows = some_rows(len(view.sample), view.seed, MOST_ROWS)
        y = view.sample_y[rows]
        names = [name for name in view.inputs if view.train.kinds[name] is not Kind.TEXT]
        if len(y) < LEAST_ROWS or len(names) < 2:
            return [unjudged(self, limit, "there are too few rows or columns")]
        if len(np.unique(y)) < 2:
            return [unjudged(self, limit, "the target has one value")]
        models = _Models(view, rows)
        if models.all_of_them < STRONG:
            why = f"a model with all columns reaches {models.all_of_them:.2f}, which is not too good to be true"
            return [unjudged(self, limit, why)]
        by_itself = {name: alone(view, view.sample_frame[name], view.train.kinds[name]) for name in names}
        best = sorted(names, key=lambda name: -np.nan_to_num(by_itself[name], nan=-1.0))
        found = self._one_by_one(models, best[:CANDIDATES], by_itself, limit)
        suspects = [name for name in best if by_itself[name] >= SUSPECT][:MOST_SUSPECTS]
        if not any(one.judged for one in found) and 1 < len(suspects) <= len(view.inputs) // MINORITY:
            found = self._together(models, suspects, by_itself, limit) or found
        return failures_or_nearest(self, found, limit, "there are no columns")

    def _one_by_one(
        self, models: _Models, names: Sequence[str], by_itself: dict[str, float], limit: float
    ) -> list[Finding]:
        """Each column against all others."""
        found = []
        for name in names:
            without = models.without(name)
            if by_itself[name] <= without:
                why = f"all columns but {name} reach {without:.2f}, more than the {by_itself[name]:.2f} of it alone"
                found.append(unjudged(self, limit, why))
                continue
            why = (
                f"{models.figure} is {models.all_of_them:.2f} with all columns, {without:.2f} without it, and {by_itself[name]:.2f} "
                "with it alone"
            )
            found.append(finding(self, name, times(without, models.all_of_them), limit, why))
        return found

    def _together(
        self, models: _Models, suspects: Sequence[str], by_itself: dict[str, float], limit: float
    ) -> list[Finding]:
        """Each suspect beside the columns that are none; [] where these are as good without."""
        rest = models.without(*suspects)
        if rest >= STRONG:
            return []
        found = []
        for name in suspects:
            reached = models.without(*(other for other in suspects if other != name))
            if reached < STRONG:
                continue
            why = (
                f"{models.figure} is {rest:.2f} without the {len(suspects)} columns that foretell most alone, "
                f"{reached:.2f} with this one of them, and {by_itself[name]:.2f} with it alone"
            )
            found.append(finding(self, name, times(rest, reached), limit, why))
        return found


class _Models:
    """Small models of some of the columns, on rows of the sample."""

    def __init__(self, view: View, rows: np.ndarray) -> None:
        self._view, self._X, self._y = view, view.X[rows], view.sample_y[rows]
        self._fold = view.folds(rows)
        self._k = len(view.classes) if view.is_classification else 0
        self._owner = np.array([name for name, _ in view.encoder.columns for _ in range(view.encoder.width(name))])
        self.figure = "2 AUC - 1" if self._k else "R squared"
        self.all_of_them = self.without()

    def without(self, *names: str) -> float:
        """What a model of all other columns reaches, out of fold: see `strength`."""
        keep, seed = ~np.isin(self._owner, names), self._view.seed
        if not keep.any():
            return 0.0
        answer = out_of_fold(
            lambda: boosted(classification=bool(self._k), seed=seed),
            self._X[:, keep],
            self._y,
            self._k,
            self._fold,
        )
        return strength(self._y, answer, self._k)


def times(without: float, with_it: float) -> float:
    """How many times as far from perfection a model is without something."""
    return (1 - without) / max(1 - with_it, LEAST_ERROR)
