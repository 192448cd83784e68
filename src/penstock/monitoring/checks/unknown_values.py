"""`unknown-values`"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from penstock.bundle.kinds import Kind
from penstock.monitoring.checks.check import CheckResult, unjudged
from penstock.monitoring.reference import ColumnReference, outside_of
from penstock.monitoring.significance import share_limit
from penstock.monitoring.view import View

LEAST = 0.01


class UnknownValues:
    """Categories that did not occur in training.

    What it does
        Compares the share of values that no training row had with that share on held-out rows.
    Why it matters
        The model treats all unknown values alike. A renamed category ("admin." now "administration") is an unknown one.
    Example that fails
        9 % of the window have job = "administration", which training never saw.
    What to do
        If it is another spelling, correct the source. If it is new, collect labels for such rows and retrain.
    Reference
        Fisher's exact test; Breck et al. (2019), Data Validation for Machine Learning, MLSys.
    """

    id = "unknown-values"
    statistical = True

    def cases(self, view: View) -> Sequence[str | None]:
        kinds = (Kind.BINARY, Kind.CATEGORICAL)
        return [name for name, column in view.columns.items() if column.kind in kinds]

    def judge(self, view: View, column: str | None, alpha: float) -> CheckResult:
        assert column is not None
        known, values = view.columns[column], view.values(column)
        if len(values) == 0:
            return unjudged(self, column, "no values to judge")
        value = outside_of(known, values) / len(values)
        usual = known.heldout_outside / max(1, known.heldout_rows)
        limit = max(usual + LEAST, share_limit(alpha, known.heldout_rows, known.heldout_outside, len(values)))
        why = f"{value:.1%} of the values were not seen in training"
        if value:
            why += f", most often {_commonest(known, values.tolist())}"
        return CheckResult(self.id, column, value, limit, bool(value > limit), why)


def _commonest(known: ColumnReference, values: list[str]) -> str:
    """The most frequent unknown values; personal data in them is not shown, as traffic may bring it into a column that never had any."""
    from penstock.data.contract.personal import without_hits

    seen = known.known | {value for value, _ in known.counts}
    unknown = Counter(value for value in values if value not in seen).most_common(3)
    return ", ".join(f"{without_hits(value)!r} ({count:,})" for value, count in unknown)
