"""What the arms of a release did, read from journal and labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from penstock.bundle.decoder import Decoder
from penstock.bundle.kinds import Task
from penstock.bundle.signature import Signature
from penstock.errors import NotWritable, StoreFull
from penstock.evaluation.bootstrap import interval
from penstock.evaluation.metrics import METRICS
from penstock.monitoring.answered import Answered
from penstock.monitoring.arm import Arm
from penstock.monitoring.comparison import Comparison
from penstock.monitoring.differences import FEWEST_LABELS, Judged, differences, quality_difference
from penstock.serving.arm_figures import share_figure
from penstock.serving.instants import parse_instant
from penstock.serving.journal import Record, read
from penstock.serving.refusals import OVERLOADED, TOO_LATE
from penstock.serving.releases import CANDIDATE_ARM, LIVE_ARM, WATCHED_ARM, Release
from penstock.serving.sequences import ALPHA

CAP = 200_000
"""Times and scores kept of an arm; of more, a uniform sample."""

_ROWS_AT_ONCE = 5_000
_SERVER_FAULT = 500
_OF_SERVER = frozenset({OVERLOADED, TOO_LATE, StoreFull.code, NotWritable.code})  # whichever version it was for


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
    compared = agreeing = 0
    for record in read(journal, parse_instant(release.started_at), until, ("predict", "shadow", "error")):
        if record.kind == "error":
            if record.arm in (CANDIDATE_ARM, WATCHED_ARM) and record.version == candidate.version:
                sides[CANDIDATE_ARM].failed()
            elif (
                record.arm == LIVE_ARM
                and record.version == live.version
                and record.status >= _SERVER_FAULT
                and record.code not in _OF_SERVER
            ):
                sides[LIVE_ARM].failed()
            continue
        side = sides.get(CANDIDATE_ARM if record.arm == WATCHED_ARM else record.arm)
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
    metric = live.signature.goal_metric
    a, b = (sides[name].arm(metric) for name in (LIVE_ARM, CANDIDATE_ARM))
    pair = (sides[LIVE_ARM].judged, sides[CANDIDATE_ARM].judged) if release.mode == "shadow" else None
    quality = quality_difference(a, b, metric, pair)
    notes = [f"{METRICS[metric].title} needs {FEWEST_LABELS} labelled rows in each arm"] if quality is None else []
    if len(seen) >= CAP:
        notes.append(f"agreement is that of {compared:,} rows")
    if release.mode == "shadow":
        notes.append("a shadow's times are those of its predictions alone, at the lowest priority")
    found = (*differences(a, b), *([quality] if quality else []))
    agreement = share_figure(agreeing, compared, b.requests - b.errors, alpha=ALPHA / 2)
    return Comparison(release, a, b, metric, found, until, agreement, tuple(notes))


class _Reading:
    """Adds up the records of one arm."""

    def __init__(self, name: str, side: ArmSide, labels: Mapping[str, Any], seed: int) -> None:
        self.name, self.side, self._labels = name, side, labels
        self._counts = Arm(name, side.version, positive=0 if side.signature.task is Task.BINARY else None)
        self._times, self._scores = _Kept(seed), _Kept(seed + 1)
        self._waiting: list[Mapping[str, Any]] = []
        self._known: list[tuple[str, Mapping[str, Any]]] = []  # answers to rows whose outcome is known
        self.judged = Judged([], np.empty(0), np.empty(0), side.signature.decision.threshold)

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
            counts.by_fallback += "fallback" in answer
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
        judged = self.judged
        counts.latencies_ms, counts.scores, counts.labels = self._times.values, self._scores.values, len(judged.y)
        if counts.labels >= FEWEST_LABELS:
            counts.quality = interval(METRICS[metric], judged.y, judged.predictions, threshold=judged.threshold)
        return counts

    def _take(self) -> None:
        if not self._waiting:
            return
        answered = Answered.of_journal(self._waiting, self.side.signature)
        if answered.probabilities is None:
            assert answered.value is not None
            self._scores.add(answered.value)
        elif self._counts.positive is not None:
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
        ids = [known for (known, _), is_good in zip(self._known, good, strict=True) if is_good]
        self.judged = replace(self.judged, ids=ids, y=y[good], predictions=predictions[good])


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


def _agree(first: Any, second: Any) -> bool:
    if isinstance(first, float) and isinstance(second, float):
        return abs(first - second) <= 0.01 * max(abs(first), abs(second))
    return bool(first == second)
