"""`latency-p99`"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from penstock.monitoring.checks.check import CheckResult
from penstock.monitoring.view import View

FEWEST_LATE = 3  # one slow request after a start is no alarm


class LatencyP99:
    """The time within which 99 of 100 requests are answered.

    What it does
        Compares the 99th percentile of the server's own times with `[serving] deadline_ms`. It alarms when at least three
        requests came later than that. Without a deadline the figure is shown only.
    Why it matters
        Whoever asked may have gone on without the answer.
    Example that fails
        The deadline is 100 ms; the 99th percentile is 340 ms since the machine is shared.
    What to do
        Look at the size of the requests and the load of the machine; add workers with `serve --workers`.
    Reference
        Dean & Barroso (2013), The Tail at Scale, Commun. ACM 56, 74.
    """

    id = "latency-p99"
    statistical = False

    def cases(self, view: View) -> Sequence[str | None]:
        return [None] if len(view.window.latencies_ms) else []

    def judge(self, view: View, column: str | None, alpha: float) -> CheckResult:
        times = view.window.latencies_ms
        value = float(np.quantile(times, 0.99, method="higher"))
        deadline = view.settings.deadline_ms
        if deadline is None:
            why = f"99 of 100 requests took at most {value:.3g} ms; no deadline is declared"
            return CheckResult(self.id, column, value, float("nan"), False, why)
        late = int(np.count_nonzero(times > deadline))
        why = f"99 of 100 requests took at most {value:.3g} ms; {late:,} of {len(times):,} came after {deadline:g} ms"
        return CheckResult(self.id, column, value, deadline, bool(value > deadline and late >= FEWEST_LATE), why)
