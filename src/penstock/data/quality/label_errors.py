"""`label-errors`"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from penstock.data.quality.check import EXAMPLES, Finding, finding, unjudged
from penstock.data.quality.models import boosted, out_of_fold, tempered
from penstock.data.quality.view import View

LEAST_ROWS, LEAST_OF_CLASS = 200, 10
SURE_WRONG = 0.1  # probability of the given class below which a row is suspect
FAR = 8.0  # robust standard deviations, of a regression


class LabelErrors:
    """Rows whose label is probably wrong.

    What it does
        Predicts each training row by small boosted trees that did not see it, with calibrated probabilities. A row is suspect where the model gives its
        class less than 10 %, and gives another class more than it gives, on average, to rows of that class (confident
        learning). Of a regression, rows are suspect that lie more than 8 robust standard deviations from their prediction.
        It fails where more than the limit's share (3 %) of the rows are suspect. Rows of classes with fewer than 10 rows are
        not judged; at most 20,000 rows are, drawn by a seed. A suspect row may also be a rare but right one: look at it.
    Why it matters
        Wrong labels teach what is wrong, and, among the test rows, punish the model that is right.
    Example that fails
        In 5 % of the rows "cat" and "dog" are exchanged; three in four of those are among the suspect ones.
    What to do
        Look at the rows that are named, the surest first; correct them at the source, and ask how they came about.
    Reference
        Northcutt, Jiang & Chuang (2021), Confident learning, J. Artif. Intell. Res. 70.
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
        chance = out_of_fold(lambda: boosted(classification=True, seed=view.seed), X, mine, k, seed=view.seed)
        chance = tempered(chance, mine)
        own = chance[np.arange(len(mine)), mine]
        usual = np.array([chance[mine == c, c].mean() if rows[c] >= LEAST_OF_CLASS else 2.0 for c in range(k)])
        others = np.where((chance >= usual) & (np.arange(k) != mine[:, None]), chance, 0.0)
        suspect = np.flatnonzero((others.max(axis=1) > 0) & (own < SURE_WRONG))
        worst = suspect[np.argsort(own[suspect], kind="stable")]
        why = f"{len(suspect)} of {len(mine)} training rows"
        if len(worst):
            pairs = [(int(mine[i]), int(others[i].argmax())) for i in suspect]
            given, likely = max(sorted(set(pairs)), key=pairs.count)
            often = f"{view.classes[given]!r} that look like {view.classes[likely]!r}"
            why += f"; most often {often} ({pairs.count((given, likely))})"
        places = view.sample[np.flatnonzero(judged)[worst[:EXAMPLES]]]
        return finding(self, None, len(suspect) / len(mine), limit, why, rows=places)

    def _numbers(self, view: View, y: np.ndarray, limit: float) -> Finding:
        answer = out_of_fold(lambda: boosted(classification=False, seed=view.seed), view.X, y, 0, seed=view.seed)
        off = np.abs(y - answer[:, 0])
        spread = 1.4826 * float(np.median(off))
        if not spread:
            return unjudged(self, limit, "more than half of the rows are predicted exactly")
        suspect = np.flatnonzero(off > FAR * spread)
        worst = suspect[np.argsort(-off[suspect], kind="stable")]
        why = f"{len(suspect)} of {len(y)} training rows lie further than {FAR:g} robust standard deviations from their prediction"
        return finding(self, None, len(suspect) / len(y), limit, why, rows=view.sample[worst[:EXAMPLES]])
