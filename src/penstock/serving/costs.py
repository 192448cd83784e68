"""What answering costs, as it was measured: how long so many rows take, and whether rows that wait are cheaper together."""

from __future__ import annotations

_WEIGHT = 0.1
"""Of the newest measurement. The first few count more, so that a slow first execution is soon forgotten."""

_LEAP = 8.0
"""Times what was expected: an execution that took longer counts as if it had taken so much (the machine did something else)."""

_WORTH = 0.9
"""Rows are answered together where that costs at most so much of what they cost one by one."""

_LOOK_AGAIN = 512
"""After so many times that batching did not pay, it is tried once more: machines and requests change."""


class Costs:
    """Of one graph, learnt while it answers.

    Times are kept for 1, 2-3, 4-7, ... rows: a moving average for each, in nanoseconds per execution.

    >>> costs = Costs()
    >>> costs.learn(1, 100_000)
    >>> costs.learn(8, 160_000)
    >>> costs.of(1), costs.of(8), costs.pays(8)
    (100000, 160000, True)
    """

    def __init__(self) -> None:
        self._times: dict[int, float] = {}
        self._counts: dict[int, int] = {}
        self._passed = 0

    @property
    def is_known(self) -> bool:
        return bool(self._times)

    def learn(self, rows: int, ns: int) -> None:
        """An execution of so many rows took so long."""
        size = rows.bit_length()
        count = self._counts[size] = self._counts.get(size, 0) + 1
        before = self._times.get(size)
        weight = max(_WEIGHT, 1.0 / count)
        scaled = ns * (1 << size >> 1) / rows if rows else ns  # to the least number of rows of this size
        if before is None:
            self._times[size] = scaled
        else:
            self._times[size] = before + weight * (min(scaled, _LEAP * before) - before)

    def of(self, rows: int) -> int:
        """How long so many rows are expected to take; 0 while nothing is known."""
        times = self._times
        size = rows.bit_length()
        least = 1 << size >> 1
        known = times.get(size)
        if known is not None:
            return int(known * rows / least) if least else int(known)
        if not times:
            return 0
        near = min(times, key=lambda other: (abs(other - size), other))
        ratio = rows / max(1 << near >> 1, 1)
        return int(times[near] * (ratio if near < size else 1.0))  # fewer rows never cost more than many

    def forget_a_little(self) -> None:
        """An answer was not tried because it would have been late: expect a little less the next time, lest a wrong
        expectation last for ever."""
        for size in self._times:
            self._times[size] *= 0.995

    def pays(self, rows: int) -> bool:
        """Whether so many rows, which wait, had better be answered together. What was never measured is tried."""
        size = rows.bit_length()
        if size not in self._times or 1 not in self._times:
            return True
        if self.of(rows) <= _WORTH * rows * self._times[1]:
            return True
        self._passed += 1
        if self._passed < _LOOK_AGAIN:
            return False
        self._passed = 0
        return True
