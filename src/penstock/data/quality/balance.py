"""`class-imbalance` and `rare-classes`"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from penstock.data.quality.check import Finding, failures_or_nearest, finding, unjudged
from penstock.data.quality.view import View


class ClassImbalance:
    """The rarest class is far rarer than the most frequent.

    What it does
        Divides the training rows of the rarest class by those of the most frequent. It fails below the limit (0.1: one to
        ten).
    Why it matters
        A model that never names the rare class looks good by accuracy; what is said of the rare class rests on few rows.
    Example that fails
        One row in 100 is a fraud. Accuracy is 99 % for a model that finds none.
    What to do
        Judge by average precision or recall instead of accuracy, weigh the classes or move the threshold, and collect rows
        of the rare class. Where the rarity is as in life, that is no fault: lower the limit.
    Reference
        He & Garcia (2009), Learning from imbalanced data, IEEE TKDE 21(9).
    """

    id = "class-imbalance"

    def judge(self, view: View, limit: float) -> Sequence[Finding]:
        if not view.is_classification or not len(view.all_y):
            return [unjudged(self, limit, "the target is a number")]
        rows = np.bincount(view.all_y, minlength=len(view.classes))
        low, high = int(rows.argmin()), int(rows.argmax())
        why = f"{rows[low]} training rows of {view.classes[low]!r}, {rows[high]} of {view.classes[high]!r}"
        return [finding(self, None, rows[low] / rows[high], limit, why, below=True)]


class RareClasses:
    """A class with very few training rows.

    What it does
        Counts the training rows of each class. It fails below the limit (20 rows).
    Why it matters
        A handful of rows cannot show what a class looks like; its figures in the report move by tenths with each row.
    Example that fails
        Of 23 kinds of network traffic, six have fewer than ten rows.
    What to do
        Collect more, gather rare classes into one, or leave them out of the question.
    Reference
        Weiss (2004), Mining with rarity, SIGKDD Explorations 6(1).
    """

    id = "rare-classes"

    def judge(self, view: View, limit: float) -> Sequence[Finding]:
        if not view.is_classification:
            return [unjudged(self, limit, "the target is a number")]
        rows = np.bincount(view.all_y, minlength=len(view.classes))
        found = [
            finding(self, name, float(count), limit, f"{count} training rows", below=True)
            for name, count in zip(view.classes, rows.tolist(), strict=True)
        ]
        return failures_or_nearest(self, found, limit, "there are no classes", below=True)
