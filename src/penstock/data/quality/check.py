"""What a check of the data is, and what it finds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from penstock.data.quality.view import View


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check says of one column, class or part (`about`), or of the data as a whole (`about` None).

    Attributes
    ----------
    value, limit : in the check's own unit; NaN where nothing could be judged, and `why` says why.
    failed : whether the value lies on the wrong side of the limit.
    rows : places of examples among the training rows, from 0 on, the clearest first; at most `EXAMPLES`.
    """

    id: str
    about: str | None
    value: float
    limit: float
    failed: bool
    why: str
    rows: tuple[int, ...] = ()

    @property
    def judged(self) -> bool:
        return not math.isnan(self.value)

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "about": self.about,
            "value": self.value if self.judged else None,
            "limit": self.limit,
            "failed": self.failed,
            "why": self.why,
            "rows": list(self.rows),
        }


EXAMPLES = 10


class QualityCheck(Protocol):
    """One way in which data can be wrong.

    The docstring of an implementation is shown to users (`explain_quality`) and stands in the order: what it does, why it
    matters, an example that fails, what to do, reference.
    """

    id: str

    def judge(self, view: View, limit: float) -> Sequence[Finding]:
        """All that failed; where nothing did, one finding that says how near it came, or why nothing was judged."""
        ...


def finding(
    check: QualityCheck,
    about: str | None,
    value: float,
    limit: float,
    why: str,
    *,
    below: bool = False,
    rows: Sequence[int] | np.ndarray = (),
) -> Finding:
    """A verdict: failed above the limit, or below it where more is better."""
    failed = value < limit if below else value > limit
    return Finding(check.id, about, float(value), limit, bool(failed), why, tuple(int(r) for r in rows[:EXAMPLES]))


def unjudged(check: QualityCheck, limit: float, why: str, about: str | None = None) -> Finding:
    """No verdict, and why."""
    return Finding(check.id, about, math.nan, limit, False, why)


def failures_or_nearest(
    check: QualityCheck, found: Sequence[Finding], limit: float, nothing: str, *, below: bool = False
) -> Sequence[Finding]:
    """All findings that failed; else the one that came nearest; else one that says that there was nothing to judge."""
    failed = [one for one in found if one.failed]
    if failed:
        return sorted(failed, key=lambda one: one.value, reverse=not below)
    judged = [one for one in found if one.judged]
    if judged:
        return [(min if below else max)(judged, key=lambda one: one.value)]
    return list(found[:1]) or [unjudged(check, limit, nothing)]
