"""What each arm of a release did, counted by every process that answers for it, and added up by whoever asks.

As `penstock.serving.metrics`: doubles in a small memory-mapped file of each process, in a folder of the release. Files of processes
that died stay, so that no count goes down, and a server that is started again goes on counting.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import final

from penstock.serving.folder import ServingFolder
from penstock.serving.releases import CANDIDATE_ARM, LIVE_ARM
from penstock.serving.sharing import shared_map

ARMS = (LIVE_ARM, CANDIDATE_ARM)
COUNTED = (
    "requests",  # answered, or failed
    "errors",
    "rows",
    "abstentions",
    "novel_rows",
    "compared_rows",  # of a shadow, with the live version's answers
    "agreeing_rows",
    "dropped",  # copies that the shadow was not given: it was busy
    "fallback_rows",  # of the answered ones: by the arm's own fallback
)
REQUESTS, ERRORS, ROWS, ABSTENTIONS, NOVEL, COMPARED, AGREEING, DROPPED, FALLBACK = range(len(COUNTED))

TIMES = len(COUNTED)
_PER_DECADE = 40  # of time: a quantile is known to within 6 %
_FASTEST_S = 1e-5
_BUCKETS = 7 * _PER_DECADE  # up to 100 s
EDGES_S = tuple(_FASTEST_S * 10 ** ((place + 1) / _PER_DECADE) for place in range(_BUCKETS))
"""Up to which time each bucket reaches."""

_WIDTH = TIMES + _BUCKETS
_SIZE = len(ARMS) * _WIDTH * 8
_ENDING = ".arms"
Counts = Sequence[float]
"""One arm: what `COUNTED` lists, then how many requests took how long."""


@final
class ArmCounter:
    """Counts one arm in one process."""

    def __init__(self, values: memoryview[float]) -> None:
        self._values = values

    def answered(self, rows: int, abstentions: int, novel: int, seconds: float, by_fallback: int = 0) -> None:
        """A request was answered; some of its rows perhaps by the fallback that the arm itself has."""
        values = self._values
        values[REQUESTS] += 1
        values[ROWS] += rows
        values[ABSTENTIONS] += abstentions
        values[NOVEL] += novel
        values[FALLBACK] += by_fallback
        values[TIMES + _bucket(seconds)] += 1

    def failed(self) -> None:
        """A request was not answered, by this arm's fault."""
        self._values[REQUESTS] += 1
        self._values[ERRORS] += 1

    def compared(self, rows: int, agreeing: int) -> None:
        """Rows of a shadow beside the answers of the live version."""
        self._values[COMPARED] += rows
        self._values[AGREEING] += agreeing

    def dropped(self) -> None:
        """A copy that was not given to the shadow."""
        self._values[DROPPED] += 1


@final
class ArmFile:
    """One process's counts of one release."""

    def __init__(self, state_dir: Path, release: int, name: str) -> None:
        values = memoryview(shared_map(_folder(state_dir, release) / f"{name}{_ENDING}", _SIZE)).cast("d")
        self.live = ArmCounter(values[:_WIDTH])
        self.candidate = ArmCounter(values[_WIDTH:])


def read_counts(state_dir: Path, release: int) -> dict[str, Counts]:
    """The counts of both arms of a release, of all processes together."""
    total = [0.0] * (len(ARMS) * _WIDTH)
    for path in _folder(state_dir, release).glob(f"*{_ENDING}"):
        data = path.read_bytes()
        if len(data) == _SIZE:
            total = [a + b for a, b in zip(total, memoryview(data).cast("d"), strict=True)]
    return {arm: total[place * _WIDTH : (place + 1) * _WIDTH] for place, arm in enumerate(ARMS)}


def minus(now: Counts, before: Counts) -> Counts:
    """What was counted between two looks."""
    return [a - b for a, b in zip(now, before, strict=True)]


def forget_counts(state_dir: Path, *, but: Collection[int]) -> None:
    """Delete the counts of releases and watches that are over; `but`: the numbers of those that are still looked at."""
    kept = set(map(str, but))
    for folder in ServingFolder(state_dir).arms.glob("*"):
        if folder.name not in kept:
            shutil.rmtree(folder, ignore_errors=True)


def _folder(state_dir: Path, release: int) -> Path:
    return ServingFolder(state_dir).arms / str(release)


def _bucket(seconds: float) -> int:
    if seconds <= _FASTEST_S:
        return 0
    return min(_BUCKETS - 1, int(math.log10(seconds / _FASTEST_S) * _PER_DECADE))
