"""`error-share`"""

from __future__ import annotations

from collections.abc import Sequence

from penstock.monitoring.checks.check import CheckResult
from penstock.monitoring.view import View

FEWEST = 3


class ErrorShare:
    """Share of prediction requests that were refused.

    What it does
        Counts requests of the version that got an error instead of answers. It alarms above 5 % and at least three of them. What was
        refused before it was known which version it asks, such as a body that is no JSON, counts for none, and is told beside.
    Why it matters
        A refused request is a decision that somebody makes without the model; a sender that changes its format is seen here
        at once, since one wrong row refuses its request.
    Example that fails
        22 % of the requests are refused with "wrong-type", since `age` now comes as "41 years".
    What to do
        The codes are listed. Correct the sender, or declare the new format and run again.
    Reference
        The error codes in the documentation of `penstock serve`.
    """

    id = "error-share"
    statistical = False

    def cases(self, view: View) -> Sequence[str | None]:
        return [None] if view.window.requests or view.window.refused else []

    def judge(self, view: View, column: str | None, alpha: float) -> CheckResult:
        refused = sum(view.window.refused.values())
        requests = view.window.requests + refused
        value, limit = refused / requests, view.settings.error_share
        why = f"{refused:,} of {requests:,} requests were refused"
        if refused:
            common = sorted(view.window.refused.items(), key=lambda item: -item[1])[:3]
            why += f": {', '.join(f'{code} ({count:,})' for code, count in common)}"
        return CheckResult(self.id, column, value, limit, bool(value > limit and refused >= FEWEST), why)
