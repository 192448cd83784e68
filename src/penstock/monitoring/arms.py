"""The arms of a release side by side: what each did, and by how much they differ, with intervals that may be looked at any time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import hypot, isfinite, isnan, nan
from pathlib import Path
from typing import Any

import numpy as np

from penstock.bundle.decoder import Decoder
from penstock.bundle.kinds import Task
from penstock.bundle.signature import Signature
from penstock.evaluation.bootstrap import Estimate, compare, interval, none_if_nan
from penstock.evaluation.metrics import METRICS
from penstock.monitoring.answered import Answered
from penstock.monitoring.sequences import (
    ALPHA,
    Interval,
    difference,
    mean_sequence,
    quantile_sequence,
    share_sequence,
)
from penstock.serving.instants import parse_instant
from penstock.serving.journal import Record, read
from penstock.serving.releases import CANDIDATE_ARM, LIVE_ARM, Release

CAP = 200_000
"""Times and scores kept of an arm; of more, a uniform sample."""

FEWEST_LABELS = 30
_ROWS_AT_ONCE = 5_000
_Z95 = 1.959964
_SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)
_SERVER_FAULT = 500


@dataclass(frozen=True, slots=True)
class ArmSide:
    """One arm of a release, as its bundle is.

    Attributes
    ----------
    model, version : what the journal names. decoder, signature : of the bundle.
    """

    model: str
    version: int
    decoder: Decoder
    signature: Signature


@dataclass
class Arm:
    """What one arm did since the release began.

    Attributes
    ----------
    latencies_ms, scores : float64; the score is the probability of the positive class, that of the most probable one where there are more,
        or the predicted value.
    positive : rows that were predicted as the positive class (binary).
    quality : the metric of the goal on the rows whose outcome is known.
    """

    name: str
    version: int
    requests: int = 0
    errors: int = 0
    rows: int = 0
    abstentions: int = 0
    novel: int = 0
    positive: int = 0
    latencies_ms: np.ndarray = field(default_factory=lambda: np.empty(0))
    scores: np.ndarray = field(default_factory=lambda: np.empty(0))
    labels: int = 0
    quality: Estimate | None = None

    def figures(self) -> dict[str, float]:
        """As conditions name them (`penstock.serving.conditions`)."""
        quantiles = {f"latency_p{q}": _quantile(self.latencies_ms, q / 100) for q in (50, 95, 99)}
        return {
            "requests": float(self.requests),
            "rows": float(self.rows),
            "errors": _share(self.errors, self.requests),
            "abstentions": _share(self.abstentions, self.rows),
            "novelty": _share(self.novel, self.rows),
            **quantiles,
            "labels": float(self.labels),
            "quality": nan if self.quality is None else self.quality.value,
        }

    def to_json(self) -> dict[str, Any]:
        plain = {name: none_if_nan(value) for name, value in self.figures().items()}
        for name in ("requests", "rows", "labels"):
            plain[name] = int(plain[name] or 0)
        scores = [none_if_nan(_quantile(self.scores, share)) for share in _SHARES]
        return {"arm": self.name, "version": self.version, **plain, "scores": scores}


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of both arms, the candidate's minus the live version's, and the interval of that at all looks together.

    `better` is whether less (-1) or more (+1) is better; 0: neither.
    """

    name: str
    live: float
    candidate: float
    interval: Interval
    better: int

    @property
    def value(self) -> float:
        return self.candidate - self.live

    @property
    def verdict(self) -> str:
        """``better``, ``worse``, ``higher``, ``lower``, or ``not yet clear``."""
        if not self.interval.excludes_zero:
            return "not yet clear"
        is_more = self.interval.low > 0
        if not self.better:
            return "higher" if is_more else "lower"
        return "better" if is_more == (self.better > 0) else "worse"

    def to_json(self) -> dict[str, Any]:
        numbers = (self.live, self.candidate, self.value, *self.interval)
        names = ("live", "candidate", "difference", "low", "high")
        plain = {name: none_if_nan(number) for name, number in zip(names, numbers, strict=True)}
        return {"figure": self.name, **plain, "verdict": self.verdict}


