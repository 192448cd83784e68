"""Looks at a release every second, in every worker, and ends it when a guard trips.

Any worker may do so: all see the counts of all, and `slots.json` is changed under a lock and only while it still holds that release. No
ledger is needed; the next command writes the return into the audit trail.

A guard trips on what is shown, not on what was counted: by intervals that hold at all looks together (`penstock.serving.sequences`),
from the beginning of the release on, and from the beginning of each window on, so that what goes wrong late is not hidden by hours that went well.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import final

from penstock.errors import PenstockError
from penstock.serving.arm_counts import ARMS, EDGES_S, REQUESTS, TIMES, Counts, minus, read_counts
from penstock.serving.arm_figures import figures
from penstock.serving.arms import Arms
from penstock.serving.changes import GUARD, WATCHED
from penstock.serving.conditions import Condition, parse
from penstock.serving.instants import parse_instant
from penstock.serving.releases import CANDIDATE_ARM, LIVE_ARM, Release, told_length
from penstock.serving.sequences import ALPHA
from penstock.serving.switching import end_release, end_watch, return_from
from penstock.serving.verdicts import Evidence, judge, shown

log = logging.getLogger("penstock.serving")

LOOK_S = 1.0


@final
class GuardWatch:
    """Judges the release that goes on."""

    def __init__(self, state_dir: Path, arms: Callable[[], Arms | None]) -> None:
        self._state_dir, self._arms = state_dir, arms
        self._starts: list[_Start] = []
        self._release: Release | None = None
        self._conditions: tuple[Condition, ...] = ()
        self._ending: tuple[int, str] | None = (
            None  # number of a release that is to end, and why, until slots.json says so
        )
        self._trouble = ""

    async def watch(self) -> None:
        """Look again and again until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            if self._arms() is not None:
                await asyncio.to_thread(self.look)

    def look(self) -> str | None:
        """Look once; gives why the release was ended, None where it goes on, or the end could not be written yet."""
        arms = self._arms()
        if arms is None:
            return None
        number, reason = arms.release.number, None
        try:
            if self._ending is None or self._ending[0] != number:
                if arms.closed:
                    return None
                reason = self._judge(arms.release)
                if reason is not None:
                    arms.closed = True  # from here on this worker asks it no more, whatever becomes of slots.json
                    self._ending = (number, reason)
                    what = "watch" if arms.is_watch else "release"
                    log.error("the %s of version %d is ended: %s", what, arms.candidate.entry.version, reason)
            if (
                self._ending is not None
            ):  # again at each look until it is written, else whoever starts next goes on with it
                reason = self._ending[1]
                end = return_from if arms.is_watch else end_release
                end(self._state_dir, number, by=f"{GUARD}: {reason}")
                self._ending, self._trouble = None, ""
            elif arms.is_watch and hours_since(arms.release.started_at) * 3600 >= arms.release.guards.watch_s:
                length = told_length(arms.release.guards.watch_s)
                end_watch(self._state_dir, number, by=f"{WATCHED}: nothing was shown against it for {length}")
        except (PenstockError, OSError) as error:
            if str(error) != self._trouble:  # once, though it is tried each second
                self._trouble = str(error)
                log.error("the guards cannot do their work: %s", error)
            return None
        return reason

    def _judge(self, release: Release) -> str | None:
        """Why the release has to end; None where nothing shows that."""
        self._take(release)
        guards, age_h = release.guards, hours_since(release.started_at)
        counts = self._counts(release)
        window = int(3600 * age_h // guards.window_s)
        if self._starts[-1].window < window:
            self._starts = [self._starts[0], *self._starts[1:][-1:], _Start(window, counts)]
        for start in self._starts:
            reason = self._judge_since(start, counts, guards.minimum_requests, age_h)
            if reason is not None:
                return reason
        return None

    def _counts(self, release: Release) -> dict[str, Counts]:
        """Of both arms. In a watch the version before is as it was counted in the release that led there, or when it was watched itself."""
        counts = read_counts(self._state_dir, release.number)
        if release.reference is not None:
            counts[LIVE_ARM] = read_counts(self._state_dir, release.reference)[release.reference_arm]
        return counts

    def _take(self, release: Release) -> None:
        if release == self._release:
            return
        if self._release is None or release.number != self._release.number:
            self._starts = [_Start(0, {arm: [0.0] * (TIMES + len(EDGES_S)) for arm in ARMS})]
        self._release = release
        self._conditions = tuple(condition for condition in map(parse, release.guards.trip) if condition.is_fast)

    def _judge_since(self, start: _Start, counts: Mapping[str, Counts], minimum: int, age_h: float) -> str | None:
        since = {arm: minus(counts[arm], start.counts[arm]) for arm in ARMS}
        if self._release is not None and self._release.mode == "watch":
            since[LIVE_ARM] = counts[LIVE_ARM]  # it is over
        if since[CANDIDATE_ARM][REQUESTS] < minimum:
            return None
        estimates = sum(len(condition.estimates) for condition in self._conditions)
        alpha = start.alpha / max(1, estimates)
        candidate, live = (figures(since[arm], hours=age_h, alpha=alpha) for arm in (CANDIDATE_ARM, LIVE_ARM))
        for condition in self._conditions:
            verdict = judge(condition, Evidence(candidate, live))
            if verdict.holds:
                return shown(verdict.findings)
        return None


@dataclass(frozen=True, slots=True)
class _Start:
    """From when on it is judged: window 0 begins with the release, and of the later ones the last two are looked at.

    All of what is judged, over all windows that there ever will be, says with the chance `ALPHA` at most that a version is beyond a limit
    that it keeps: the chances of the windows add up to that (6 / pi^2 times the sum of 1 / k^2 is 1).
    """

    window: int
    counts: Mapping[str, Counts]

    @property
    def alpha(self) -> float:
        return ALPHA * 6 / math.pi**2 / (self.window + 1) ** 2


def hours_since(started_at: str) -> float:
    """Since an instant, as a release has it."""
    return (datetime.now(UTC) - parse_instant(started_at)).total_seconds() / 3600
