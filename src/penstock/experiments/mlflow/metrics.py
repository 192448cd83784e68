"""Metrics of MLflow's runs: a line in the log of the run for each, and the last of each name in the ledger."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple, final

from penstock.errors import StoreFull
from penstock.experiments.metrics.series import Appender, Series, plain
from penstock.experiments.mlflow.values import metric_key, metric_name, seconds_of
from penstock.ledger.ledger import Ledger
from penstock.ledger.log import read_log
from penstock.ledger.record import RUNNING
from penstock.ledger.run import LOG_NAME

TELL_S = 1.0
"""How old the last values in the ledger's tables may be while a run goes on. The log itself is never late."""


class Point(NamedTuple):
    """One value of a metric; `at_ms` is when, in milliseconds since 1970. Points compare as MLflow picks the latest."""

    step: int
    at_ms: int
    value: float


@final
class MetricLog:
    """Writes metrics of runs. One instance serves all threads of a process; other processes may write to the same runs."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = Lock()
        self._waiting: dict[str, dict[str, Point]] = {}  # run -> name -> latest that the tables lack
        self._told: dict[str, float] = {}

    def append(self, run_id: str, started_at: str, points: Iterable[tuple[str, Point]]) -> None:
        """Write values, all in one write. They are safe from a killed process when this returns.

        Raises
        ------
        StoreFull : no space is left.
        """
        path = self._ledger.folder_of(run_id) / LOG_NAME
        path.parent.mkdir(parents=True, exist_ok=True)
        start = seconds_of(started_at)
        appender = Appender(path, start)
        with self._lock:
            waiting = self._waiting.setdefault(run_id, {})
            for (step, at_ms), values in grouped(points):
                appender.add({"step": step, **values}, elapsed_s=at_ms / 1000 - start)
                for name, value in values.items():
                    point = Point(step, at_ms, value)
                    waiting[name] = point if name not in waiting else latest(waiting[name], point)
            appender.close()
        if appender.lost:
            raise StoreFull(
                f"no space left while writing the metrics of run {run_id}",
                why=f"its log could not be extended: {path.parent}",
                way_out="free some space there",
            )
        if time.monotonic() - self._told.get(run_id, -TELL_S) >= TELL_S:
            self.tell(run_id)

    def tell(self, run_id: str) -> None:
        """Write the last values into the ledger's tables."""
        with self._lock:
            waiting = self._waiting.pop(run_id, {})
            self._told[run_id] = time.monotonic()
        if waiting:
            self._ledger.set_metrics(run_id, {name: point.value for name, point in waiting.items()})

    def settle(self, run_id: str, started_at: str) -> dict[str, Any]:
        """Sum the whole log up in the ledger; gives the series, as `outputs` keep them."""
        with self._lock:
            self._waiting.pop(run_id, None)
            self._told.pop(run_id, None)
        path = self._ledger.folder_of(run_id) / LOG_NAME
        if not path.is_file():
            return {}
        with open(path, "rb") as file:
            series, metrics = summary(read_log(file), started_at)
        self._ledger.set_metrics(run_id, metrics)
        return series

    def restore(self, run_id: str, digest: str | None) -> None:
        """Have the log of a run that has ended on this machine again, so that it can go on."""
        path = self._ledger.folder_of(run_id) / LOG_NAME
        if digest is not None and not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._ledger.objects.get_file(digest, path)


def grouped(points: Iterable[tuple[str, Point]]) -> Iterator[tuple[tuple[int, int], dict[str, float]]]:
    """Values of one step and instant that follow each other make one line."""
    line: dict[str, float] = {}
    here: tuple[int, int] | None = None
    for key, point in points:
        name = metric_name(key)
        if here is not None and (here != (point.step, point.at_ms) or name in line):
            yield here, line
            line = {}
        here = (point.step, point.at_ms)
        line[name] = point.value
    if here is not None:
        yield here, line


def summary(lines: Iterable[dict[str, Any]], started_at: str) -> tuple[dict[str, Any], dict[str, float]]:
    """Series (as `outputs` keep them) and last values of a log. The last is MLflow's: that of the highest step."""
    series = Series()
    last: dict[str, Point] = {}
    start = seconds_of(started_at)
    for line in lines:
        series.add(line)
        for name, point in _points(line, start):
            last[name] = point if name not in last else latest(last[name], point)
    body = series.to_json()
    for name, point in last.items():
        if name in body:
            elapsed_s = round(point.at_ms / 1000 - start, 6)
            body[name] |= {"last": plain(point.value), "last_step": point.step, "last_elapsed_s": elapsed_s}
    return body, {name: point.value for name, point in last.items()}


def history(lines: Iterable[dict[str, Any]], started_at: str, key: str) -> list[Point]:
    """All values of one metric, in the order in which they were logged."""
    name, start = metric_name(key), seconds_of(started_at)
    return [point for line in lines if name in line for found, point in _points(line, start) if found == name]


def points_of(lines: Iterable[dict[str, Any]], started_at: str) -> Iterator[tuple[str, Point]]:
    """All values of all metrics, by their names in the log."""
    start = seconds_of(started_at)
    for line in lines:
        yield from _points(line, start)


def latest_of(lines: Iterable[dict[str, Any]], started_at: str) -> dict[str, Point]:
    """Key -> latest value of each metric of a log."""
    start = seconds_of(started_at)
    last: dict[str, Point] = {}
    for line in lines:
        for name, point in _points(line, start):
            last[name] = point if name not in last else latest(last[name], point)
    return {metric_key(name): point for name, point in last.items()}


def latest(one: Point, other: Point) -> Point:
    """The later of two: by step, then instant, then value. NaN gives way to a number of the same step and instant."""
    if one[:2] != other[:2]:
        return max(one, other, key=lambda point: point[:2])
    if one.value != one.value:
        return other
    return other if other.value >= one.value else one


def recorded(
    metrics: Mapping[str, float], outputs: Mapping[str, Any], started_at: str, ended_at: str | None
) -> dict[str, Point]:
    """Key -> last value of a run that has ended, as the ledger's tables tell it."""
    series = outputs.get("series") or {}
    start = seconds_of(started_at)
    end_ms = round(seconds_of(ended_at or started_at) * 1000)
    found = {}
    for name, value in metrics.items():
        told = series.get(name) or {}
        elapsed_s = told.get("last_elapsed_s")
        at_ms = end_ms if elapsed_s is None else round((start + elapsed_s) * 1000)
        found[metric_key(name)] = Point(int(told.get("last_step") or 0), at_ms, value)
    return found


def is_live(status: str, log: Path) -> bool:
    """Whether the log on this machine knows more of a run than the tables: it goes on, or its process was killed."""
    return status in (RUNNING, "interrupted") and log.is_file()


def _points(line: dict[str, Any], start: float) -> Iterator[tuple[str, Point]]:
    step = line.get("step")
    at_ms = round((start + line.get("elapsed_s", 0.0)) * 1000)
    for name, value in line.items():
        if name not in ("step", "elapsed_s") and isinstance(value, int | float) and not isinstance(value, bool):
            yield name, Point(int(step) if isinstance(step, int | float) and step == step else 0, at_ms, float(value))
