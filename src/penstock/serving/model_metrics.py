"""What a server counts per model of the shelf: loads, evictions, failures, memory. One small file per worker, replaced at each change.

Loads are rare, and models come and go: so these are no places in the memory-mapped table of `penstock.serving.metrics`. Whichever worker
is asked sums the files of all; counters of workers that died still count, what they held does not.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from penstock.serving.acknowledgements import workers
from penstock.serving.folder import ServingFolder

if TYPE_CHECKING:
    from prometheus_client import Metric

    from penstock.serving.follower import Serving

log = logging.getLogger("penstock.serving")

ENDING = ".models"
_COUNTERS = {
    "loads": ("penstock_model_loads", "Times that a worker loaded a model of the shelf."),
    "load_seconds": ("penstock_model_load_seconds", "Seconds that those loads took."),
    "evictions": ("penstock_model_evictions", "Times that a model had to make room for another one."),
    "failures": ("penstock_model_load_failures", "Times that a model of the shelf could not be loaded."),
}


class Named(Protocol):
    """What has the name and the number of a model's version."""

    @property
    def model(self) -> str: ...

    @property
    def version(self) -> int: ...


class ModelCounts:
    """One worker's file. To be used by one thread."""

    def __init__(self, state_dir: Path, name: str) -> None:
        self._path = ServingFolder(state_dir).metrics / f"{name}{ENDING}"
        self._counts: dict[str, Counter[tuple[str, int]]] = {name: Counter() for name in _COUNTERS}
        self._holds: dict[tuple[str, int], int] = {}

    def loaded(self, entry: Named, seconds: float) -> None:
        self._counts["loads"][entry.model, entry.version] += 1
        self._counts["load_seconds"][entry.model, entry.version] += seconds  # type: ignore[assignment]
        self._write()

    def failed(self, entry: Named) -> None:
        self._counts["failures"][entry.model, entry.version] += 1
        self._write()

    def evicted(self, key: tuple[str, int, str]) -> None:
        self._counts["evictions"][key[0], key[1]] += 1
        self._write()

    def holds(self, memory: Mapping[tuple[str, int, str], int]) -> None:
        """What is loaded from now on, and the memory of each in bytes."""
        self._holds = {(model, version): size for (model, version, _), size in memory.items()}
        self._write()

    def _write(self) -> None:
        body: dict[str, Any] = {"format": 1, "holds": [[*key, size] for key, size in self._holds.items()]}
        for name, counts in self._counts.items():
            body[name] = [[*key, count] for key, count in counts.items()]
        unfinished = self._path.with_suffix(".unfinished")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_text(json.dumps(body), encoding="utf-8")
            unfinished.replace(self._path)
        except OSError as error:  # models are loaded and asked all the same; the next change writes this one as well
            log.error("the counts of models cannot be written: %s", error)


def collect_models(state_dir: Path, serving: Serving | None) -> Iterator[Metric]:
    """The families that Prometheus reads, over all workers."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    from penstock.serving.loading import graph_bytes_of, memory_of

    living = {worker.name for worker in workers(state_dir)}
    held: Counter[tuple[str, int]] = Counter()
    memory: Counter[tuple[str, int]] = Counter()
    counts: dict[str, Counter[tuple[str, int]]] = {name: Counter() for name in _COUNTERS}
    for path in sorted(ServingFolder(state_dir).metrics.glob(f"*{ENDING}")):
        try:
            body = json.loads(path.read_bytes())
        except FileNotFoundError:
            continue
        for name, total in counts.items():
            for model, version, count in body[name]:
                total[model, version] += count
        if path.name.removesuffix(ENDING) in living:
            for model, version, size in body["holds"]:
                held[model, version] += 1
                memory[model, version] += size
    for slot in [] if serving is None else serving.by_version.values():
        held[slot.entry.model, slot.entry.version] += len(living)
        memory[slot.entry.model, slot.entry.version] += len(living) * memory_of(graph_bytes_of(slot.bundle))
    labels = ["model", "version"]
    loaded = GaugeMetricFamily("penstock_model_loaded", "Workers that have a model loaded, by version.", labels=labels)
    size_of = GaugeMetricFamily("penstock_model_bytes", "Memory of it in all workers, as reckoned.", labels=labels)
    for (model, version), count in sorted(held.items()):
        loaded.add_metric([model, str(version)], count)
        size_of.add_metric([model, str(version)], memory[model, version])
    yield loaded
    yield size_of
    for name, (family, text) in _COUNTERS.items():
        counter = CounterMetricFamily(family, text, labels=labels)
        for (model, version), count in sorted(counts[name].items()):
            counter.add_metric([model, str(version)], count)
        yield counter
