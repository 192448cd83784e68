"""A folder that is followed: whole new files are answered as they come, until somebody says stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event

from penstock.errors import DataError, GateRefused, PenstockError
from penstock.serving.batch.done import Done
from penstock.serving.batch.inputs import Part
from penstock.serving.batch.job import BatchResult, Each

QUIET_S = 2.0
"""So long nobody has written to a file before it is taken for whole."""


@dataclass
class Watch:
    """Which files are whole and were not given yet.

    A file is whole when no process has it open for writing (where the system tells: Linux, local folders) and nothing of it has
    changed for `quiet_s`. One that changes later is given again.

    Attributes
    ----------
    look : the files that are there now.
    """

    look: Callable[[], Sequence[Part]]
    quiet_s: float = QUIET_S
    clock: Callable[[], float] = time.monotonic
    _seen: dict[str, tuple[str, float]] = field(default_factory=dict)  # name -> state, since when
    _given: dict[str, str] = field(default_factory=dict)

    def whole(self) -> list[Part]:
        """In the order of their names."""
        now, found, seen = self.clock(), [], {}
        for part in self.look():
            state = part.state()
            before = self._seen.get(part.name)
            since = before[1] if before is not None and before[0] == state else now
            seen[part.name] = (state, since)
            quiet = part.identity != "" or now - since >= self.quiet_s  # what a bucket shows is whole
            if state and quiet and self._given.get(part.name) != state and not part.is_open():
                found.append(part)
        self._seen = seen
        return found

    def give(self, part: Part) -> None:
        """It was taken, whatever came of it."""
        self._given[part.name] = self._seen[part.name][0]


@dataclass
class Followed:
    """What following a folder came to. `refused` are the files that could not be answered, with the last reason."""

    result: BatchResult = field(default_factory=BatchResult)
    refused: dict[str, PenstockError] = field(default_factory=dict)


def follow(
    each: Each,
    watch: Watch,
    stop: Event,
    *,
    every_s: float = 1.0,
    told: Callable[[Done], None] = lambda done: None,
    told_refused: Callable[[str, PenstockError], None] = lambda name, error: None,
    told_unseen: Callable[[PenstockError], None] = lambda error: None,
) -> Followed:
    """Answer files as they come, until `stop` is set: then the file in hand is the last.

    A file that cannot be answered is told and left until it changes; the others go on. Where it cannot be seen which files there
    are, once it could, that is told and looked for again.

    Raises
    ------
    DataError : at first, it cannot be seen which files there are. StoreError : the answers cannot be written. What was answered stays.
    """
    followed = Followed()
    look = _Looks(watch, told_unseen)
    while not stop.is_set():
        for part in look.whole():
            if stop.is_set():
                break
            try:
                done = each.answer(part, followed.result)
            except (DataError, GateRefused) as error:
                followed.refused[part.name] = error
                told_refused(part.name, error)
            else:
                followed.refused.pop(part.name, None)
                if done is not None:
                    told(done)
            watch.give(part)
        _pause(stop, every_s)
    return followed


class _Looks:
    """Looks of a place that may not answer for a while, as a bucket does. Each reason is told once."""

    def __init__(self, watch: Watch, told: Callable[[PenstockError], None]) -> None:
        self._watch, self._told = watch, told
        self._was_seen, self._reason = False, ""

    def whole(self) -> list[Part]:
        try:
            found = self._watch.whole()
        except DataError as error:
            if not self._was_seen:  # a place that never was is a mistake
                raise
            if str(error) != self._reason:
                self._reason = str(error)
                self._told(error)
            return []
        self._was_seen, self._reason = True, ""
        return found


def _pause(stop: Event, seconds: float) -> None:
    """Wait, unless it is said to stop. (`Event.wait` holds a lock that `Event.set` in a handler of signals would wait for.)"""
    end = time.monotonic() + seconds
    while not stop.is_set() and (left := end - time.monotonic()) > 0:
        time.sleep(min(0.05, left))
