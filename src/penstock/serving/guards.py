"""Looks at a release every second, in every worker, and ends it when a guard trips.

Any worker may do so: all see the counts of all, and `slots.json` is changed under a lock and only while it still holds that release. No
ledger is needed; the next command writes the return into the audit trail.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import final

from penstock.errors import PenstockError
from penstock.serving.arm_counts import ARMS, Counts, figures, minus, read_counts
from penstock.serving.arms import Arms
from penstock.serving.conditions import Condition, Finding, parse
from penstock.serving.instants import parse_instant
from penstock.serving.releases import CANDIDATE_ARM, LIVE_ARM, Release
from penstock.serving.slots import end_release

log = logging.getLogger("penstock.serving")

LOOK_S = 1.0
BY = "guard"
"""How a change of slots.json by a guard begins to name who made it."""


@final
class GuardWatch:
    """Judges the release that goes on by what happened within its window."""

    def __init__(self, state_dir: Path, arms: Callable[[], Arms | None]) -> None:
        self._state_dir, self._arms = state_dir, arms
        self._looks: deque[tuple[float, Mapping[str, Counts]]] = deque()
        self._release: Release | None = None
        self._conditions: tuple[Condition, ...] = ()

    async def watch(self) -> None:
        """Look again and again until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            if self._arms() is not None:
                await asyncio.to_thread(self.look)

    def look(self) -> str | None:
        """Look once; gives why the release was ended, None where it goes on."""
        arms = self._arms()
        if arms is None or arms.closed:
            return None
        try:
            reason = self._judge(arms.release)
            if reason is None:
                return None
            arms.closed = True  # from here on this worker asks the candidate no more, whatever becomes of slots.json
            log.error("the release of version %d is ended: %s", arms.candidate.entry.version, reason)
            end_release(self._state_dir, arms.release.number, by=f"{BY}: {reason}")
        except (PenstockError, OSError) as error:
            log.error("the guards cannot do their work: %s", error)
            return None
        return reason

    def _judge(self, release: Release) -> str | None:
        guards = release.guards
        if release != self._release:
            if self._release is None or release.number != self._release.number:
                self._looks.clear()
            self._release = release
            self._conditions = tuple(condition for condition in map(parse, guards.trip) if condition.is_fast)
        now, counts = time.monotonic(), read_counts(self._state_dir, release.number)
        if not self._looks:
            age_s = hours_since(release.started_at) * 3600
            if age_s <= guards.window_s:
                self._looks.append((now - age_s, {arm: [0.0] * len(counts[arm]) for arm in ARMS}))
            else:  # this worker began within the release: what was counted before is older than the window
                self._looks.append((now, counts))
        while len(self._looks) > 1 and self._looks[1][0] <= now - guards.window_s:
            self._looks.popleft()
        before = self._looks[0][1]
        counted = {arm: figures(minus(counts[arm], before[arm])) for arm in ARMS}
        self._looks.append((now, counts))
        if counted[CANDIDATE_ARM]["requests"] < guards.minimum_requests:
            return None
        since = hours_since(release.started_at)
        candidate, live = ({**counted[arm], "hours": since} for arm in (CANDIDATE_ARM, LIVE_ARM))
        for condition in self._conditions:
            verdict = condition.judge(candidate, live)
            if verdict.holds:
                return tripped(verdict.findings)
        return None


def tripped(findings: tuple[Finding, ...]) -> str:
    """Why a condition holds, in words: its comparisons that do."""
    return "; ".join(f"{one.text} ({one.left:.4g} against {one.right:.4g})" for one in findings if one.holds)


def hours_since(started_at: str) -> float:
    """Since an instant, as a release has it."""
    return (datetime.now(UTC) - parse_instant(started_at)).total_seconds() / 3600
