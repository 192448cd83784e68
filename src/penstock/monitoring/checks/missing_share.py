"""`missing-share`"""

from __future__ import annotations

from collections.abc import Sequence

from penstock.monitoring.checks.check import CheckResult
from penstock.monitoring.significance import share_limit
from penstock.monitoring.view import View

LEAST = 0.02  # a change of the share that is worth a person's time


class MissingShare:
    """Share of rows in which a column has no value.

    What it does
        Compares the share of missing values with that of the training rows, in both directions.
    Why it matters
        A field that an upstream system stops sending is filled as in training, so answers keep coming, but worse ones. A
        field that is suddenly always there is often a new default value.
    Example that fails
        `income` was missing in 3 % of the training rows and is missing in 41 % of the window.
    What to do
        Ask the sender of the rows what changed. If the field is gone for good, take it out of the recipe and retrain.
    Reference
        Fisher's exact test; Breck et al. (2019), Data Validation for Machine Learning, MLSys.
    """

    id = "missing-share"
    statistical = True

    def cases(self, view: View) -> Sequence[str | None]:
        return list(view.columns)

    def judge(self, view: View, column: str | None, alpha: float) -> CheckResult:
        assert column is not None
        known, n = view.columns[column], view.rows
        there = known.missing / known.rows if known.rows else 0.0
        value = 1 - len(view.values(column)) / n
        fewest = min(there - LEAST, 1 - share_limit(alpha / 2, known.rows, known.rows - known.missing, n))
        most = max(there + LEAST, share_limit(alpha / 2, known.rows, known.missing, n))
        limit = fewest if value < fewest else most
        alarm = value < fewest or value > most
        why = f"missing in {value:.1%} of the rows, {there:.1%} in training"
        return CheckResult(self.id, column, value, limit, bool(alarm), why)