@dataclass(frozen=True)
class Comparison:
    """Both arms of a release."""

    release: Release
    live: Arm
    candidate: Arm
    metric: str
    differences: tuple[Difference, ...]
    until: datetime
    agreement: float = nan
    notes: tuple[str, ...] = ()

    @property
    def hours(self) -> float:
        return (self.until - parse_instant(self.release.started_at)).total_seconds() / 3600

    def figures(self) -> tuple[dict[str, float], dict[str, float]]:
        """Of the candidate and of the live version, for conditions."""
        shared = {"hours": self.hours}
        return {**self.candidate.figures(), **shared, "agreement": self.agreement}, {**self.live.figures(), **shared}

    def to_json(self) -> dict[str, Any]:
        release = self.release
        return {
            "release": {
                "mode": release.mode,
                "share": release.share,
                "sticky": release.sticky,
                "started_at": release.started_at,
                "hours": round(self.hours, 4),
            },
            "arms": [self.live.to_json(), self.candidate.to_json()],
            "metric": self.metric,
            "agreement": none_if_nan(self.agreement),
            "differences": [one.to_json() for one in self.differences],
            "alpha": ALPHA,
            "warnings": list(self.notes),
        }

    def to_text(self) -> str:
        live, candidate = self.live, self.candidate
        lines = [
            f"{self.release.told()}: version {candidate.version} beside version {live.version}, for {_length(self.hours)}",
            f"  {'':<14} {f'live {live.version}':>12} {f'candidate {candidate.version}':>14}   difference, at any look",
            f"  {'requests':<14} {live.requests:>12,} {candidate.requests:>14,}",
            f"  {'rows':<14} {live.rows:>12,} {candidate.rows:>14,}",
            f"  {'labels':<14} {live.labels:>12,} {candidate.labels:>14,}",
        ]
        for one in self.differences:
            told = _figure(one.name)
            span = f"{told(one.value, '+')} ({told(one.interval.low, '+')} to {told(one.interval.high, '+')})"
            lines.append(f"  {one.name:<14} {told(one.live):>12} {told(one.candidate):>14}   {span}: {one.verdict}")
        for arm in (live, candidate):
            scores = " ".join(f"{_quantile(arm.scores, share):.4g}" for share in _SHARES)
            lines.append(f"  scores of {arm.name} (5, 25, 50, 75, 95 %): {scores}")
        if not isnan(self.agreement):
            lines.append(f"  agreement: {self.agreement:.2%} of the rows have the same prediction")
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join(lines)


def compare_arms(
    journal: Path,
    release: Release,
    live: ArmSide,
    candidate: ArmSide,
    labels: Mapping[str, Any],
    *,
    until: datetime,
    seed: int = 0,
) -> Comparison:
    """What both arms did since the release began, read from the journal.

    Parameters
    ----------
    labels : prediction id -> outcome in the target's own type.
    until : records from then on are left out.

    Notes
    -----
    Intervals take rows (for errors and latency: requests) as independent. Where the same customers ask again and again, they are somewhat
    too narrow. Each holds by itself with a chance of 95 %.
    """
    sides = {
        LIVE_ARM: _Reading(LIVE_ARM, live, labels, seed),
        CANDIDATE_ARM: _Reading(CANDIDATE_ARM, candidate, labels, seed),
    }
    seen: dict[str, Any] = {}  # of a shadow: live id -> prediction, for the agreement
    compared = agreeing = faults = 0
    for record in read(journal, parse_instant(release.started_at), until, ("predict", "shadow", "error")):
        if record.kind == "error":
            if record.arm == CANDIDATE_ARM and record.version == candidate.version:
                sides[CANDIDATE_ARM].failed()
            elif not record.version and record.status >= _SERVER_FAULT:
                faults += 1
            continue
        side = sides.get(record.arm)
        if side is None or (record.model, record.version) != (side.side.model, side.side.version):
            continue
        side.add(record)
        if release.mode == "shadow":
            for answer in record.answers:
                other = seen.pop(answer["id"], None)
                if other is None:
                    if len(seen) < CAP:
                        seen[answer["id"]] = (answer["prediction"],)
                else:
                    compared += 1
                    agreeing += _agree(answer["prediction"], other[0])
    for _ in range(faults):
        sides[LIVE_ARM].failed()
    metric = live.signature.goal_metric
    arms = {name: side.arm(metric) for name, side in sides.items()}
    a, b = arms[LIVE_ARM], arms[CANDIDATE_ARM]
    quality = _quality_difference(release, sides[LIVE_ARM], sides[CANDIDATE_ARM], a, b, metric)
    notes = [f"{METRICS[metric].title} needs {FEWEST_LABELS} labelled rows in each arm"] if quality is None else []
    if len(seen) >= CAP:
        notes.append(f"agreement is that of {compared:,} rows")
    if release.mode == "shadow":
        notes.append("a shadow's times are those of its predictions alone, at the lowest priority")
    differences = (*_of_shares(a, b, live.signature.task), *_of_times(a, b), *([quality] if quality else []))
    return Comparison(release, a, b, metric, differences, until, _share(agreeing, compared), tuple(notes))


