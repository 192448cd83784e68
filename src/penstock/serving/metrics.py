"""What a server counts, for Prometheus.

Each worker adds to doubles in a small memory-mapped file of its own (some 50 ns a number); whichever worker is asked
sums the files of all, also of workers that died, so that no counter ever goes down while the server runs.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.serving import consumer_counts
from penstock.serving.acknowledgements import workers
from penstock.serving.arm_metrics import collect_arms
from penstock.serving.folder import ServingFolder
from penstock.serving.model_metrics import ENDING as MODELS_ENDING
from penstock.serving.model_metrics import collect_models
from penstock.serving.objectives import Levels, objectives_of
from penstock.serving.settings import ObjectiveSettings
from penstock.serving.sharing import shared_map
from penstock.serving.tallies import Tallies, Tally

if TYPE_CHECKING:
    from prometheus_client import Metric

    from penstock.serving.follower import Serving

ROUTES = (
    "predict",
    "labels",
    "model",
    "metrics",
    "health",
    "page",
    "other",
    "open-inference",
    "tensorflow",
    "mlflow",
    "grpc",
)
STATUSES = (
    200,
    400,
    401,
    403,
    404,
    405,
    408,
    413,
    415,
    429,
    431,
    499,
    500,
    503,
    0,
)  # 499: the client went away; 0: any other
BUCKETS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
COUNTERS = {
    "penstock_rows": "Rows predicted.",
    "penstock_abstentions": "Rows for which the model abstained.",
    "penstock_novel_rows": "Rows unlike the training data: novelty above the limit of the model.",
    "penstock_missing_fields": "Fields that were missing or null and were filled as in training.",
    "penstock_unknown_values": "Categories that training had not seen.",
    "penstock_late": "Prediction requests answered later than their deadline.",
    "penstock_fallback_late": "Rows answered by the fallback, because the model would have been too late.",
    "penstock_fallback_missing": "Rows answered by the model that does without a field that they lack.",
    "penstock_slow": "Prediction requests answered later than [serving.objectives] latency allows.",
    "penstock_shed": "Prediction requests refused because they would have waited for too long.",
    "penstock_together": "Prediction requests answered in one execution with others that waited.",
    "penstock_labels": "Labels accepted.",
    "penstock_journal_bytes": "Bytes written to the journal.",
    "penstock_not_journalled": "Prediction requests answered although the journal was full ([serving.journal] when_full).",
}

_REQUESTS = 0
_BUCKETS = _REQUESTS + len(ROUTES) * len(STATUSES)
_SECONDS = _BUCKETS + len(BUCKETS_S) + 1
_COUNTERS = _SECONDS + 1
(
    ROWS,
    ABSTENTIONS,
    NOVEL_ROWS,
    MISSING_FIELDS,
    UNKNOWN_VALUES,
    LATE,
    FALLBACK_LATE,
    FALLBACK_MISSING,
    SLOW,
    SHED,
    TOGETHER,
    LABELS,
    JOURNAL_BYTES,
    UNWRITTEN,
) = range(_COUNTERS, _COUNTERS + len(COUNTERS))
_SIZE = _COUNTERS + len(COUNTERS)
_PLACES = {
    (route, status): r * len(STATUSES) + s for r, route in enumerate(ROUTES) for s, status in enumerate(STATUSES)
}
_ENDING = ".counts"
_PREDICTING = ("predict", "open-inference", "tensorflow", "mlflow", "grpc")
"""Routes whose requests objectives are about."""


class Metrics:
    """One worker's counters. `values` is a view on the file: ``metrics.values[ROWS] += 3``."""

    def __init__(self, state_dir: Path, name: str, objectives: ObjectiveSettings | None = None) -> None:
        self.state_dir = state_dir
        wanted = objectives or ObjectiveSettings()
        self._slow_s = float("inf") if wanted.latency is None else wanted.latency.ms / 1000
        self.levels = levels_of(state_dir, wanted)
        path = ServingFolder(state_dir).metrics / f"{name}{_ENDING}"
        self.values = memoryview(shared_map(path, _SIZE * 8)).cast("d")

    def request(self, route: str, status: int) -> None:
        place = _PLACES.get((route, status))
        self.values[_PLACES[route, 0] if place is None else place] += 1  # a place may be 0

    def prediction(self, seconds: float, *, is_late: bool = False) -> None:
        """A prediction request that was answered, by whichever protocol, and how long it took in here, waiting included."""
        values = self.values
        values[_BUCKETS + bisect_left(BUCKETS_S, seconds)] += 1
        values[_SECONDS] += seconds
        if is_late:
            values[LATE] += 1
        if seconds > self._slow_s:
            values[SLOW] += 1

    def render(self, serving: Serving | None) -> bytes:
        """The text that Prometheus reads."""
        from prometheus_client import CollectorRegistry, generate_latest  # costs 40 ms, and is asked for later

        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collector(self.state_dir, serving, self.levels))
        return generate_latest(registry)


