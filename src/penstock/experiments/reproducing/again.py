"""Two runs of the same script, result by result: numbers, series, files, and how they ended."""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

from penstock.experiments.reproducing.verdict import Difference
from penstock.objects.tree import Tree, read_tree

if TYPE_CHECKING:
    from penstock.ledger.ledger import Ledger
    from penstock.ledger.record import RunRecord

_OF_TIME = frozenset((
    "time", "times", "seconds", "second", "secs", "sec", "ms", "us", "ns", "s", "minutes", "hours", "duration", "elapsed", "eta", "speed",
    "throughput", "fps", "qps", "tps", "latency", "runtime", "wall", "walltime", "timestamp", "date", "memory", "mem", "rss", "utilization",
))  # fmt: skip
"""Words in the name of a number that measures the clock or the machine."""
_FILES_OF_TIME = re.compile(r"(.*/)?(events\.out\.tfevents\..*|.*\.(log|prof|pyc))")


@final
@dataclass
class Comparison:
    """What was found. Causes are not known yet: they are filled in by `explained`.

    Attributes
    ----------
    compared : numbers, series and files. metrics : a row for each number: name, was, is, verdict.
    """

    found: list[tuple[str, str, Any, Any]] = field(default_factory=list)
    compared: int = 0
    metrics: list[dict[str, Any]] = field(default_factory=list)
    not_compared: list[dict[str, str]] = field(default_factory=list)

    def differs(self, kind: str, what: str, was: Any, now: Any) -> None:
        self.found.append((kind, what, was, now))

    def explained(self, cause: Callable[[str, str], str]) -> list[Difference]:
        """The differences, each with what `cause` says of its kind and name."""
        return [Difference(kind, what, was, now, cause(kind, what)) for kind, what, was, now in self.found]


def compare(ledger: Ledger, was: RunRecord, now: RunRecord, *, tolerance: float) -> Comparison:
    """Compare two runs. Numbers that measure time, and files that tell it, are named and passed over."""
    result = Comparison()
    ends = [(record.status, record.outputs.get("exit_status")) for record in (was, now)]
    result.compared += 1
    if ends[0] != ends[1]:
        result.differs("exit", "the end", *(f"{status}, exit status {code}" for status, code in ends))
    series = _series(ledger, was, now, tolerance)
    _metrics(result, was, now, series, tolerance)
    _files(result, _tree(ledger, was), _tree(ledger, now))
    return result


def is_of_time(name: str) -> bool:
    """Whether a number of this name measures the clock or the machine.

    >>> [is_of_time(n) for n in ("epoch_time", "samples_per_second", "elapsed_s", "Wall time", "loss", "time_steps", "recall")]
    [True, True, True, True, False, False, False]
    """
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)]
    return bool(_OF_TIME & set(words)) and not {"step", "steps"} & set(words)


def same(was: float | None, now: float | None, tolerance: float) -> str:
    """``same``, ``close`` (within the relative tolerance) or ``different``; NaN is the same as NaN."""
    if was is None or now is None:
        return "same" if was is now else "different"
    if was == now or (math.isnan(was) and math.isnan(now)):
        return "same"
    if math.isfinite(was) and math.isfinite(now) and abs(was - now) <= tolerance * max(1.0, abs(was)):
        return "close"
    return "different"


@dataclass
class _Walk:
    """One series in both logs, so far."""

    verdict: str = "same"
    points: int = 0
    where: tuple[Any, Any, Any] | None = None  # step, was, now: the first that differs most


def _metrics(result: Comparison, was: RunRecord, now: RunRecord, series: dict[str, _Walk], tolerance: float) -> None:
    for name in sorted({*was.metrics, *now.metrics}):
        if is_of_time(name):
            result.not_compared.append({"what": name, "why": "it measures time or the machine"})
            continue
        before, after = _value(was, name), _value(now, name)
        told = same(before, after, tolerance)
        result.compared += 1
        walk = series.get(name)
        if told == "different":
            result.differs("metric", name, before, after)
        elif walk is not None and walk.where is not None and walk.verdict == "different":
            step, a, b = walk.where
            result.differs("series", f"{name} at {step}", a, b)
            told = "different"
        elif told == "close":
            result.differs("rounding", name, before, after)
        elif walk is not None and walk.where is not None:
            step, a, b = walk.where
            result.differs("rounding", f"{name} at {step}", a, b)
            told = "close"
        result.metrics.append({"name": name, "was": before, "is": after, "verdict": told})


def _series(ledger: Ledger, was: RunRecord, now: RunRecord, tolerance: float) -> dict[str, _Walk]:
    """Both logs point by point, name by name: the third value of a name is compared with its third, whatever came between.

    Only the values by which one log is ahead of the other are held in memory.
    """
    walks: dict[str, _Walk] = {}
    waiting: dict[str, tuple[int, deque[tuple[Any, float]]]] = {}  # name -> whose values wait, and the values
    logs = [_points(ledger, was), _points(ledger, now)]
    live = [0, 1]
    while live:
        for side in list(live):
            point = next(logs[side], None)
            if point is None:
                live.remove(side)
                continue
            name, step, value = point
            walk = walks.setdefault(name, _Walk())
            owner, queue = waiting.get(name, (side, deque()))
            if owner == side or not queue:
                queue.append((step, value))
                waiting[name] = (side, queue)
                continue
            first_step, other = queue.popleft()
            pair = (other, value) if side == 1 else (value, other)
            _take(walk, first_step if first_step is not None else step, *pair, tolerance)
    for name, (owner, queue) in waiting.items():
        if queue:  # one of them has more
            walk = walks[name]
            step, value = queue[0]
            if walk.verdict != "different":
                walk.verdict = "different"
                place = f"value {walk.points + 1}" if step is None else f"step {step}"
                walk.where = (place, value, None) if owner == 0 else (place, None, value)
    return walks


def _take(walk: _Walk, step: Any, was: float, now: float, tolerance: float) -> None:
    walk.points += 1
    told = same(was, now, tolerance)
    if (told == "different" and walk.verdict != "different") or (told == "close" and walk.verdict == "same"):
        walk.verdict = told
        walk.where = (f"value {walk.points}" if step is None else f"step {step}", was, now)


def _points(ledger: Ledger, record: RunRecord) -> Iterator[tuple[str, Any, float]]:
    for line in ledger.log_of(record):
        step = line.get("step")
        for name, value in line.items():
            if name not in ("step", "elapsed_s") and isinstance(value, int | float) and not isinstance(value, bool):
                yield name, step, value


def _files(result: Comparison, was: Tree | None, now: Tree | None) -> None:
    before = {} if was is None else was.files
    after = {} if now is None else now.files
    for path in sorted({*before, *after}):
        if _FILES_OF_TIME.fullmatch(path):
            result.not_compared.append({"what": path, "why": "files of this kind tell the time"})
            continue
        result.compared += 1
        digests = [None if path not in files else files[path].digest for files in (before, after)]
        if digests[0] != digests[1]:
            result.differs("file", path, *digests)


def _tree(ledger: Ledger, record: RunRecord) -> Tree | None:
    artifact = record.artifacts.get("files")
    return None if artifact is None else read_tree(ledger.objects, artifact["digest"])


def _value(record: RunRecord, name: str) -> float | None:
    return record.metrics[name]["value"] if name in record.metrics else None
