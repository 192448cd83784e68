"""Gates: the conditions that a model must meet to pass, and how they are judged.

A gate compares a score with a limit (``at_least``, ``at_most``) on all rows, on one slice, or on every slice, or asks
that the score is better than the baseline's beyond chance. It is judged on a finished `Report`, and says by how much it
failed. Whether a failed gate stops anything is for the caller; an override is named and shown in the report.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.bundle.kinds import Task
from penstock.errors import DeclarationError
from penstock.evaluation.bootstrap import Estimate, nan_if_none, none_if_nan
from penstock.evaluation.metrics import METRICS, get_metric

if TYPE_CHECKING:
    from penstock.evaluation.report import Report

EVERY = "every"
_KEYS = ("metric", "at_least", "at_most", "slice", "beats_baseline", "id")


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition, as declared under ``[[gates]]``.

    `slice` is None (all rows), ``"every"`` (each declared slice of at least 50 rows) or a slice's name, as in
    ``"job=admin."``. Exactly one of `at_least`, `at_most` and `beats_baseline` is given.
    """

    metric: str
    at_least: float | None = None
    at_most: float | None = None
    slice: str | None = None
    beats_baseline: bool = False
    name: str | None = None

    @property
    def id(self) -> str:
        """The declared id, or one made of the content: the same condition always has the same id.

        >>> Gate("roc_auc", at_least=0.78, slice="every").id
        'roc_auc>=0.78@every'
        """
        if self.name:
            return self.name
        if self.beats_baseline:
            return f"{self.metric}-beats-baseline"
        limit = f">={self.at_least:g}" if self.at_least is not None else f"<={self.at_most:g}"
        return f"{self.metric}{limit}" + (f"@{self.slice}" if self.slice else "")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of its slice, where it names one."""
        if self.slice in (None, EVERY):
            return ()
        assert self.slice is not None
        return tuple(part.partition("=")[0] for part in self.slice.split(", "))

    @classmethod
    def from_json(cls, obj: Mapping[str, Any]) -> Gate:
        """From a table of the declaration.

        Raises
        ------
        DeclarationError : an unknown key, no condition, or two.
        """
        for key in obj:
            if key not in _KEYS:
                near = difflib.get_close_matches(key, _KEYS, 1)
                raise DeclarationError(
                    f"a gate has no key {key!r}",
                    why=f"known are: {', '.join(_KEYS)}",
                    way_out=f"write {near[0]!r}" if near else "take it out",
                )
        gate = cls(
            obj.get("metric", ""),
            obj.get("at_least"),
            obj.get("at_most"),
            obj.get("slice"),
            bool(obj.get("beats_baseline", False)),
            obj.get("id"),
        )
        conditions = sum((gate.at_least is not None, gate.at_most is not None, gate.beats_baseline))
        if not gate.metric or conditions != 1 or (gate.beats_baseline and gate.slice):
            raise DeclarationError(
                f"the gate {dict(obj)!r} is not one condition",
                why="a gate names a metric and exactly one of at_least, at_most and beats_baseline (without slice)",
                way_out='write for example: metric = "roc_auc", at_least = 0.78',
            )
        return gate

    def to_json(self) -> dict[str, Any]:
        parts = {"metric": self.metric, "at_least": self.at_least, "at_most": self.at_most, "slice": self.slice}
        given = {key: value for key, value in {**parts, "id": self.name}.items() if value is not None}
        return {**given, "beats_baseline": True} if self.beats_baseline else given


@dataclass(frozen=True, slots=True)
class GateResult:
    """What a gate said. `value` is the score judged (of the worst slice, for every slice), NaN where there is none."""

    id: str
    passed: bool
    value: float
    limit: float
    why: str

    def to_json(self) -> dict[str, Any]:
        numbers = {"value": none_if_nan(self.value), "limit": none_if_nan(self.limit)}
        return {"id": self.id, "passed": self.passed, **numbers, "why": self.why}

    @classmethod
    def from_json(cls, obj: Mapping[str, Any]) -> GateResult:
        return cls(obj["id"], obj["passed"], nan_if_none(obj["value"]), nan_if_none(obj["limit"]), obj["why"])


def default_gates(metric: str, *, at_least: float | None = None, at_most: float | None = None) -> list[Gate]:
    """Where none are declared: the goal, if it has a limit, and to be better than the baseline."""
    goal = [Gate(metric, at_least=at_least, at_most=at_most)] if (at_least, at_most) != (None, None) else []
    return [*goal, Gate(metric, beats_baseline=True)]


def check_gates(gates: Sequence[Gate], task: Task, slices: Sequence[str | Sequence[str]]) -> None:
    """Refuse, before anything runs, gates that could not be judged.

    Raises
    ------
    DeclarationError : an unknown metric, two gates of one id, or every slice where no slices are declared.
    """
    seen: set[str] = set()
    for gate in gates:
        get_metric(gate.metric, task)
        if gate.slice == EVERY and not slices:
            raise DeclarationError(
                f"the gate {gate.id!r} asks for every slice",
                why="no slices are declared",
                way_out='declare them: [evaluation] slices = ["column"], or take the slice out of the gate',
            )
        if gate.id in seen:
            raise DeclarationError(
                f"two gates are called {gate.id!r}", why="an id names one gate", way_out="take one out or rename it"
            )
        seen.add(gate.id)


def slices_needed(gates: Sequence[Gate], declared: Sequence[str | Sequence[str]]) -> list[tuple[str, ...]]:
    """The declared slices, and those that only a gate names."""
    wanted = [(one,) if isinstance(one, str) else tuple(one) for one in declared]
    return list(dict.fromkeys([*wanted, *(gate.columns for gate in gates if gate.columns)]))


def judge(gates: Sequence[Gate], report: Report) -> list[GateResult]:
    """What each gate says of the report."""
    return [_judge(gate, report) for gate in gates]


def _judge(gate: Gate, report: Report) -> GateResult:
    if gate.beats_baseline:
        return _against_baseline(gate, report)
    if gate.slice is None:
        return _against_limit(gate, report.metrics[gate.metric], f"on all {report.rows:,} rows")
    if gate.slice == EVERY:
        return _on_every_slice(gate, report)
    for one in report.slices:
        if one.name == gate.slice:
            return _against_limit(gate, one.metrics[gate.metric], f"on the {one.rows:,} rows with {one.name}")
    there = [one.name for one in report.slices if one.of == gate.columns]
    why = f"no row has {gate.slice}, so nothing is proven; there are: {', '.join(there) or 'no such slices'}"
    return GateResult(gate.id, False, float("nan"), _limit(gate), why)


def _on_every_slice(gate: Gate, report: Report) -> GateResult:
    judged = [s for s in report.slices if not s.small and s.metrics[gate.metric].why is None]
    left_out = len(report.slices) - len(judged)
    aside = f"; {left_out} too small or without a score were left out" if left_out else ""
    if not judged:
        why = f"none of {len(report.slices)} slices is large enough to be judged, so nothing is proven"
        return GateResult(gate.id, False, float("nan"), _limit(gate), why)
    sign = 1 if gate.at_least is not None else -1
    worst = min(judged, key=lambda s: sign * s.metrics[gate.metric].value)
    where = f"on {worst.name} ({worst.rows:,} rows), the worst of {len(judged)} slices{aside}"
    return _against_limit(gate, worst.metrics[gate.metric], where)


def _against_limit(gate: Gate, score: Estimate, where: str) -> GateResult:
    limit, title = _limit(gate), METRICS[gate.metric].title
    if score.why is not None:
        why = f"{title} {where} has no value: {score.why}"
        return GateResult(gate.id, False, float("nan"), limit, why)
    at_least = gate.at_least is not None
    passed = score.value >= limit if at_least else score.value <= limit
    wanted = f"{'at least' if at_least else 'at most'} {limit:g}"
    distance = _apart(score.value, limit)
    if passed:
        why = f"{title} is {_shown(score.value, limit)}, {wanted} asked, {where}"
    else:
        side = "short by" if at_least else "over by"
        why = f"{title} is {_shown(score.value, limit)}, {side} {distance} ({wanted} asked), {where}"
    return GateResult(gate.id, bool(passed), score.value, limit, why)


def _against_baseline(gate: Gate, report: Report) -> GateResult:
    metric, title = METRICS[gate.metric], METRICS[gate.metric].title
    against = next((c for c in report.baseline_comparisons if c.metric == gate.metric), None)
    if against is None or none_if_nan(against.difference) is None:
        reason = report.metrics[gate.metric].why or "no baseline was scored"
        return GateResult(gate.id, False, float("nan"), float("nan"), f"{title} cannot be compared: {reason}")
    figures = f"{_shown(against.challenger, against.champion)} against {_shown(against.champion, against.challenger)}"
    interval = f"difference {against.difference:+.4g}, 95 % interval {against.low:+.4g} to {against.high:+.4g}"
    passed = against.proven(metric)
    if passed:
        why = f"{title} is better than the baseline's: {figures} ({interval})"
    elif metric.better(against.challenger, against.champion):
        why = f"{title} is better than the baseline's, but not beyond chance: {figures} ({interval})"
    else:
        why = f"{title} is no better than the baseline's: {figures} ({interval})"
    return GateResult(gate.id, passed, against.challenger, against.champion, why)


def _limit(gate: Gate) -> float:
    limit = gate.at_least if gate.at_least is not None else gate.at_most
    return float("nan") if limit is None else float(limit)


def _shown(value: float, beside: float) -> str:
    """Enough digits that the value is not shown as equal to what it is compared with."""
    for digits in (4, 6, 9):
        if f"{value:.{digits}g}" != f"{beside:.{digits}g}" or value == beside:
            return f"{value:.{digits}g}"
    return repr(value)


def _apart(value: float, limit: float) -> str:
    return f"{abs(value - limit):.3g}"
