"""Every model that one worker answers for: those of the slots, and those of the shelf, which are loaded when first asked.

What is loaded of the shelf stays until its room is needed: see `room`.
"""

from __future__ import annotations

import asyncio
import logging
import time
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
from penstock.serving.remembered import RememberedRows
from penstock.serving.room import Key, Room
from penstock.serving.shelf import SLOT, Shelf, ShelfEntry, read_shelf

log = logging.getLogger("penstock.serving")

RETRY_S = 5.0
"""How long a bundle that could not be loaded is refused without trying again."""


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
        self._serving = serving
        self._acknowledgement = acknowledgement
        self._path, self._turn = ServingFolder(state_dir).shelf, ServingFolder(state_dir).turn
        self._loading: dict[Key, asyncio.Task[Loaded]] = {}
        self._failed: dict[Key, tuple[float, RequestError]] = {}
        self._one_at_a_time = asyncio.Lock()
        self._counts = ModelCounts(state_dir, acknowledgement.name)
        self.room = Room(int(memory_mb * 1_000_000), self._slots, self._counts, remembered)
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
        found = address(serving, serving.live.entry.model if model is None else model, word, shelf=self.shelf)
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
        found = address(serving, serving.live.entry.model if model is None else model, version, shelf=self.shelf)
        if isinstance(found, Loaded):
            return Known.of(found)
        held = self.room.held.get(found.key)
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
        loaded = self.room.asked(entry.key)
        if loaded is not None:
            return loaded
        failed = self._failed.get(entry.key)
        if failed is not None and time.monotonic() < failed[0]:
            raise failed[1]
        return await asyncio.shield(self._load(entry))  # whoever goes away does not end what others wait for

    def offered(self) -> list[Offered]:
        """All versions that may be asked here, by model and number."""
        serving = self._serving()
        listed = {}
        for entry in self.shelf.entries:
            held, failed = self.room.held.get(entry.key), self._failed.get(entry.key)
            state, reason = "offered", ""
            if entry.state == "unloaded":
                state = "unloaded"
            elif held is not None:
                state = "ready"
            elif entry.key in self._loading:
                state = "loading"
            elif failed is not None:
                state, reason = "failed", failed[1].why
            memory = 0 if held is None else held.memory_bytes + self.room.rows_of([held.loaded.bundle])
            one = Offered(entry.model, entry.version, SLOT, state, entry.labels, memory, reason)
            listed[entry.model, entry.version] = one
        for version, slot in serving.by_version.items():  # a slot wins over the shelf, as it does when asked
            words = ("champion",) if slot.slot == serving.live.slot else ()
            memory = memory_of(graph_bytes_of(slot.bundle)) + self.room.rows_of([slot.bundle])
            listed[slot.entry.model, version] = Offered(slot.entry.model, version, slot.slot, "ready", words, memory)
        return [listed[key] for key in sorted(listed)]

    def _slots(self) -> list[Bundle]:
        return [slot.bundle for slot in self._serving().by_version.values()]

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
        return isinstance(found, Loaded) or found.key in self.room.held

    def loaded(self) -> dict[tuple[str, int], Bundle]:
        """What is in memory now, by model and number."""
        held = {(model, version): held.loaded.bundle for (model, version, _), held in self.room.held.items()}
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
                await self.room.make(entry)
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
            self.room.hold(entry.key, loaded, memory_bytes)
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

    # ------------------------------------------------------------ following the shelf

    async def follow(self) -> None:
        """Look at shelf.json again and again until cancelled. What is to be loaded ahead is loaded first of all."""
        await self._load_ahead()
        await asyncio.gather(self._followed.follow(self._take), self.room.watch())

    async def _take(self) -> None:
        shelf = await asyncio.to_thread(self._read)
        if shelf is not None:
            await self._move(shelf)

    async def _move(self, shelf: Shelf) -> None:
        before = {entry.key: entry for entry in self.shelf.entries}
        self.shelf = shelf
        offered = {entry.key: entry for entry in shelf.entries if entry.state != "unloaded"}
        for key in [key for key in self.room.held if key not in offered]:
            self.room.let_go(key)
        for key in [key for key in self._failed if offered.get(key) is not before.get(key)]:
            del self._failed[key]  # what was changed is tried anew
        await self._load_ahead()
        await asyncio.to_thread(self._acknowledgement.follows_shelf, shelf.epoch)

    async def _load_ahead(self) -> None:
        for entry in self.shelf.entries:
            if entry.state == "loaded" and entry.key not in self.room.held:
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
