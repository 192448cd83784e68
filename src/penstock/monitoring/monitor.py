"""Hold a window against its reference: every check, one false-alarm chance for all of them together."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from penstock.bundle.decoder import Decoder
from penstock.bundle.signature import Signature
from penstock.bundle.values import class_text
from penstock.errors import NotFound
from penstock.evaluation.bootstrap import Estimate
from penstock.monitoring.checks.check import Check, CheckResult, unjudged
from penstock.monitoring.checks.confidence import Confidence
from penstock.monitoring.checks.drift import Drift
from penstock.monitoring.checks.error_share import ErrorShare
from penstock.monitoring.checks.latency import LatencyP99
from penstock.monitoring.checks.live_quality import LiveQuality
from penstock.monitoring.checks.missing_share import MissingShare
from penstock.monitoring.checks.novelty_share import NoveltyShare
from penstock.monitoring.checks.out_of_range import OutOfRange
from penstock.monitoring.checks.prediction_share import PredictionShare
from penstock.monitoring.checks.unknown_values import UnknownValues
from penstock.monitoring.checks.unknown_words import UnknownWords
from penstock.monitoring.levels import Level, levels_of
from penstock.monitoring.pictures import pictures
from penstock.monitoring.reference import Reference
from penstock.monitoring.view import Labelled, MonitorSettings, View
from penstock.monitoring.window import Window

CHECKS: tuple[Check, ...] = (
    LiveQuality(),
    ErrorShare(),
    LatencyP99(),
    PredictionShare(),
    Confidence(),
    NoveltyShare(),
    Drift(),
    MissingShare(),
    UnknownValues(),
    OutOfRange(),
    UnknownWords(),
)
FORMAT = 1


@dataclass(frozen=True)
class MonitorReport:
    """What a window showed. `pictures` are the distributions of what alarmed, for the page; `notes` what to bear in mind."""

    model: str
    version: int
    since: str | None
    until: str | None
    rows: int
    checks: tuple[CheckResult, ...]
    alpha: float
    notes: tuple[str, ...] = ()
    pictures: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    consumers: Mapping[str, int] = field(default_factory=dict)
    levels: tuple[Level, ...] = ()

    @property
    def alarm(self) -> bool:
        return any(check.alarm for check in self.checks)

    @property
    def alarms(self) -> list[CheckResult]:
        """The checks that alarmed, the gravest kind first, within it those furthest beyond their limit."""
        return [check for check in self.checks if check.alarm]

    @property
    def drifted(self) -> list[str]:
        """The columns that alarmed in any way, the one furthest beyond its limit first."""
        worst = sorted(self.alarms, key=_excess, reverse=True)
        return list(dict.fromkeys(check.column for check in worst if check.column is not None))

    @property
    def exit_code(self) -> int:
        """1 on alarm."""
        return int(self.alarm)

    def to_json(self) -> dict[str, Any]:
        """The contract of ``penstock monitor --json``, with what explains it."""
        return {
            "format": FORMAT,
            "model": {"name": self.model, "version": self.version},
            "window": {"from": self.since, "to": self.until, "rows": self.rows},
            "checks": [check.to_json() for check in self.checks],
            "alarm": self.alarm,
            "alpha": self.alpha,
            "consumers": dict(self.consumers),
            "objectives": [level.to_json() for level in self.levels],
            "warnings": list(self.notes),
        }

    def to_text(self) -> str:
        """The verdict, the alarms, and a line on the rest."""
        span = f"{_minute(self.since)} to {_minute(self.until)}, {self.rows:,} rows answered by {self.model} {self.version}"
        unjudged_checks = [c for c in self.checks if np.isnan(c.value)]
        if self.alarm:
            columns = f": {', '.join(self.drifted)}" if self.drifted else ""
            head = f"ALARM: {len(self.alarms)} of {len(self.checks)} checks{columns}"
        elif len(unjudged_checks) == len(self.checks):
            head = "nothing could be judged"
        else:
            head = f"no alarm: {len(self.checks) - len(unjudged_checks)} checks"
        lines = [head, f"  {span}"]
        for check in self.alarms:
            of = f" {check.column}" if check.column else ""
            lines.append(f"  ! {check.id}{of}: {check.value:.3g} (limit {check.limit:.3g}); {check.why}")
        if unjudged_checks:
            reasons = dict.fromkeys(check.why for check in unjudged_checks)
            lines.append(f"  {len(unjudged_checks)} not judged: {'; '.join(list(reasons)[:3])}")
        lines += [f"  {level.to_text()}" for level in self.levels]
        if self.consumers:
            asked = ", ".join(f"{name or 'no token'} {count:,}" for name, count in self.consumers.items())
            lines.append(f"  requests by consumer: {asked}")
        lines += [f"  note: {note}" for note in self.notes]
        lines.append(
            f"  note: the chance of a false alarm is {self.alpha:.3g} for this look, and again for every further one"
        )
        return "\n".join(lines)


def monitor(
    window: Window,
    reference: Reference | Mapping[str, Any],
    signature: Signature,
    *,
    settings: MonitorSettings | None = None,
    labels: Mapping[str, Any] | None = None,
    decoder: Decoder | None = None,
    quality: tuple[str, Estimate] | None = None,
) -> MonitorReport:
    """Hold a window against the reference of the version that answered it.

    Parameters
    ----------
    reference : `reference.json` of the bundle.
    signature : of the bundle; gives task, classes and threshold.
    labels : prediction id -> outcome in the target's own type; `decoder` reads them. For `live-quality`.
    quality : the metric and the score that are expected, where they are better known than from the reference: as measured
        on an envelope when the version was deployed.

    Notes
    -----
    The chance of a false alarm, `settings.alpha`, is shared equally by all statistical checks (Bonferroni): whatever their
    dependence, all of them together alarm on a window like the reference with at most that chance.
    """
    settings = settings or MonitorSettings()
    known = reference if isinstance(reference, Reference) else Reference.from_json(reference)
    if quality is not None:
        known = Reference(**{**known.__dict__, "metric": quality[0], "quality": quality[1]})
    view = View(
        known,
        window,
        settings,
        signature.task,
        tuple(class_text(label) for label in signature.target.classes),
        signature.decision.threshold,
        _labelled(window, labels, decoder),
    )
    cases = [(check, column) for check in CHECKS for column in check.cases(view)]
    share = settings.alpha / max(1, sum(check.statistical for check, _ in cases))
    found = [_judged(check, view, column, share) for check, column in cases]
    order = {check.id: place for place, check in enumerate(CHECKS)}
    found.sort(key=lambda result: (order[result.id], not result.alarm, -_excess(result)))
    return MonitorReport(
        model=window.model,
        version=window.version,
        since=window.since,
        until=window.until,
        rows=window.rows,
        checks=tuple(found),
        alpha=settings.alpha,
        notes=window.notes,
        pictures=tuple(pictures(view, found)),
        consumers=window.consumers,
        levels=levels_of(window, settings.objectives, sample=settings.sample),
    )


def explain_check(check_id: str) -> str:
    """The documentation of a check.

    Raises
    ------
    NotFound : there is no such check; lists those that there are.

    >>> print(explain_check("missing-share").splitlines()[0])
    Share of rows in which a column has no value.
    """
    for check in CHECKS:
        if check.id == check_id:
            return inspect.cleandoc(type(check).__doc__ or "")
    ids = ", ".join(check.id for check in CHECKS)
    raise NotFound(f"there is no check {check_id!r}", why=f"there are: {ids}", way_out="write one of these")


def _judged(check: Check, view: View, column: str | None, alpha: float) -> CheckResult:
    fewest = view.settings.minimum_rows
    if check.statistical and view.rows < fewest:
        return unjudged(check, column, f"too few rows: {view.rows:,} of at least {fewest}")
    if not check.statistical and view.window.requests + sum(view.window.refused.values()) < fewest:
        return unjudged(check, column, f"too few requests: fewer than {fewest}")
    return check.judge(view, column, alpha)


def _labelled(window: Window, labels: Mapping[str, Any] | None, decoder: Decoder | None) -> Labelled | None:
    """The labelled rows; labels that the target does not know are left out."""
    if not labels or decoder is None:
        return None
    rows = np.array([i for i, prediction in enumerate(window.ids.tolist()) if prediction in labels], dtype=np.int64)
    y, _ = decoder.decode_target_values([labels[prediction] for prediction in window.ids[rows].tolist()])
    good = ~np.isnan(y) if y.dtype.kind == "f" else y >= 0
    return Labelled(y[good], rows[good])


def _excess(result: CheckResult) -> float:
    """How far beyond its limit, as a ratio; to sort by."""
    if np.isnan(result.value) or np.isnan(result.limit):
        return -1.0
    return result.value / result.limit if result.limit > 0 else float(result.value > 0)


def _minute(at: str | None) -> str:
    return "the start" if at is None else at[:16].replace("T", " ")
