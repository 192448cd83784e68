"""`novelty-share`"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from penstock.monitoring.checks.check import CheckResult
from penstock.monitoring.significance import share_limit
from penstock.monitoring.view import View

LEAST = 0.02


class NoveltyShare:
    """Share of rows that the model itself calls unlike its training rows.

    What it does
        Compares the share of rows above the novelty limit with that share on held-out rows (about 1 %).
    Why it matters
        It sees rows whose values are each usual but never came together, which no check of single columns does.
    Example that fails
        8 % of the window are flagged: pregnant men, after two fields changed places.
    What to do
        Look at the flagged rows (highest novelty first), and at the columns that alarm beside it.
    Reference
        Fisher's exact test; the score is described in `penstock.packaging.novelty`.
    """

    id = "novelty-share"
    statistical = True

    def cases(self, view: View) -> Sequence[str | None]:
        return [] if np.isinf(view.reference.novelty_limit) else [None]

    def judge(self, view: View, column: str | None, alpha: float) -> CheckResult:
        known = view.reference
        value = float(np.mean(view.window.answered.novelty > known.novelty_limit))
        usual = known.novel / max(1, known.heldout_rows)
        limit = max(usual + LEAST, share_limit(alpha, known.heldout_rows, known.novel, view.rows))
        why = f"{value:.1%} of the rows are unlike the training rows, {usual:.1%} of held-out ones"
        return CheckResult(self.id, column, value, limit, bool(value > limit), why)