PREDICTED = _PLACES["predict", 200]
"""Of `/predict`, answered: counted without a look at the table."""


def levels_of(state_dir: Path, objectives: ObjectiveSettings) -> Levels:
    """The service levels of a serving folder, by what all workers have counted; also where no server runs."""
    slow_ms = 0.0 if objectives.latency is None else objectives.latency.ms
    return Levels(state_dir, objectives, lambda: _tally(state_dir, slow_ms))


def _tally(state_dir: Path, slow_ms: float) -> Tally:
    total = _sum(state_dir)
    answered = failed = 0.0
    for route in _PREDICTING:
        answered += total[_PLACES[route, 200]]
        failed += total[_PLACES[route, 500]] + total[_PLACES[route, 503]]
    timed = sum(total[_BUCKETS:_SECONDS])
    return Tally(time.time(), answered, failed, timed, total[SLOW], total[ROWS], total[ABSTENTIONS], slow_ms)


def begin_metrics(state_dir: Path, objectives: ObjectiveSettings) -> None:
    """Count from zero; what an earlier server counted stays with the service levels. Called once, before the first worker starts.

    The last counts are noted before they are cleared, and zero after that: killed in between, the next start does the same again.
    """
    if not objectives_of(objectives) and not Tallies.are_there(state_dir):
        clear_metrics(state_dir)
        return
    tallies, slow_ms = Tallies(state_dir), 0.0 if objectives.latency is None else objectives.latency.ms
    tallies.note(lambda: _tally(state_dir, slow_ms), at_once=True)
    clear_metrics(state_dir)
    tallies.note(lambda: _tally(state_dir, slow_ms), at_once=True)


def clear_metrics(state_dir: Path) -> None:
    """Forget the counters of an earlier server."""
    for ending in (_ENDING, MODELS_ENDING):
        for path in ServingFolder(state_dir).metrics.glob(f"*{ending}"):
            path.unlink(missing_ok=True)
    consumer_counts.clear_consumer_counts(state_dir)


class _Collector:
    def __init__(self, state_dir: Path, serving: Serving | None, levels: Levels) -> None:
        self._state_dir, self._serving, self._levels = state_dir, serving, levels

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        total = _sum(self._state_dir)
        requests = CounterMetricFamily("penstock_requests", "Requests by route and status.", labels=["route", "status"])
        for (route, status), place in _PLACES.items():
            if total[place]:
                requests.add_metric([route, str(status or "other")], total[place])
        yield requests
        asked = CounterMetricFamily(
            "penstock_consumer_requests", "Requests of declared consumers.", labels=["consumer", "outcome"]
        )
        for consumer, outcomes in consumer_counts.counts(self._state_dir).items():
            for outcome, count in zip(consumer_counts.OUTCOMES, outcomes, strict=True):
                if count:
                    asked.add_metric([consumer, outcome], count)
        yield asked
        counts = total[_BUCKETS:_SECONDS]
        running = 0.0
        buckets = []
        for edge, count in zip((*BUCKETS_S, float("inf")), counts, strict=True):
            running += count
            buckets.append(("+Inf" if edge == float("inf") else str(edge), running))
        seconds = HistogramMetricFamily(
            "penstock_predict_seconds", "Time from request to answer, in the server, waiting included."
        )
        seconds.add_metric([], buckets, total[_SECONDS])
        yield seconds
        for place, (name, text) in enumerate(COUNTERS.items(), _COUNTERS):
            yield CounterMetricFamily(name, text, value=total[place])
        epochs = GaugeMetricFamily("penstock_epoch", "Epoch of slots.json that a worker serves.", labels=["worker"])
        for worker in workers(self._state_dir):
            epochs.add_metric([str(worker.pid)], worker.epoch)
        yield epochs
        if self._serving is not None:
            live = self._serving.live
            info = GaugeMetricFamily("penstock_live", "The version that is live.", labels=["model", "version", "slot"])
            info.add_metric([live.entry.model, str(live.entry.version), live.slot], 1)
            yield info
        yield from collect_arms(self._state_dir, self._serving)
        yield from self._levels.collect()
        yield from collect_models(self._state_dir, self._serving)


def _sum(state_dir: Path) -> list[float]:
    total = [0.0] * _SIZE
    for path in ServingFolder(state_dir).metrics.glob(f"*{_ENDING}"):
        data = path.read_bytes()
        if len(data) == _SIZE * 8:
            total = [a + b for a, b in zip(total, memoryview(data).cast("d"), strict=True)]
    return total
