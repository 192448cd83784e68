"""Every model that one worker answers for: those of the slots, and those of the shelf, which are loaded when first asked.

What is loaded of the shelf stays until the memory that `[serving] memory_mb` allows is needed for another one, or for the earlier rows that are kept
for those that look back; then the least recently asked goes. The slots' own are never in question. One that answers a request lives until it has
answered, and counts until then.
"""

from __future__ import annotations

import asyncio
import logging
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from penstock.bundle.facts import Facts, read_facts
from penstock.bundle.runtime import Bundle
from penstock.errors import PenstockError, RequestError
from penstock.serving.acknowledgements import AcknowledgementFile
from penstock.serving.addresses import address, number_of
from penstock.serving.background import in_turn
from penstock.serving.folder import ServingFolder
from penstock.serving.followed import Followed
from penstock.serving.follower import Loaded, Serving
from penstock.serving.journal_writer import origin_of
from penstock.serving.known import Known
from penstock.serving.loading import (
    check_whole,
    give_memory_back,
    graph_bytes_of,
    load_bundle,
    memory_measured,
    memory_of,
    refuse_another,
    resident_bytes,
)
from penstock.serving.meant import MEANT, about
from penstock.serving.model_metrics import ModelCounts
from penstock.serving.remembered import READ_ON_S, RememberedRows
from penstock.serving.shelf import SLOT, Shelf, ShelfEntry, read_shelf

log = logging.getLogger("penstock.serving")

RETRY_S = 5.0
"""How long a bundle that could not be loaded is refused without trying again."""

_ROOM_S = 5.0  # how long a load waits for bundles that are still answering to go

Key = tuple[str, int, str]


@dataclass(frozen=True, slots=True)
class Held:
    """A bundle of the shelf that is loaded, and the memory that it takes."""

    loaded: Loaded
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Offered:
    """One version as it stands now in this worker: for lists and states.

    Attributes
    ----------
    state : "ready", "loading", "offered" (loaded when asked), "unloaded" or "failed".
    reason : of a failure.
    """

    model: str
    version: int
    place: str  # the slot, or "shelf"
    state: str
    labels: tuple[str, ...] = ()
    memory_bytes: int = 0
    reason: str = ""


