"""What a server has counted, and when: in two rings of files that all its workers share and that outlive it.

One ring has a tally for each quarter of a minute of the last six hours, the other one for each hour of the last three months. Counters
begin anew with each server, so a tally is kept in two ways: as the counters stood, and as the sum over all servers; the difference
between what is counted now and the last tally is what has come since. Each tally has its number and a checksum: one that was half
written when the machine stopped is left out, and only the seconds that it told of are lost. The files never grow.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass
from pathlib import Path

from penstock.serving.folder import ServingFolder
from penstock.serving.sharing import Turn, shared_map

EVERY_S = 15.0
LONGEST_S = 90 * 86_400.0
"""So long back a tally is kept."""

_HOUR_S = 3600.0
_SPARE = 400  # what the starts of servers add
_RECENT = int(6 * _HOUR_S / EVERY_S) + _SPARE
_LONG = int(LONGEST_S / _HOUR_S) + _SPARE
_UNWATCHED_S = 600.0
_RECORD = struct.Struct("<Q8d6dI")  # number; tally; counters; checksum of these


@dataclass(frozen=True, slots=True)
class Tally:
    """What was counted until an instant, over all workers.

    Attributes
    ----------
    at_s : seconds since 1970.
    answered, failed : prediction requests that were answered, and that were not because of the server (status 500 and above; what a
        client did wrong is neither). slow : of those that were answered, later than `slow_ms`. rows, abstained : of their rows.
    """

    at_s: float
    answered: float = 0.0
    failed: float = 0.0
    timed: float = 0.0
    slow: float = 0.0
    rows: float = 0.0
    abstained: float = 0.0
    slow_ms: float = 0.0

    @classmethod
    def of(cls, at_s: float, counters: Iterable[float], slow_ms: float) -> Tally:
        answered, failed, timed, slow, rows, abstained = counters
        return cls(at_s, answered, failed, timed, slow, rows, abstained, slow_ms)

    @property
    def counters(self) -> tuple[float, ...]:
        return (self.answered, self.failed, self.timed, self.slow, self.rows, self.abstained)


@dataclass(frozen=True, slots=True)
class _Kept:
    """A tally over all servers, its number, and how the counters of its server stood."""

    number: int
    total: Tally
    counters: tuple[float, ...]


class Tallies:
    """The tallies of one serving folder. They are made where they are not there."""

    def __init__(self, state_dir: Path) -> None:
        folder = ServingFolder(state_dir).levels
        self._recent, self._long = _Ring(folder / "recent.ring", _RECENT), _Ring(folder / "long.ring", _LONG)
        path = folder / "recent.ring"
        self._turn = Turn(path)

    @classmethod
    def are_there(cls, state_dir: Path) -> bool:
        return (ServingFolder(state_dir).levels / "recent.ring").exists()

    def note(self, count: Callable[[], Tally], *, at_once: bool = False) -> None:
        """Keep what is counted now, unless another worker just has.

        Parameters
        ----------
        count : gives what the counters say.
        at_once : also where another one just has: before the counters are cleared, and after. Without it, what was counted while
            nobody noted anything for ten minutes is left out: nobody knows when it came.
        """
        with self._turn:
            now, last = count(), self._recent.last()
            if last is None:
                last = _Kept(0, Tally(now.at_s), now.counters)  # from here on
            since = now.at_s - last.total.at_s
            if not at_once and last.number and 0 <= since < EVERY_S * 0.8:
                return
            total = _total(last, now)
            if at_once and last.number and last.counters == now.counters:
                return
            if not at_once and since > _UNWATCHED_S:
                total = Tally.of(now.at_s, last.total.counters, now.slow_ms)
            fresh = _Kept(last.number + 1, total, now.counters)
            self._recent.put(fresh)
            hour = self._long.last()
            if hour is None or not 0 <= total.at_s - hour.total.at_s < _HOUR_S:
                self._long.put(_Kept(hour.number + 1 if hour else 1, total, now.counters))

    def now(self, counted: Tally) -> Tally:
        """The tally over all servers, with what is counted now."""
        last = self._recent.last()
        return _total(last, counted) if last else Tally(counted.at_s, slow_ms=counted.slow_ms)

    def all(self) -> list[Tally]:
        """Those that are kept, in the order of time: by the hour, and by the quarter of a minute in the end."""
        recent = [kept.total for kept in self._recent.all()]
        earlier = [kept.total for kept in self._long.all()]
        first = recent[0].at_s if recent else float("inf")
        return [tally for tally in earlier if tally.at_s < first] + recent


class _Ring:
    """The last so many tallies, in a file of one size. Each has its place by its number."""

    def __init__(self, path: Path, size: int) -> None:
        self._size, self._known = size, 0
        self._map = shared_map(path, size * _RECORD.size)

    def put(self, kept: _Kept) -> None:
        body = _RECORD.pack(kept.number, *astuple(kept.total), *kept.counters, 0)[:-4]
        place = kept.number % self._size * _RECORD.size
        self._map[place : place + _RECORD.size] = body + struct.pack("<I", zlib.crc32(body))

    def last(self) -> _Kept | None:
        """The one with the highest number; found from the one that was last known."""
        kept = self._at(self._known % self._size) if self._known else None
        if kept is None or kept.number < self._known:
            kept = max(self.all(), key=lambda one: one.number, default=None)
        while kept is not None:
            self._known = kept.number
            following = self._at((kept.number + 1) % self._size)
            if following is None or following.number <= kept.number:
                break
            kept = following
        return kept

    def all(self) -> list[_Kept]:
        """In order; without those that are damaged."""
        found = [kept for place in range(self._size) if (kept := self._at(place)) is not None]
        return sorted(found, key=lambda kept: kept.number)

    def _at(self, place: int) -> _Kept | None:
        body = self._map[place * _RECORD.size : (place + 1) * _RECORD.size]
        values = _RECORD.unpack(body)
        if not values[0] or values[0] % self._size != place or zlib.crc32(body[:-4]) != values[-1]:
            return None
        return _Kept(values[0], Tally(*values[1:9]), values[9:15])


def _total(last: _Kept, now: Tally) -> Tally:
    """The sum over all servers, from the last tally and what the counters say now."""
    begun_anew = any(count < before for count, before in zip(now.counters, last.counters, strict=True))
    before = (0.0,) * len(last.counters) if begun_anew else last.counters
    sums = (
        total + count - earlier for total, count, earlier in zip(last.total.counters, now.counters, before, strict=True)
    )
    return Tally.of(now.at_s, sums, now.slow_ms)
