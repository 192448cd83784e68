"""Scores of the order into which probabilities bring the rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from penstock.evaluation.scorers import Floats, Scorer, ratio


class _Ranking:
    """Rows in the order of falling scores, and the ends of the runs of equal scores."""

    def __init__(self, positive: npt.NDArray[np.bool_], scores: Floats) -> None:
        self.order = np.argsort(-scores, kind="stable")
        ranked = scores[self.order]
        self.ends = np.r_[np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1]
        self.positive = positive[self.order].astype(np.float64)

    def counts(self, w: Floats) -> tuple[Floats, Floats]:
        """Weights of the rows, and of the positive ones, at or above each distinct score: (n_batches, n_distinct)."""
        w = w[:, self.order]
        positives = np.cumsum(w * self.positive, axis=1)
        rows = np.cumsum(w, axis=1)
        if len(self.ends) == w.shape[1]:
            return rows, positives
        return rows[:, self.ends], positives[:, self.ends]


def auc(positive: npt.NDArray[np.bool_], scores: Floats) -> Scorer:
    """Area under the ROC curve by trapezoids (ties count one half). Fawcett (2006), Pattern Recogn. Lett. 27, 861."""
    ranking = _Ranking(positive, scores)

    def score(w: Floats) -> Floats:
        rows, tp = ranking.counts(w)
        fp = rows - tp
        area = fp[:, 0] * tp[:, 0] / 2
        area += ((fp[:, 1:] - fp[:, :-1]) * (tp[:, 1:] + tp[:, :-1])).sum(axis=1) / 2
        return ratio(area, tp[:, -1] * fp[:, -1], np.nan)

    return score


def average_precision(positive: npt.NDArray[np.bool_], scores: Floats) -> Scorer:
    """Sum of precision times gain in recall; no interpolation."""
    ranking = _Ranking(positive, scores)

    def score(w: Floats) -> Floats:
        rows, tp = ranking.counts(w)
        precision = ratio(tp, rows, 0.0)
        gains = np.diff(tp, axis=1, prepend=0.0)
        return ratio((gains * precision).sum(axis=1), tp[:, -1], np.nan)

    return score


def one_against_rest(
    score_of: Callable[[npt.NDArray[np.bool_], Floats], Scorer],
) -> Callable[[npt.NDArray[np.generic], Floats], Scorer]:
    """Binary: the positive class. More: the mean over the classes for which a score exists (macro)."""

    def scorer(y: npt.NDArray[np.generic], p: Floats) -> Scorer:
        if p.shape[1] == 2:
            return score_of(y == 1, p[:, 1])
        parts = [score_of(y == k, p[:, k]) for k in range(p.shape[1])]

        def score(w: Floats) -> Floats:
            scores = np.stack([part(w) for part in parts])
            defined = ~np.isnan(scores)
            return ratio(np.where(defined, scores, 0.0).sum(axis=0), defined.sum(axis=0).astype(np.float64), np.nan)

        return score

    return scorer
