"""What a check is, and what it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from penstock.evaluation.bootstrap import nan_if_none, none_if_nan
from penstock.monitoring.view import View


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check of one column, or of the window as a whole (`column` None).

    `value` above `limit` is an alarm; below it for `live-quality` of a score where more is better, and where
    `missing-share` fell. Both are in the check's natural unit; NaN where nothing could be judged, and `why` says why.
    """

    id: str
    column: str | None
    value: float
    limit: float
    alarm: bool
    why: str

    def to_json(self) -> dict[str, Any]:
        numbers = {"value": none_if_nan(self.value), "limit": none_if_nan(self.limit)}
        return {"id": self.id, "column": self.column, **numbers, "alarm": self.alarm, "why": self.why}

    @classmethod
    def from_json(cls, obj: Mapping[str, Any]) -> CheckResult:
        value, limit = nan_if_none(obj["value"]), nan_if_none(obj["limit"])
        return cls(obj["id"], obj["column"], value, limit, obj["alarm"], obj["why"])


class Check(Protocol):
    """One way in which a window can differ from its reference.

    The docstring of an implementation is shown to users (`explain_check`) and stands in the order: what it does, why it
    matters, an example that fails, what to do, reference.
    """

    id: str
    statistical: bool
    """Whether chance can raise it: such checks share the window's false-alarm chance, and wait for enough rows."""

    def cases(self, view: View) -> Sequence[str | None]:
        """The columns it looks at, or [None] for the window as a whole; [] where it does not apply."""
        ...

    def judge(self, view: View, column: str | None, alpha: float) -> CheckResult:
        """The verdict on one case, raised by chance with probability at most `alpha` (statistical checks)."""
        ...


def figure(value: float) -> str:
    """A number for people.

    >>> [figure(v) for v in (34711.2, 41.0312, 0.000123456)]
    ['34,711', '41.03', '0.0001235']
    """
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e15 else f"{value:.4g}"


def unjudged(check: Check, column: str | None, why: str) -> CheckResult:
    """No verdict, and why."""
    return CheckResult(check.id, column, float("nan"), float("nan"), False, why)
