"""`label-errors`"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from penstock.data.quality.check import EXAMPLES, Finding, finding, unjudged
from penstock.data.quality.models import boosted, out_of_fold, tempered
from penstock.data.quality.view import View
from penstock.data.shares import wilson

LEAST_ROWS, LEAST_OF_CLASS = 200, 10
SUREST, NEAR = 0.95, 0.93  # quantile of a class's probability among its own rows; share of it that is as good as that
LEAST_SURE = 0.6
SURE = 1.645  # standard errors: 95 %, to one side
SURE_WRONG = 0.1  # probability of the given class below which a row is suspect anyway
LEAST_OFF = 0.01  # of the middle distance: nearer ones are as near
FAR = 5.0  # robust standard deviations, of a regression


class LabelErrors:
    """Rows whose label is probably wrong.

    What it does
        Predicts each training row by small boosted trees that did not see it, with calibrated probabilities. A row is suspect where the model gives
        its class less than 10 %, and another class more than it gives, on average, to rows of that class (confident learning); and where
        it is as sure of another class (within 7 %, and 60 % sure at least) as it is of the surest twentieth of that class's own rows: many
        wrong labels make a model less sure of all rows, so that a fixed probability would find none. Of a regression, rows are suspect
        that lie more than 5 robust standard deviations from their prediction, where the spread is that of rows with such inputs, foretold by
        a second model; positive numbers are taken as logarithms where these are less skewed. It fails where surely (95 %) more than the
        limit's share (3.5 %) of the rows are suspect. Rows of classes with fewer than 10 rows are not judged; at most 20,000 rows are, drawn by a
        seed. A suspect row may also be a rare but right one: look at it. Where classes overlap, few wrong labels cannot be told from rare
        right ones: a tenth to a fifth of wrong labels is found, a twentieth where classes are told apart well.
    Why it matters
        Wrong labels teach what is wrong, and, among the test rows, punish the model that is right.
    Example that fails
        In 15 % of the rows "cat" and "dog" are exchanged; most rows that are suspect are among those.
    What to do
        Look at the rows that are named, the surest first; correct them at the source, and ask how they came about.
    Reference
        Northcutt, Jiang & Chuang (2021), Confident learning, J. Artif. Intell. Res. 70; Wilson (1927), J. Am. Stat. Assoc. 22, on shares.
    """

    id = "label-errors"

    def judge(self, view: View, limit: float) -> Sequence[Finding]:
        y = view.sample_y
        if len(y) < LEAST_ROWS or not view.inputs:
            return [unjudged(self, limit, f"{len(y)} training rows are too few to learn from")]
        return [self._classes(view, y, limit) if view.is_classification else self._numbers(view, y, limit)]

    def _classes(self, view: View, y: np.ndarray, limit: float) -> Finding:
        k = len(view.classes)
        rows = np.bincount(y, minlength=k)
        judged = rows[y] >= LEAST_OF_CLASS
        if len(np.unique(y[judged])) < 2:
            return unjudged(self, limit, "fewer than two classes have ten rows")
        X, mine = view.X[judged], y[judged]
        chance = out_of_fold(lambda: boosted(classification=True, seed=view.seed), X, mine, k, view.folds(judged))
        chance = tempered(chance, mine)
        own = chance[np.arange(len(mine)), mine]
        surest = [np.quantile(chance[mine == c, c], SUREST) if rows[c] >= LEAST_OF_CLASS else 2.0 for c in range(k)]
        sure = np.maximum(NEAR * np.array(surest), LEAST_SURE)
        usual = np.array([chance[mine == c, c].mean() if rows[c] >= LEAST_OF_CLASS else 2.0 for c in range(k)])
        is_likely = (chance >= sure) | ((chance >= usual) & (own < SURE_WRONG)[:, None])
        others = np.where(is_likely & (np.arange(k) != mine[:, None]), chance, 0.0)
        suspect = np.flatnonzero(others.max(axis=1) > own)
        worst = suspect[np.argsort(own[suspect], kind="stable")]
        why = f"{len(suspect)} of {len(mine)} training rows"
        if len(worst):
            pairs = [(int(mine[i]), int(others[i].argmax())) for i in suspect]
            given, likely = max(sorted(set(pairs)), key=pairs.count)
            often = f"{view.classes[given]!r} that look like {view.classes[likely]!r}"
            why += f"; most often {often} ({pairs.count((given, likely))})"
        places = view.sample[np.flatnonzero(judged)[worst[:EXAMPLES]]]
        return finding(self, None, wilson(len(suspect), len(mine), SURE)[0], limit, why, rows=places)

    def _numbers(self, view: View, y: np.ndarray, limit: float) -> Finding:
        def foretold(of: np.ndarray) -> np.ndarray:
            make = partial(boosted, classification=False, seed=view.seed, robust=True)
            return out_of_fold(make, view.X, of, 0, view.folds())[:, 0]

        if y.min() > 0 and abs(_skewness(np.log(y))) < abs(_skewness(y)):
            y = np.log(y)
        off = np.abs(y - foretold(y))
        middle = float(np.median(off))
        if not middle:
            return unjudged(self, limit, "more than half of the rows are predicted exactly")
        usual = middle * np.exp(foretold(np.log(np.maximum(off, LEAST_OFF * middle) / middle)))  # with such inputs
        off = off / np.maximum(usual, LEAST_OFF * middle)
        suspect = np.flatnonzero(off > FAR * 1.4826 * float(np.median(off)))
        worst = suspect[np.argsort(-off[suspect], kind="stable")]
        why = f"{len(suspect)} of {len(y)} training rows lie further than {FAR:g} robust standard deviations from their prediction"
        return finding(
            self, None, wilson(len(suspect), len(y), SURE)[0], limit, why, rows=view.sample[worst[:EXAMPLES]]
        )


def _skewness(values: np.ndarray) -> float:
    off = values - values.mean()
    return float((off**3).mean() / max(float((off**2).mean()), 1e-300) ** 1.5)