class _Reading:
    """Adds up the records of one arm."""

    def __init__(self, name: str, side: ArmSide, labels: Mapping[str, Any], seed: int) -> None:
        self.name, self.side, self._labels = name, side, labels
        self._counts = Arm(name, side.version)
        self._times, self._scores = _Kept(seed), _Kept(seed + 1)
        self._waiting: list[Mapping[str, Any]] = []
        self._known: list[tuple[str, Mapping[str, Any]]] = []  # answers to rows whose outcome is known
        self.ids: list[str] = []
        self.y: np.ndarray = np.empty(0)
        self.predictions: np.ndarray = np.empty(0)

    def failed(self) -> None:
        self._counts.requests += 1
        self._counts.errors += 1

    def add(self, record: Record) -> None:
        counts, limit = self._counts, self.side.signature.decision.novelty_limit
        counts.requests += 1
        counts.rows += len(record.answers)
        self._times.add(np.array([record.latency_ms]))
        for answer in record.answers:
            counts.abstentions += answer["decision"] != "answer"
            counts.novel += answer["novelty"] > limit
            if answer["id"] in self._labels:
                self._known.append((answer["id"], answer))
        self._waiting += record.answers
        if len(self._waiting) >= _ROWS_AT_ONCE:
            self._take()

    def arm(self, metric: str) -> Arm:
        """What was added up, with its quality."""
        self._take()
        self._judge()
        counts = self._counts
        counts.latencies_ms, counts.scores, counts.labels = self._times.values, self._scores.values, len(self.y)
        if len(self.y) >= FEWEST_LABELS:
            threshold = self.side.signature.decision.threshold
            counts.quality = interval(METRICS[metric], self.y, self.predictions, threshold=threshold)
        return counts

    def _take(self) -> None:
        if not self._waiting:
            return
        answered = Answered.of_journal(self._waiting, self.side.signature)
        if answered.probabilities is None:
            assert answered.value is not None
            self._scores.add(answered.value)
        elif self.side.signature.task is Task.BINARY:
            assert answered.label is not None
            self._scores.add(answered.probabilities[:, -1])
            self._counts.positive += int((answered.label == 1).sum())
        else:
            self._scores.add(answered.probabilities.max(axis=1))
        self._waiting = []

    def _judge(self) -> None:
        if not self._known:
            return
        answered = Answered.of_journal([answer for _, answer in self._known], self.side.signature)
        predictions = answered.value if answered.probabilities is None else answered.probabilities
        assert predictions is not None
        y, _ = self.side.decoder.decode_target_values([self._labels[known] for known, _ in self._known])
        good = ~np.isnan(y) if y.dtype.kind == "f" else y >= 0
        self.ids = [known for (known, _), is_good in zip(self._known, good, strict=True) if is_good]
        self.y, self.predictions = y[good], predictions[good]