class Models:
    """To be used within the event loop; loading goes on beside it."""

    def __init__(
        self,
        state_dir: Path,
        serving: Callable[[], Serving],
        acknowledgement: AcknowledgementFile,
        *,
        memory_mb: float,
        poll_ms: float,
        remembered: RememberedRows | None = None,
    ) -> None:
        self.state_dir = state_dir
        self._remembered = remembered
        self._has_said_full = False
        self._serving = serving
        self._acknowledgement = acknowledgement
        self._limit = int(memory_mb * 1_000_000)
        self._path, self._turn = ServingFolder(state_dir).shelf, ServingFolder(state_dir).turn
        self._held: OrderedDict[Key, Held] = OrderedDict()  # the least recently asked first
        self._leaving: dict[int, int] = {}  # evicted, and still answering: their memory
        self._loading: dict[Key, asyncio.Task[Loaded]] = {}
        self._failed: dict[Key, tuple[float, RequestError]] = {}
        self._one_at_a_time = asyncio.Lock()
        self._counts = ModelCounts(state_dir, acknowledgement.name)
        self._followed = Followed(self._path, poll_ms / 1000)
        self.shelf = self._read() or Shelf()
        acknowledgement.follows_shelf(self.shelf.epoch)

    # ------------------------------------------------------------ asked

    async def find(self, model: str | None = None, version: str | int | None = None) -> Loaded:
        """What a request names, loaded; it waits where that has to be loaded first, and others go on being answered.

        Parameters
        ----------
        model : None: that of the slots. version : see `penstock.serving.addresses`.

        Raises
        ------
        RequestError : status 404, there is no such thing here; status 503, it is there and cannot be loaded.
        ServingError : no slot is live.
        """
        serving = self._serving()
        word = None if version is None else str(version)
        found = address(serving, model or serving.live.entry.model, word, shelf=self.shelf)
        if isinstance(found, Loaded):
            MEANT.set(about(found))
            return found
        MEANT.set(origin_of(found.model, found.version, SLOT))  # also where it cannot be loaded
        return await self._of_shelf(found)

    async def known(self, model: str | None = None, version: str | None = None) -> Known:
        """What a request names, to be described: nothing is loaded for that, as whoever may not predict asks, too.

        Raises
        ------
        RequestError : as `find`; status 503 where its bundle cannot be read.
        ServingError : no slot is live.
        """
        serving = self._serving()
        found = address(serving, model or serving.live.entry.model, version, shelf=self.shelf)
        if isinstance(found, Loaded):
            return Known.of(found)
        held = self._held.get(found.key)
        if held is not None:  # no reason for it to stay: it is not asked for an answer
            return Known.of(held.loaded)
        try:
            facts = await asyncio.to_thread(self._facts_of, found)
        except PenstockError as error:
            log.error("%s version %d of the shelf cannot be described: %s", found.model, found.version, error)
            raise _unavailable(found) from error
        return Known(SLOT, found.as_slot, facts)

    def _facts_of(self, entry: ShelfEntry) -> Facts:
        """Raises a `BundleError` where the bundle is damaged, or another one than was shelved."""
        facts = read_facts(self.state_dir / entry.as_slot.path)
        refuse_another(facts.digest, entry.as_slot)
        return facts

    async def _of_shelf(self, entry: ShelfEntry) -> Loaded:
        held = self._held.get(entry.key)
        if held is not None:
            self._held.move_to_end(entry.key)
            return held.loaded
        failed = self._failed.get(entry.key)
        if failed is not None and time.monotonic() < failed[0]:
            raise failed[1]
        return await asyncio.shield(self._load(entry))  # whoever goes away does not end what others wait for

    def offered(self) -> list[Offered]:
        """All versions that may be asked here, by model and number."""
        serving = self._serving()
        listed = {}
        for entry in self.shelf.entries:
            held, failed = self._held.get(entry.key), self._failed.get(entry.key)
            state, reason = "offered", ""
            if entry.state == "unloaded":
                state = "unloaded"
            elif held is not None:
                state = "ready"
            elif entry.key in self._loading:
                state = "loading"
            elif failed is not None:
                state, reason = "failed", failed[1].why
            memory = 0 if held is None else held.memory_bytes + self._rows_of(held.loaded.bundle)
            one = Offered(entry.model, entry.version, SLOT, state, entry.labels, memory, reason)
            listed[entry.model, entry.version] = one
        for version, slot in serving.by_version.items():  # a slot wins over the shelf, as it does when asked
            words = ("champion",) if slot.slot == serving.live.slot else ()
            memory = memory_of(graph_bytes_of(slot.bundle)) + self._rows_of(slot.bundle)
            listed[slot.entry.model, version] = Offered(slot.entry.model, version, slot.slot, "ready", words, memory)
        return [listed[key] for key in sorted(listed)]

    def _rows_of(self, bundle: Bundle) -> int:
        return 0 if self._remembered is None else self._remembered.size_bytes_of([bundle])

    def states_of(self, model: str, version: str | None = None) -> list[Offered]:
        """The versions of one model, or the one that is named, as they are: nothing is loaded for that.

        Raises
        ------
        RequestError : status 404; this server offers no such model or version.
        """
        listed = [one for one in self.offered() if one.model == model]
        number = None if version is None else number_of(version)
        if named := [one for one in listed if one.version == number]:
            return named  # also of one that was unloaded
        if listed and version is None:
            return listed
        found = address(self._serving(), model, version, shelf=self.shelf)
        meant = found.entry.version if isinstance(found, Loaded) else found.version
        return [one for one in listed if one.version == meant]

    def is_ready(self, model: str, version: str | None = None) -> bool:
        """Whether what is named is loaded here, so that the next request need not wait for it: nothing is loaded for that.

        Raises
        ------
        RequestError : status 404; this server offers no such model or version. ServingError : no slot is live.
        """
        found = address(self._serving(), model, version, shelf=self.shelf)
        return isinstance(found, Loaded) or found.key in self._held

    def loaded(self) -> dict[tuple[str, int], Bundle]:
        """What is in memory now, by model and number."""
        held = {(model, version): held.loaded.bundle for (model, version, _), held in self._held.items()}
        return held | {(slot.entry.model, version): slot.bundle for version, slot in self._serving().by_version.items()}

    # ------------------------------------------------------------ loading and letting go

    def _load(self, entry: ShelfEntry) -> asyncio.Task[Loaded]:
        """The one load of a bundle that is under way, or a new one."""
        task = self._loading.get(entry.key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._loaded(entry))
            self._loading[entry.key] = task
            task.add_done_callback(lambda done: self._ended(entry.key, done))
        return task

    def _ended(self, key: Key, task: asyncio.Task[Loaded]) -> None:
        self._loading.pop(key, None)
        if not task.cancelled():
            task.exception()  # told already to whoever asked; nobody may have been left to hear it

    async def _loaded(self, entry: ShelfEntry) -> Loaded:
        async with self._one_at_a_time:  # of all bundles: each may take a core, and the room is dealt once
            start = time.perf_counter()
            try:
                await in_turn(self._turn, partial(check_whole, self.state_dir, entry.as_slot))
                await self._make_room(entry)
                bundle, memory_bytes = await in_turn(self._turn, partial(self._bring, entry))
            except RequestError:
                raise  # there is no room
            except (PenstockError, OSError) as error:
                log.error("%s version %d of the shelf is refused: %s", entry.model, entry.version, error)
                self._counts.failed(entry)
                refused = _unavailable(entry)
                self._failed[entry.key] = (time.monotonic() + RETRY_S, refused)
                raise refused from error
        self._counts.loaded(entry, time.perf_counter() - start)
        self._failed.pop(entry.key, None)
        loaded = Loaded.of(SLOT, entry.as_slot, bundle)
        if any(one.key == entry.key and one.state != "unloaded" for one in self.shelf.entries):
            self._held[entry.key] = Held(loaded, memory_bytes)
            self._counts.holds({key: held.memory_bytes for key, held in self._held.items()})
        return loaded

    def _bring(self, entry: ShelfEntry) -> tuple[Bundle, int]:
        """Load beside the event loop; gives the memory that it took, as far as that can be told."""
        before = resident_bytes()
        bundle = load_bundle(self.state_dir, entry.as_slot)
        give_memory_back()  # of what loading alone needed
        memory_bytes = memory_measured(entry.graph_bytes, resident_bytes() - before)
        if self._remembered is not None:
            self._remembered.prepare(bundle, entry.model)
        return bundle, memory_bytes

    async def _make_room(self, entry: ShelfEntry) -> None:
        """Let the least recently asked go until the memory of `entry` is free.

        Raises
        ------
        RequestError : status 503; it does not fit, or what it would displace goes on answering.
        """
        pinned = self._pinned()
        if pinned + entry.memory_bytes > self._limit:
            raise _no_room(entry, pinned, self._limit)
        ends = time.monotonic() + _ROOM_S
        while pinned + self._memory() + entry.memory_bytes > self._limit:
            if self._held:
                self._let_go(next(iter(self._held)), evicted=True)
            elif time.monotonic() > ends:
                raise _no_room(entry, pinned + self._memory(), self._limit)
            else:
                await asyncio.sleep(0.005)

    def _pinned(self) -> int:
        """Bytes that the slots' own take, with the rows that they look back at."""
        bundles = [slot.bundle for slot in self._serving().by_version.values()]
        rows = 0 if self._remembered is None else self._remembered.size_bytes_of(bundles)
        return rows + sum(memory_of(graph_bytes_of(bundle)) for bundle in bundles)

    def _memory(self) -> int:
        """Bytes that are taken by what is loaded of the shelf, and by what goes but still answers, with the rows that they look back at."""
        rows = 0
        if self._remembered is not None:
            slots = [slot.bundle for slot in self._serving().by_version.values()]
            rows = max(0, self._remembered.size_bytes - self._remembered.size_bytes_of(slots))
        return rows + sum(held.memory_bytes for held in self._held.values()) + sum(self._leaving.values())

    def keep_within(self) -> None:
        """Let the least recently asked go where rows that came since have taken its room. The last one stays: it would be back at once."""
        while (taken := self._pinned() + self._memory()) > self._limit and len(self._held) > 1:
            self._let_go(next(iter(self._held)), evicted=True)
        is_full = taken > self._limit
        if is_full and not self._has_said_full:
            log.warning(
                "models and the rows that are kept for them take %.0f MB, more than [serving] memory_mb allows: raise it, "
                "or keep fewer ([serving.history] rows, keys)",
                taken / 1e6,
            )
        self._has_said_full = is_full

    async def _watch_memory(self) -> None:
        while self._remembered is not None:
            await asyncio.sleep(READ_ON_S)
            self.keep_within()

    def _let_go(self, key: Key, *, evicted: bool) -> None:
        held = self._held.pop(key)
        if evicted:
            self._counts.evicted(key)
        self._counts.holds({key: held.memory_bytes for key, held in self._held.items()})
        bundle, leaving = held.loaded.bundle, self._leaving
        place = id(bundle)
        leaving[place] = held.memory_bytes

        def gone() -> None:  # with the last request that it answers, in whichever thread that is
            leaving.pop(place, None)
            give_memory_back()

        weakref.finalize(bundle, gone).atexit = False

    # ------------------------------------------------------------ following the shelf

    async def follow(self) -> None:
        """Look at shelf.json again and again until cancelled. What is to be loaded ahead is loaded first of all."""
        await self._load_ahead()
        await asyncio.gather(self._followed.follow(self._take), self._watch_memory())

    async def _take(self) -> None:
        shelf = await asyncio.to_thread(self._read)
        if shelf is not None:
            await self._move(shelf)

    async def _move(self, shelf: Shelf) -> None:
        before = {entry.key: entry for entry in self.shelf.entries}
        self.shelf = shelf
        offered = {entry.key: entry for entry in shelf.entries if entry.state != "unloaded"}
        for key in [key for key in self._held if key not in offered]:
            self._let_go(key, evicted=False)
        for key in [key for key in self._failed if offered.get(key) is not before.get(key)]:
            del self._failed[key]  # what was changed is tried anew
        await self._load_ahead()
        await asyncio.to_thread(self._acknowledgement.follows_shelf, shelf.epoch)

    async def _load_ahead(self) -> None:
        for entry in self.shelf.entries:
            if entry.state == "loaded" and entry.key not in self._held:
                try:
                    await self._of_shelf(entry)
                except PenstockError as error:
                    log.error("%s version %d is not loaded ahead: %s", entry.model, entry.version, error)

    def _read(self) -> Shelf | None:
        """The shelf; None, with a word in the log, where it cannot be read: what was offered before still is."""
        try:
            return read_shelf(self.state_dir)
        except PenstockError as error:
            log.error("shelf.json is not followed: %s", error)
            return None


def _unavailable(entry: ShelfEntry) -> RequestError:
    return RequestError(
        f"{entry.model} version {entry.version} cannot be asked",
        why="its bundle is damaged or does not run here; the server's log says more",
        way_out="ask another version, or have it put on the shelf again",
        path="version",
        code="model-unavailable",
        status=503,
    )


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
