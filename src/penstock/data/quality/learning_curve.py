"""`enough-rows`"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from penstock.data.quality.check import Finding, finding, unjudged
from penstock.data.quality.models import answers, boosted, strength
from penstock.data.quality.view import SAMPLE_ROWS, View

LEAST_ROWS, LEAST_VALID = 200, 50
REPEATS = 4


class EnoughRows:
    """More rows would still improve a model.

    What it does
        Fits small boosted trees to an eighth, a quarter, half and all of the training rows (of at most 20,000, drawn by a seed),
        the smaller parts four times each, and scores them on validation rows: 2 AUC - 1 of a class, R squared of a number. It
        fails where the last doubling gained more than the limit (0.01) and more than two standard errors of its repeats.
    Why it matters
        It is the cheapest forecast of what more rows are worth, before anybody collects them or tunes for a week.
    Example that fails
        0.41, 0.52, 0.60, 0.66: the curve has not bent yet.
    What to do
        Collect or label more rows, or use unlabelled ones. Where the curve is flat, look for better columns instead.
    Reference
        Perlich, Provost & Simonoff (2003), Tree induction vs. logistic regression: a learning-curve analysis, JMLR 4.
    """

    id = "enough-rows"

    def judge(self, view: View, limit: float) -> Sequence[Finding]:
        n, y_valid = len(view.sample), view.valid_y
        if n < LEAST_ROWS or len(y_valid) < LEAST_VALID or not view.X.shape[1]:
            return [unjudged(self, limit, f"{n} training and {len(y_valid)} validation rows are too few for a curve")]
        if len(np.unique(view.sample_y)) < 2 or len(np.unique(y_valid)) < 2:
            return [unjudged(self, limit, "the target has one value")]
        curve, error = self._curve(view, y_valid)
        points = ", ".join(f"{score:.3f} of {rows}" for rows, score in curve)
        more = f"; of {view.train.n_rows} training rows {n} are used" if view.train.n_rows > SAMPLE_ROWS else ""
        gain = curve[-1][1] - curve[-2][1]
        why = f"gain of the last doubling (± {error:.3f}): {points} rows{more}"
        return [finding(self, None, gain, max(limit, 2 * error), why)]

    def _curve(self, view: View, y_valid: np.ndarray) -> tuple[list[tuple[int, float]], float]:
        """(rows, mean score) of each size, and the standard error of the last but one."""
        n, k = len(view.sample), len(view.classes) if view.is_classification else 0
        dice = np.random.default_rng(view.seed)
        curve, error = [], 0.0
        for part in (8, 4, 2, 1):
            scores = []
            for _ in range(1 if part == 1 else REPEATS):
                rows = dice.permutation(n)[: n // part]
                if len(np.unique(view.sample_y[rows])) < 2:
                    continue
                model = boosted(classification=bool(k), seed=view.seed).fit(view.X[rows], view.sample_y[rows])
                scores.append(strength(y_valid, answers(model, view.X_valid, k), k))
            curve.append((n // part, float(np.mean(scores)) if scores else 0.0))
            if part == 2 and len(scores) > 1:
                error = float(np.std(scores, ddof=1) / np.sqrt(len(scores)))
        return curve, error