class _Kept:
    """Numbers, or a uniform sample of `CAP` of them."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._parts: list[np.ndarray] = []
        self._ranks: list[np.ndarray] = []
        self._n = 0

    def add(self, values: np.ndarray) -> None:
        self._parts.append(values.astype(np.float64))
        self._ranks.append(self._rng.random(len(values)))
        self._n += len(values)
        if self._n > 2 * CAP:
            self._thin()

    @property
    def values(self) -> np.ndarray:
        self._thin()
        return self._parts[0] if self._parts else np.empty(0)

    def _thin(self) -> None:
        if not self._parts:
            return
        values, ranks = np.concatenate(self._parts), np.concatenate(self._ranks)
        if len(values) > CAP:
            kept = np.sort(np.argpartition(ranks, CAP)[:CAP])
            values, ranks = values[kept], ranks[kept]
        self._parts, self._ranks, self._n = [values], [ranks], len(values)


def _of_shares(live: Arm, candidate: Arm, task: Task) -> list[Difference]:
    counted: list[tuple[str, Callable[[Arm], tuple[int, int]], int]] = [
        ("errors", lambda arm: (arm.errors, arm.requests), -1),
        ("abstentions", lambda arm: (arm.abstentions, arm.rows), -1),
        ("novelty", lambda arm: (arm.novel, arm.rows), 0),
    ]
    if task is Task.BINARY:
        counted.append(("positive", lambda arm: (arm.positive, arm.rows), 0))
    found = []
    for name, count, better in counted:
        (a, n), (b, m) = count(live), count(candidate)
        both = difference(share_sequence(a, n, alpha=ALPHA / 2), share_sequence(b, m, alpha=ALPHA / 2))
        found.append(Difference(name, _share(a, n), _share(b, m), both, better))
    return found


def _of_times(live: Arm, candidate: Arm) -> list[Difference]:
    found = []
    for name, share in (("latency_p50", 0.5), ("latency_p99", 0.99)):
        spans = [quantile_sequence(arm.latencies_ms, share, alpha=ALPHA / 2) for arm in (live, candidate)]
        values = [_quantile(arm.latencies_ms, share) for arm in (live, candidate)]
        found.append(Difference(name, values[0], values[1], difference(*spans), -1))
    return found


def _quality_difference(
    release: Release, first: _Reading, second: _Reading, live: Arm, candidate: Arm, metric: str
) -> Difference | None:
    a, b = live.quality, candidate.quality
    if a is None or b is None or a.why is not None or b.why is not None:
        return None
    better = 1 if METRICS[metric].greater_is_better else -1
    spread, n = hypot(_error(a), _error(b)), live.labels + candidate.labels
    if release.mode == "shadow":  # the same rows: their luck is shared
        place = {known: i for i, known in enumerate(first.ids)}
        pairs = [(place[known], i) for i, known in enumerate(second.ids) if known in place]
        if len(pairs) < FEWEST_LABELS:
            return None
        mine, its = (np.array(some, dtype=np.int64) for some in zip(*pairs, strict=True))
        thresholds = (first.side.signature.decision.threshold, second.side.signature.decision.threshold)
        paired = compare(
            METRICS[metric], first.y[mine], first.predictions[mine], second.predictions[its], thresholds=thresholds
        )
        spread, n = (paired.high - paired.low) / (2 * _Z95), len(pairs)
        return Difference(
            metric, paired.champion, paired.challenger, mean_sequence(paired.difference, spread, n), better
        )
    return Difference(metric, a.value, b.value, mean_sequence(b.value - a.value, spread, n), better)


def _error(estimate: Estimate) -> float:
    """The standard error that a 95 % interval stands for."""
    return (estimate.high - estimate.low) / (2 * _Z95)


def _agree(first: Any, second: Any) -> bool:
    if isinstance(first, float) and isinstance(second, float):
        return abs(first - second) <= 0.01 * max(abs(first), abs(second))
    return bool(first == second)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else nan


def _quantile(values: np.ndarray, share: float) -> float:
    return float(np.quantile(values, share)) if len(values) else nan


def _figure(name: str) -> Callable[..., str]:
    """How a figure is told: shares in percent, times in milliseconds, metrics as they are."""

    def told(value: float, sign: str = "") -> str:
        if not isfinite(value):
            return "?"
        if name in ("errors", "abstentions", "novelty", "positive"):
            return f"{100 * value:{sign}.2f} %"
        return f"{value:{sign}.3g} ms" if name.startswith("latency") else f"{value:{sign}.4f}"

    return told


def _length(hours: float) -> str:
    return f"{60 * hours:.0f} minutes" if hours < 2 else f"{hours:.1f} hours"
