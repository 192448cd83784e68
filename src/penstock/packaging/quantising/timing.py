"""What two bundles take for the same rows: processor time, measured in turns in one process, so that a busy machine matters little."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from penstock.bundle.frame import Frame
from penstock.bundle.runtime import Bundle

ROUNDS = 7
ROUND_S = 0.02
"""Seconds that a round of one bundle is to last."""
BATCH_ROWS = 1_024
BATCH_S = 0.2
"""Seconds that a batch is to take at most: of a model that takes long for a row, fewer rows are enough."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The shortest of all rounds: what others take away only makes a round longer.

    Attributes
    ----------
    row_cpu_ms : one raw row to its answer. rows_per_s : decoded rows in a batch, per second of one processor.
    row_ratio, batch_ratio : time over that of the other bundle; below 1 is faster.
    """

    row_cpu_ms: float
    row_ratio: float
    rows_per_s: float
    batch_ratio: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def pace(bundle: Bundle, beside: Bundle, row: dict[str, Any], rows: Frame) -> Pace:
    """Measure a bundle beside another one that takes the same rows.

    Parameters
    ----------
    row : raw. rows : decoded; some thousands are enough.
    """
    alone = _in_turns(lambda: bundle.predict([row]), lambda: beside.predict([row]))
    slowest = max(float(seconds.min()) for seconds in alone)
    batch = rows.take(slice(0, max(16, min(BATCH_ROWS, int(BATCH_S / max(slowest, 1e-9))))))
    bulk = _in_turns(lambda: bundle.predict_frame(batch), lambda: beside.predict_frame(batch))
    return Pace(
        row_cpu_ms=float(alone[0].min()) * 1e3,
        row_ratio=float(alone[0].min() / alone[1].min()),
        rows_per_s=len(batch) / float(bulk[0].min()),
        batch_ratio=float(bulk[0].min() / bulk[1].min()),
    )


def _in_turns(first: Callable[[], object], second: Callable[[], object]) -> tuple[np.ndarray, np.ndarray]:
    """Seconds of one call in each round, shape (rounds,), of both. Sessions work in the thread that calls."""
    repeats = [_repeats(work) for work in (first, second)]
    seconds = np.zeros((2, ROUNDS))
    for turn in range(ROUNDS):
        for which, work in ((0, first), (1, second)) if turn % 2 == 0 else ((1, second), (0, first)):
            start = time.thread_time()
            for _ in range(repeats[which]):
                work()
            seconds[which, turn] = (time.thread_time() - start) / repeats[which]
    return seconds[0], seconds[1]


def _repeats(work: Callable[[], object]) -> int:
    """Calls in a round; the first call, which warms up, is not counted."""
    work()
    start = time.thread_time()
    work()
    return max(1, int(ROUND_S / max(time.thread_time() - start, 1e-6)))
