"""`enough-rows`"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from penstock.data.quality.check import Finding, finding, unjudged
from penstock.data.quality.models import FOLDS, answers, boosted, influences
from penstock.data.quality.view import View

LEAST_ROWS = 200
PARTS = (8, 4, 2, 1)  # of the rows outside of a fold, one in so many is learned from
REPEATS = 2  # different rows of a part
DRAWS = 500
TAIL = 0.025  # of the draws lie on either side of the interval that is told
SLOPES = np.arange(
    0.05, 1.01, 0.1
)  # exponents of learning curves; near 0 each doubling brings nearly as much as the one before
NOTHING = 2.0  # standard errors above chance, below which nothing was learned yet


class EnoughRows:
    """Twice as many rows would improve a model by more than the limit.

    What it does
        Fits small boosted trees to an eighth, a quarter, half and all of the training rows outside of each of three folds (of at
        most 20,000 rows, drawn by a seed) and scores them on the fold: 2 AUC - 1 of a class, R squared of a number. A power law is
        fitted to the four scores and carried on to twice all training rows. How far chance moves the scores is known from the rows
        that they are made of and from repetitions with other rows; the law is fitted anew to 500 such draws. It
        fails where 39 in 40 of them gain more than the limit (0.01). Where 39 in 40 gain less, the rows are enough. Else it cannot
        tell, and says between which figures 19 in 20 of the gains lie; so it does where the model is no better than chance yet. The
        figures are those of curves that follow a power law. A curve that is flat at first and climbs later does not, as that of a single
        column with much noise: of 20 such tables of 1,200 rows 7 intervals held the true gain, and the check said that it cannot tell.
    Why it matters
        It is the cheapest forecast of what more rows are worth, before anybody collects them or tunes for a week.
    Example that fails
        0.41, 0.52, 0.60, 0.66 of 100 to 800 rows: 800 more would bring about 0.05 (0.02 to 0.07).
    What to do
        Collect or label more rows, or use unlabelled ones. Where the rows are enough, look for better columns instead. Where it
        cannot tell, more rows would tell it, too.
    Reference
        Perlich, Provost & Simonoff (2003), Tree induction vs. logistic regression: a learning-curve analysis, JMLR 4; Viering & Loog
        (2023), The shape of learning curves, IEEE TPAMI 45(6).
    """

    id = "enough-rows"

    def judge(self, view: View, limit: float) -> Sequence[Finding]:
        n, y = len(view.sample), view.sample_y
        if n < LEAST_ROWS or not view.X.shape[1]:
            return [unjudged(self, limit, f"{n} training rows are too few for a curve")]
        if len(np.unique(y)) < 2:
            return [unjudged(self, limit, "the target has one value")]
        curve = measured(view)
        points = ", ".join(f"{score:.3f} of {size}" for size, score in zip(curve.rows, curve.score, strict=True))
        if curve.score[-1] < NOTHING * curve.error:
            why = f"cannot tell: nothing was learned yet ({points} rows); more rows may change that, or better columns"
            return [unjudged(self, limit, why)]
        rows = len(view.all_y)
        gains = curve.gains(rows, seed=view.seed)
        low, gain, high = (float(q) for q in np.quantile(gains, [TAIL, 0.5, 1 - TAIL]))
        told = f"{rows} more rows would bring about {gain:.3f} ({low:.3f} to {high:.3f}): {points} rows"
        if low <= limit <= high:
            return [unjudged(self, limit, f"cannot tell: {told}")]
        return [finding(self, None, gain, limit, told)]


@dataclass(frozen=True)
class Curve:
    """Scores by the number of rows that were learned from.

    Attributes
    ----------
    rows : numbers of rows, ascending, shape (m,). score : 0 is chance, 1 without error, shape (m,).
    spread : how chance moves the scores together, shape (m, m), a covariance.
    """

    rows: np.ndarray
    score: np.ndarray
    spread: np.ndarray

    @property
    def error(self) -> float:
        """Standard error of the last score."""
        return float(np.sqrt(self.spread[-1, -1]))

    def gains(self, rows: int, *, seed: int = 0) -> np.ndarray:
        """What twice so many rows would bring, in `DRAWS` curves that chance might have shown instead: shape (DRAWS,)."""
        drawn = np.random.default_rng(seed).multivariate_normal(self.score, self.spread, DRAWS)
        sure = 1 / np.sqrt(np.maximum(np.diag(self.spread), 1e-12))  # scores of few rows say less of the law
        least, gain = np.full(DRAWS, np.inf), np.zeros(DRAWS)
        for slope in SLOPES:
            law = np.column_stack([np.ones(len(self.rows)), -(self.rows.astype(np.float64) ** -slope)])
            # (2, DRAWS): where it ends, and how far it is below at first
            weights = np.linalg.lstsq(law * sure[:, None], (drawn * sure).T, rcond=None)[0]
            off = (((law @ weights - drawn.T) * sure[:, None]) ** 2).sum(axis=0)
            better = off < least
            least[better] = off[better]
            gain[better] = weights[1, better] * (float(rows) ** -slope - (2.0 * rows) ** -slope)
        return gain


def measured(view: View) -> Curve:
    """The curve of small boosted trees on the sampled training rows of a view."""
    X, y, k = view.X, view.sample_y, len(view.classes) if view.is_classification else 0
    fold = view.folds()
    dice = np.random.default_rng(view.seed)
    scores = np.zeros((len(PARTS), REPEATS))
    moved = np.zeros((len(PARTS), len(y)))  # what each row adds to the score
    inside = [dice.permutation(np.flatnonzero(fold != f)) for f in range(FOLDS)]
    for p, part in enumerate(PARTS):
        repeats = 1 if part == 1 else REPEATS
        for r in range(repeats):
            answer = np.zeros((len(y), max(1, k)))
            for f, of_fold in enumerate(inside):
                size = len(of_fold) // part
                rows = of_fold[r * size : (r + 1) * size]
                if len(np.unique(y[rows])) < 2:
                    answer[fold == f] = np.eye(k)[y[rows][0]] if k and len(rows) else 0.0
                    continue
                model = boosted(classification=bool(k), seed=view.seed).fit(X[rows], y[rows])
                answer[fold == f] = answers(model, X[fold == f], k)
            value, by_row = influences(y, answer, k)
            scores[p, r] = value
            moved[p] += by_row / repeats
        scores[p, repeats:] = scores[p, 0]
    by_rows = moved @ moved.T / len(y) ** 2
    repeated = scores[:-1].var(axis=1, ddof=1)
    of_rows = np.append(
        repeated / REPEATS, repeated[-1] / 2
    )  # all rows can be drawn in one way only: half of what half of them show
    sizes = np.array([len(inside[0]) // part for part in PARTS])
    return Curve(sizes, scores.mean(axis=1), by_rows + np.diag(of_rows))
