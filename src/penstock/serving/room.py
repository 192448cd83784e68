"""The room that one worker has for models: what takes how much of the memory that `[serving] memory_mb` allows, and who goes where it is short.

The slots' own always stay. Of the shelf the least recently asked goes, where another one needs its room, or the earlier rows that are kept for those
that look back. One that answers a request lives until it has answered, and counts until then; but nobody else goes in its place at once.
"""

from __future__ import annotations

import asyncio
import logging
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from penstock.bundle.runtime import Bundle
from penstock.errors import RequestError
from penstock.serving.follower import Loaded
from penstock.serving.loading import give_memory_back, graph_bytes_of, memory_of
from penstock.serving.model_metrics import ModelCounts
from penstock.serving.remembered import READ_ON_S, RememberedRows
from penstock.serving.shelf import ShelfEntry

log = logging.getLogger("penstock.serving")

_ROOM_S = 5.0  # how long a load waits for bundles that are still answering to go
_PATIENCE_S = 0.5  # how long before one more goes in their place
_LOOK_S = 0.005

Key = tuple[str, int, str]


@dataclass(frozen=True, slots=True)
class Held:
    """A bundle of the shelf that is loaded, and the memory that it takes."""

    loaded: Loaded
    memory_bytes: int


class Room:
    """To be used within the event loop.

    Parameters
    ----------
    limit_bytes : of all together. slots : the bundles of the slots, as they are now. counts : where is told what is held and who goes.
    remembered : the earlier rows of all, where such are kept.

    Attributes
    ----------
    held : what is loaded of the shelf, the least recently asked first.
    """

    def __init__(
        self,
        limit_bytes: int,
        slots: Callable[[], Iterable[Bundle]],
        counts: ModelCounts,
        remembered: RememberedRows | None = None,
    ) -> None:
        self.limit_bytes = limit_bytes
        self.held: OrderedDict[Key, Held] = OrderedDict()
        self._slots, self._counts, self._remembered = slots, counts, remembered
        self._leaving: dict[int, tuple[weakref.ref[Bundle], int]] = {}  # let go, and still answering: their memory
        self._has_said_full = False

    # ------------------------------------------------------------ who is there

    def asked(self, key: Key) -> Loaded | None:
        """What is held, which a request asks for now."""
        held = self.held.get(key)
        if held is None:
            return None
        self.held.move_to_end(key)
        return held.loaded

    def hold(self, key: Key, loaded: Loaded, memory_bytes: int) -> None:
        """It was asked last of all."""
        self.held[key] = Held(loaded, memory_bytes)
        self._tell()

    def let_go(self, key: Key) -> None:
        """It counts until the last request that it answers has its answer."""
        held = self.held.pop(key)
        self._tell()
        bundle, leaving = held.loaded.bundle, self._leaving
        place = id(bundle)
        leaving[place] = weakref.ref(bundle), held.memory_bytes

        def gone() -> None:  # with the last request that it answers, in whichever thread that is
            leaving.pop(place, None)
            give_memory_back()

        weakref.finalize(bundle, gone).atexit = False

    def _tell(self) -> None:
        self._counts.holds({key: held.memory_bytes for key, held in self.held.items()})

    def _evict(self) -> None:
        """The least recently asked."""
        key = next(iter(self.held))
        self._counts.evicted(key)
        self.let_go(key)

    # ------------------------------------------------------------ how much it takes

    def rows_of(self, bundles: Iterable[Bundle]) -> int:
        """Bytes of the earlier rows that these look back at."""
        return 0 if self._remembered is None else self._remembered.size_bytes_of(bundles)

    def pinned(self) -> int:
        """Bytes that the slots' own take, with the rows that they look back at."""
        bundles = list(self._slots())
        return self.rows_of(bundles) + _graphs_of(bundles)

    def taken(self) -> int:
        """Bytes that all take, with their rows: what stays, and what goes but still answers."""
        rows = 0 if self._remembered is None else self._remembered.size_bytes
        return rows + self._without_rows() + sum(size for _, size in list(self._leaving.values()))

    def stays(self) -> int:
        """The same once all that goes has gone."""
        rows = 0
        if self._remembered is not None:  # all but those of what goes: of what is being loaded, too
            here = [*self._slots(), *(held.loaded.bundle for held in self.held.values())]
            going = [bundle for one, _ in list(self._leaving.values()) if (bundle := one()) is not None]
            rows = self._remembered.size_bytes - (self.rows_of([*here, *going]) - self.rows_of(here))
        return max(0, rows) + self._without_rows()

    def _without_rows(self) -> int:
        return _graphs_of(self._slots()) + sum(held.memory_bytes for held in self.held.values())

    # ------------------------------------------------------------ who goes

    async def make(self, entry: ShelfEntry) -> None:
        """Let the least recently asked go until the memory of `entry` is free. For one that still answers it waits; where that takes long,
        one more goes.

        Raises
        ------
        RequestError : status 503; it does not fit, or what it would displace goes on answering.
        """
        pinned, needed = self.pinned(), entry.memory_bytes
        if pinned + needed > self.limit_bytes:
            raise _no_room(entry, pinned, self.limit_bytes)
        start = time.monotonic()
        ends, patient_until = start + _ROOM_S, start + _PATIENCE_S
        while self.taken() + needed > self.limit_bytes:
            now = time.monotonic()
            if self.held and self.stays() + needed > self.limit_bytes:
                self._evict()
            elif now > ends:
                raise _no_room(entry, self.taken(), self.limit_bytes)
            elif self.held and now > patient_until:
                self._evict()
                patient_until = now + _PATIENCE_S
            else:
                await asyncio.sleep(_LOOK_S)

    def keep_within(self) -> None:
        """Let the least recently asked go where rows that came since have taken its room. The last one stays: it would be back at once."""
        while (stays := self.stays()) > self.limit_bytes and len(self.held) > 1:
            self._evict()
        is_full = stays > self.limit_bytes
        if is_full and not self._has_said_full:
            log.warning(
                "models and the rows that are kept for them take %.0f MB, more than [serving] memory_mb allows: raise it, "
                "or keep fewer ([serving.history] rows, keys)",
                stays / 1e6,
            )
        self._has_said_full = is_full

    async def watch(self) -> None:
        """Keep within the limit until cancelled; ends at once where no rows are kept that could grow."""
        while self._remembered is not None:
            await asyncio.sleep(READ_ON_S)
            self.keep_within()


def _graphs_of(bundles: Iterable[Bundle]) -> int:
    return sum(memory_of(graph_bytes_of(bundle)) for bundle in bundles)


def _no_room(entry: ShelfEntry, taken: int, limit: int) -> RequestError:
    return RequestError(
        f"there is no room for {entry.model} version {entry.version}",
        why=f"it takes some {entry.memory_bytes / 1e6:.0f} MB, {taken / 1e6:.0f} MB are taken, and the limit is "
        f"{limit / 1e6:.0f} MB ([serving] memory_mb, of each worker)",
        way_out="ask again in a moment, or raise the limit",
        path="model",
        code="no-room",
        status=503,
    )
