"""`drift`"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.monitoring.checks.check import CheckResult, figure, unjudged
from penstock.monitoring.reference import ColumnReference
from penstock.monitoring.significance import g_distance, g_limit, ks_limit
from penstock.monitoring.view import View

LEAST_DISTANCE = 0.05  # Kolmogorov-Smirnov: five rows in a hundred lie elsewhere
LEAST_W = 0.1  # Cohen's "small"


class Drift:
    """The distribution of a column is not that of the training rows.

    What it does
        Numbers: the Kolmogorov-Smirnov distance, from 0 (the same) to 1 (nothing in common). Categories, and numbers with
        at most 20 distinct values: the G test of their counts, as an effect size w where 0.1 is small and 0.5 large
        (of categories against held-out rows, in which rare values are as rare as ever). Texts: the distance of their
        lengths in words. Missing values are left to `missing-share`. Instants are not compared: time
        goes on by itself. Only differences beyond chance that are also large enough to matter (distance 0.05, w 0.1) alarm.
    Why it matters
        A model is as good as its report says on rows like those it was judged on.
    Example that fails
        `age` was 41 on average and is 47 in the window, because a campaign is aimed at pensioners.
    What to do
        Look at the plot, and at the slices of the report: is the model good on such rows? Collect labels, then retrain.
        Where the input moved but live quality holds, nothing has to be done.
    Reference
        Stephens (1970), J. R. Stat. Soc. B 32, 115; Sokal & Rohlf (2012), Biometry; Cohen (1988), Statistical Power Analysis.
    """

    id = "drift"
    statistical = True

    def cases(self, view: View) -> Sequence[str | None]:
        return [name for name, column in view.columns.items() if column.kind is not Kind.DATETIME]

    def judge(self, view: View, column: str | None, alpha: float) -> CheckResult:
        assert column is not None
        known = view.columns[column]
        if len(view.values(column)) == 0 or known.rows == known.missing:
            return unjudged(self, column, "no values to compare")
        if known.sketch is None or (known.has_few_values and known.kind is Kind.NUMERIC):
            return self._by_value(view, column, alpha)
        return self._by_distance(view, column, known, alpha)

    def _by_value(self, view: View, column: str, alpha: float) -> CheckResult:
        names, there, now = view.counts(column)
        value, df = g_distance(there, now)
        limit = max(LEAST_W, g_limit(alpha, int(there.sum()), int(now.sum()), df))
        before, after = there / there.sum(), now / now.sum()
        most = int(np.argmax(np.abs(after - before)))
        why = f"most changed: {names[most]!r}, {before[most]:.1%} before, {after[most]:.1%} now"
        return CheckResult(self.id, column, value, limit, bool(value > limit), why)

    def _by_distance(self, view: View, column: str, known: ColumnReference, alpha: float) -> CheckResult:
        assert known.sketch is not None
        sketch, numbers = known.sketch, view.numbers(column)
        value = sketch.distance(numbers)
        limit = max(LEAST_DISTANCE, ks_limit(alpha, sketch.rows, len(numbers)))
        mean = float(numbers.mean())
        moved = f" ({(mean - sketch.mean) / sketch.std:+.2f} standard deviations)" if sketch.std else ""
        of = "mean number of words" if known.kind is Kind.TEXT else "mean"
        why = f"{of} {figure(sketch.mean)} in training, {figure(mean)} now{moved}"
        return CheckResult(self.id, column, value, limit, bool(value > limit), why)
