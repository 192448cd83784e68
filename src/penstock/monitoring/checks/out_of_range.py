"""`out-of-range`"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.monitoring.checks.check import CheckResult, figure, unjudged
from penstock.monitoring.reference import outside_of
from penstock.monitoring.significance import share_limit
from penstock.monitoring.view import View

LEAST = 0.01


class OutOfRange:
    """Numbers smaller or larger than any in training.

    What it does
        Compares the share of numbers beyond the range of the training rows with that share on held-out rows.
    Why it matters
        Beyond what it has seen a model guesses; and a new unit, or a sign the wrong way round, shows here first.
    Example that fails
        `height` lay between 1.42 and 2.08 in training, and 12 % of the window lie between 142 and 208.
    What to do
        Look at the values. If they are right, the model needs rows like them; if they are wrong, so is their source.
    Reference
        Fisher's exact test; Breck et al. (2019), Data Validation for Machine Learning, MLSys.
    """

    id = "out-of-range"
    statistical = True

    def cases(self, view: View) -> Sequence[str | None]:
        return [name for name, column in view.columns.items() if column.kind is Kind.NUMERIC]

    def judge(self, view: View, column: str | None, alpha: float) -> CheckResult:
        assert column is not None
        known, values = view.columns[column], view.values(column)
        sketch = known.sketch
        if len(values) == 0 or sketch is None or sketch.rows == 0:
            return unjudged(self, column, "no values to judge" if len(values) == 0 else "training had no values")
        value = outside_of(known, values) / len(values)
        usual = known.heldout_outside / max(1, known.heldout_rows)
        limit = max(usual + LEAST, share_limit(alpha, known.heldout_rows, known.heldout_outside, len(values)))
        low, high = sketch.values[0], sketch.values[-1]
        why = f"{value:.1%} of the values lie beyond {figure(low)} to {figure(high)}"
        if value:
            why += f"; seen {figure(np.min(values))} to {figure(np.max(values))}"
        return CheckResult(self.id, column, value, limit, bool(value > limit), why)
