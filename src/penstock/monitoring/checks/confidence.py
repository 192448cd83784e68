"""`confidence`"""

from __future__ import annotations

from collections.abc import Sequence

from penstock.monitoring.answered import confidence_of
from penstock.monitoring.checks.check import CheckResult, unjudged
from penstock.monitoring.significance import ks_limit
from penstock.monitoring.view import View

LEAST = 0.05


class Confidence:
    """How sure the model is of its answers.

    What it does
        Compares the distribution of the top probability with that on held-out rows (Kolmogorov-Smirnov distance).
    Why it matters
        Long before labels come back, a classifier that is less sure than it was is the best sign that it is less often
        right; one that is surer has met rows far from its boundary.
    Example that fails
        The mean top probability was 0.89 on held-out rows and is 0.71 in the window.
    What to do
        Look at the drifted columns and the least sure rows; label some of them.
    Reference
        Stephens (1970), J. R. Stat. Soc. B 32, 115; Garg et al. (2022), ICLR, on confidence and accuracy under shift.
    """

    id = "confidence"
    statistical = True

    def cases(self, view: View) -> Sequence[str | None]:
        return [] if view.reference.confidence is None else [None]

    def judge(self, view: View, column: str | None, alpha: float) -> CheckResult:
        sketch, now = view.reference.confidence, confidence_of(view.window.answered)
        if sketch is None or now is None or sketch.rows == 0:
            return unjudged(self, column, "no answers to compare")
        value = sketch.distance(now)
        limit = max(LEAST, ks_limit(alpha, sketch.rows, len(now)))
        why = f"mean confidence {sketch.mean:.3f} on held-out rows, {now.mean():.3f} now"
        return CheckResult(self.id, column, value, limit, bool(value > limit), why)
