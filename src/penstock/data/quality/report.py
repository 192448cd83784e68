"""All checks of the data, what each says of itself, and what they found together."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock.data.quality.balance import ClassImbalance, RareClasses
from penstock.data.quality.check import Finding, QualityCheck
from penstock.data.quality.columns import ConstantColumns, RedundantColumns
from penstock.data.quality.dominant import DominantColumn
from penstock.data.quality.duplicates import DuplicateRows, LabelConflicts, SplitDuplicates
from penstock.data.quality.label_errors import LabelErrors
from penstock.data.quality.leakage import FilledByOutcome, TargetCopy, TooGoodColumn
from penstock.data.quality.learning_curve import EnoughRows
from penstock.data.quality.lost_digits import LostDigits
from penstock.data.quality.near_duplicates import NearDuplicateTexts
from penstock.data.quality.part_shift import PartShift
from penstock.data.quality.scale_jumps import ScaleJumps
from penstock.data.quality.standing_still import StandingStill
from penstock.data.quality.time_travel import IdentifierLeak, TimeTravel
from penstock.data.quality.view import View
from penstock.errors import NotFound
from penstock.project.quality import LIMITS

QUALITY_CHECKS: tuple[QualityCheck, ...] = (
    DuplicateRows(),
    SplitDuplicates(),
    NearDuplicateTexts(),
    LabelConflicts(),
    LabelErrors(),
    TooGoodColumn(),
    DominantColumn(),
    TargetCopy(),
    FilledByOutcome(),
    TimeTravel(),
    IdentifierLeak(),
    ConstantColumns(),
    RedundantColumns(),
    LostDigits(),
    ClassImbalance(),
    RareClasses(),
    ScaleJumps(),
    StandingStill(),
    PartShift(),
    EnoughRows(),
)


@dataclass(frozen=True)
class QualityReport:
    """What the checks found in a version of a data set.

    Attributes
    ----------
    rows : of each part. sealed_rows : sealed test rows that were counted. off : checks that the declaration turns off.
    warnings : of which parts not all rows were looked at.
    key, keys : the identifier column, where there is one, and its values in the training rows that findings name.
    """

    dataset: str
    rows: Mapping[str, int]
    findings: tuple[Finding, ...]
    sealed_rows: int = 0
    off: tuple[str, ...] = ()
    key: str | None = None
    keys: Mapping[int, str | None] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def failed(self) -> list[Finding]:
        return [one for one in self.findings if one.failed]

    @property
    def exit_code(self) -> int:
        """1 where a check failed."""
        return int(bool(self.failed))

    def to_json(self) -> dict[str, Any]:
        return {
            "dataset": self.dataset,
            "rows": dict(self.rows),
            "sealed_rows": self.sealed_rows,
            "off": list(self.off),
            "failed": bool(self.failed),
            "key": self.key,
            "warnings": list(self.warnings),
            "findings": [{**one.to_json(), "keys": [self.keys.get(row) for row in one.rows]} for one in self.findings],
        }

    def to_text(self) -> str:
        """What failed, then a line on each other check."""
        checks = list(dict.fromkeys(one.id for one in self.findings))
        bad = list(dict.fromkeys(one.id for one in self.failed))
        lines = [f"{len(bad)} of {len(checks)} checks failed" if bad else f"nothing found by {len(checks)} checks"]
        for one in self.failed:
            lines.append(f"  ! {_told(one)}: {_value(one)} (limit {one.limit:.4g}); {one.why}")
            if one.rows:
                lines.append(f"      such as {self._rows(one)}")
        for one in self.findings:
            if not one.failed and one.judged:
                lines.append(f"    {_told(one)}: {_value(one)} (limit {one.limit:.4g})")
        lines += [f"  - {_told(one)} not judged: {one.why}" for one in self.findings if not one.judged]
        if self.off:
            lines.append(f"  - turned off by [quality] off: {', '.join(self.off)}")
        lines += [f"  - {warning}" for warning in self.warnings]
        if bad:
            lines.append(f"why it matters, and what to do: penstock explain-check {bad[0]}")
        return "\n".join(lines)

    def _rows(self, one: Finding) -> str:
        """By the identifier, else by their place."""
        if self.key is None:
            return f"training rows {', '.join(map(str, one.rows))} (from 0 on)"
        return f"the training rows with {self.key} {', '.join(str(self.keys.get(row)) for row in one.rows)}"


def judge(
    view: View,
    limits: Mapping[str, float] | None = None,
    *,
    off: tuple[str, ...] = (),
    only: tuple[str, ...] = (),
    progress: Callable[[str], None] = lambda _: None,
) -> list[Finding]:
    """What all checks say, or those in `only`, but for those in `off`; `limits` replace the usual ones by id."""
    import sklearn.ensemble  # noqa: F401 - only libraries that are loaded already can be limited
    from threadpoolctl import threadpool_limits

    given = {**LIMITS, **(limits or {})}
    found: list[Finding] = []
    with threadpool_limits(1):  # on a busy machine the threads of small models wait for each other: 10 times slower
        for check in QUALITY_CHECKS:
            if check.id in off or (only and check.id not in only):
                continue
            progress(check.id)
            found += check.judge(view, given[check.id])
    return found


def explain_quality(check_id: str) -> str:
    """The documentation of a check of the data.

    Raises
    ------
    NotFound : there is no such check; lists those that there are.

    >>> print(explain_quality("class-imbalance").splitlines()[0])
    The rarest class is far rarer than the most frequent.
    """
    for check in QUALITY_CHECKS:
        if check.id == check_id:
            return inspect.cleandoc(type(check).__doc__ or "")
    ids = ", ".join(check.id for check in QUALITY_CHECKS)
    raise NotFound(f"there is no check {check_id!r}", why=f"there are: {ids}", way_out="write one of these")


def _told(one: Finding) -> str:
    return f"{one.id} {one.about}" if one.about is not None else one.id


def _value(one: Finding) -> str:
    return f"{one.value:.4g}"
