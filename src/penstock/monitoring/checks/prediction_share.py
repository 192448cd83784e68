"""`prediction-share`"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from penstock.monitoring.checks.check import CheckResult, figure, unjudged
from penstock.monitoring.significance import g_distance, g_limit, ks_limit
from penstock.monitoring.view import View

LEAST_DISTANCE = 0.05
LEAST_W = 0.1


class PredictionShare:
    """How often each answer is given.

    What it does
        Classes: the G test of the counts of answers against held-out rows, as an effect size w. Regression: the
        Kolmogorov-Smirnov distance of the predictions. Withheld answers count.
    Why it matters
        Either what is asked has changed, or what is true. Both touch whoever acts on the answers: an office that plans for
        11 % "yes" is not ready for 30 %.
    Example that fails
        "yes" was the answer to 11 % of held-out rows and is now that to 30 %.
    What to do
        If columns drifted, look at them first. If none did, suspect the way in: decoding, units, duplicates.
    Reference
        Sokal & Rohlf (2012), Biometry; Stephens (1970), J. R. Stat. Soc. B 32, 115.
    """

    id = "prediction-share"
    statistical = True

    def cases(self, view: View) -> Sequence[str | None]:
        return [None] if view.reference.heldout_rows else []

    def judge(self, view: View, column: str | None, alpha: float) -> CheckResult:
        known, now = view.reference, view.window.answered
        if now.value is not None and known.value is not None:
            value = known.value.distance(now.value)
            limit = max(LEAST_DISTANCE, ks_limit(alpha, known.value.rows, len(now)))
            why = f"mean prediction {figure(known.value.mean)} on held-out rows, {figure(now.value.mean())} now"
            return CheckResult(self.id, column, value, limit, bool(value > limit), why)
        if now.label is None or not known.labels:
            return unjudged(self, column, "no answers to compare")
        there = np.array(known.labels, dtype=np.float64)
        counts = np.bincount(now.label, minlength=len(there)).astype(np.float64)
        value, df = g_distance(there, counts)
        limit = max(LEAST_W, g_limit(alpha, int(there.sum()), int(counts.sum()), df))
        before, after = there / there.sum(), counts / counts.sum()
        most = int(np.argmax(np.abs(after - before)))
        name = view.class_names[most] if view.class_names else str(most)
        why = f"{name!r} is the answer to {after[most]:.1%} of the rows, {before[most]:.1%} of held-out ones"
        return CheckResult(self.id, column, value, limit, bool(value > limit), why)
