"""What is to be learnt: recipe, training and validation rows, task, metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from penstock.bundle.frame import Frame
from penstock.bundle.kinds import Task
from penstock.bundle.specs import ColumnSpec
from penstock.data.folds import Folds, assign_folds
from penstock.features.recipe import Recipe
from penstock.learning.decide import choose_threshold

SMALL_ROWS = 5_000
"""Training rows below which a candidate is also scored on folds of them: the validation rows alone are too few to choose by."""
FOLDS, FOLDS_OF_MANY, MANY_ROWS = 5, 3, 50_000


@dataclass(frozen=True)
class SearchProblem:
    """One learning problem. Test rows have no place in it.

    Attributes
    ----------
    specs : the columns that the recipe may use.
    frame, y : training rows: int64 class numbers, or float64 in the target's own unit.
    valid_frame, valid_y : validation rows, which choose between candidates.
    n_classes : 0 for regression.
    metric : what is optimised; a name of `penstock.evaluation.metrics`.
    learners : names of those allowed; None for all that are registered and suit the problem.
    groups : of the training rows, where rows of one group must share a fold.
    times : of the training rows, sortable, where folds are to follow each other in time. gap : in their unit, what has to
        lie between what is fitted on and what is predicted.
    imbalance : what is done about classes of unequal size; a name of `penstock.learning.imbalance.METHODS`, ``"search"`` for
        the best of them, or None: what the learners do of themselves.
    costs : of a false positive and of a false negative, where they decide of the threshold; None where the metric does.
    """

    recipe: Recipe
    specs: Sequence[ColumnSpec]
    frame: Frame
    y: np.ndarray
    valid_frame: Frame
    valid_y: np.ndarray
    task: Task
    n_classes: int
    metric: str
    learners: Sequence[str] | None = None
    groups: np.ndarray | None = None
    times: np.ndarray | None = None
    gap: float = 0.0
    imbalance: str | None = None
    costs: tuple[float, float] | None = None

    @cached_property
    def n_folds(self) -> int:
        if self.times is not None:
            most = max(1, len(np.unique(self.times)) - 1)  # the oldest rows are predicted by none
        else:
            most = len(self.y) if self.groups is None else len(np.unique(self.groups))
        return min(FOLDS if len(self.y) <= MANY_ROWS else FOLDS_OF_MANY, most)

    def folds(self, seed: int) -> Folds:
        """Those of the training rows; one where there are no two groups, or times."""
        return assign_folds(self.y, self.task, max(self.n_folds, 1), seed, self.groups, self.times, self.gap)

    def fingerprint(self, seed: int) -> str:
        """Of the folds, and of the rule by which steps of the recipe hold rows back within them: no trial of another rule is like one of these."""
        rule = "" if self.groups is None and self.times is None else "-tied"
        return self.folds(seed).fingerprint + rule

    @property
    def scores_folds(self) -> bool:
        """Whether candidates are scored on folds of the training rows beside the validation rows."""
        from penstock.evaluation.metrics import get_metric

        metric = get_metric(self.metric, self.task)
        undefined = metric.why_undefined(self.valid_y, max(self.n_classes, 2)) is not None
        enough = self.n_folds > 1 and len(self.y) >= 2 * self.n_folds
        return enough and (len(self.y) < SMALL_ROWS or undefined)

    def score(self, y: np.ndarray, prediction: np.ndarray) -> float | None:
        """The metric of probabilities (n, K), or of values (n, 1) in the target's unit; None where it is undefined.

        A metric of labels is taken at the best threshold for these rows, the same for all candidates: which threshold a
        model will use is settled later, on out-of-fold predictions.
        """
        from penstock.evaluation.metrics import get_metric

        threshold = choose_threshold(prediction[:, 1], y, self.metric) if self.task is Task.BINARY else None
        told = prediction if self.task.is_classification else prediction[:, 0]
        value = get_metric(self.metric, self.task).score(y, told, threshold=threshold)
        return float(value) if np.isfinite(value) else None
