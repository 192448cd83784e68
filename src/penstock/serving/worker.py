"""One worker process: what it serves, its journal, its labels, its counters, from start to stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from starlette.types import Receive, Send

from penstock.errors import PenstockError, ServingError
from penstock.serving.arm_counts import ArmCounter
from penstock.serving.arms import Arms
from penstock.serving.callers import Callers
from penstock.serving.folder import ServingFolder
from penstock.serving.follower import Loaded, Serving, SlotFollower
from penstock.serving.guards import GuardWatch
from penstock.serving.hosts import Hosts
from penstock.serving.journal_writer import JournalWriter
from penstock.serving.judges import judges_of
from penstock.serving.labels import MOST_LABELLED, LabelBook, LabelResult, are_by_key
from penstock.serving.metrics import Metrics
from penstock.serving.models import Models
from penstock.serving.remembered import RememberedRows
from penstock.serving.settings import ServeSettings
from penstock.serving.shadow import Shadow
from penstock.serving.tls import Certificate
from penstock.serving.watching import watching_of

log = logging.getLogger("penstock.serving")


_LOOK_UPS = 3
"""Requests whose labels are looked up at once: each takes a thread, of which others need some, too."""


class Beside(Protocol):
    """What answers beside HTTP, in the same event loop."""

    async def start(self) -> object: ...

    async def stop(self, grace_s: float) -> None: ...


class Worker:
    """Loads what is live before it takes the first request.

    Raises
    ------
    ServingError : nothing is deployed.
    BundleError : what is live is damaged.
    """

    def __init__(self, state_dir: Path, settings: ServeSettings) -> None:
        self.settings, self.state_dir = settings, state_dir
        self.watching = watching_of(settings)
        self.hosts = Hosts(settings.host, settings.hosts)
        self.certificate = None if settings.tls is None else Certificate(settings.tls)

        def open_shadow(release: int, candidate: Loaded, counter: ArmCounter) -> Shadow:
            return Shadow.of(state_dir, release, candidate, counter, settings)

        self.remembered = RememberedRows(ServingFolder(state_dir).journal, settings.history)
        self._follower = SlotFollower(
            state_dir, poll_ms=settings.poll_ms, open_shadow=open_shadow, prepare=self.remembered.prepare
        )
        try:
            self._follower.start()
        except BaseException:
            self._follower.close()
            raise
        self.models = Models(
            state_dir,
            lambda: self.serving,
            self._follower.acknowledgement,
            memory_mb=settings.memory_mb,
            poll_ms=settings.poll_ms,
            remembered=self.remembered if settings.history.rows else None,
        )
        self.journal = JournalWriter(ServingFolder(state_dir).journal, settings.journal)
        self.metrics = Metrics(state_dir, self._follower.acknowledgement.name, settings.objectives)
        self.callers = Callers(state_dir, self._follower.acknowledgement.name, consumers=settings.consumers)
        self._labels = LabelBook(ServingFolder(state_dir).journal, settings.journal.unknown_labels, most=MOST_LABELLED)
        self.guards = GuardWatch(state_dir, self._arms)
        self._one_at_a_time, self._one_reads_keys = asyncio.Lock(), asyncio.Lock()
        self._few_look_up = asyncio.Semaphore(_LOOK_UPS)
        self.one_changes_shelf = asyncio.Lock()
        self.closing: list[Callable[[], None]] = []  # what is to be closed with the worker
        self.failure: BaseException | None = None  # why it could not start, or go on; for whoever started it
        self.end: Callable[[], None] = lambda: None  # ends the server; set by whoever runs it

    @property
    def serving(self) -> Serving:
        """
        Raises
        ------
        ServingError : no slot is live (status 503).
        """
        serving = self._follower.serving
        if serving is None:
            raise ServingError(
                "the server is not ready", why="no slot is live", way_out="deploy a version with `penstock deploy`"
            )
        return serving

    @property
    def serving_or_none(self) -> Serving | None:
        return self._follower.serving

    def _arms(self) -> Arms | None:
        serving = self._follower.serving
        return None if serving is None else serving.arms

    async def take_labels(self, items: Sequence[Any]) -> LabelResult:
        """Judge labels beside the event loop, and journal those that are new."""
        live = self.serving.live
        bundle = live.bundle
        others = judges_of(self.state_dir, self.models.shelf, self.models.loaded())
        look_up = partial(
            self._labels.read, items, bundle.decoder, bundle.read_key, model=live.entry.model, others=others
        )
        if are_by_key(items):
            async with self._one_reads_keys:
                await asyncio.to_thread(self._labels.read_keys)
        async with self._few_look_up:
            read = await asyncio.to_thread(look_up)
        async with self._one_at_a_time:
            result = await asyncio.to_thread(self._labels.decide, read)
            if result.new:
                self.journal.labels([label.to_json() for label in result.new])
        return result

    async def lifespan(self, receive: Receive, send: Send, beside: Beside | None = None) -> None:
        """Follow the slots from the server's start to its stop; then close the journal."""
        await receive()
        if beside is not None:
            try:
                await beside.start()
            except PenstockError as error:
                self.failure = error
                await send({"type": "lifespan.startup.failed", "message": ""})
                return
        await asyncio.to_thread(self._follower.acknowledge)
        renewing = [] if self.certificate is None else [self.certificate.follow()]
        following = asyncio.gather(
            self._follower.follow(),
            self._follower.acknowledgement.catch_up(),
            self.models.follow(),
            self.remembered.follow(),
            self.callers.follow(),
            self.guards.watch(),
            self.metrics.levels.watch(),
            *renewing,
        )
        following.add_done_callback(self._followed)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if beside is not None:
            await beside.stop(self.settings.stop_after_s)
        following.cancel()
        await asyncio.wait([following])
        await asyncio.to_thread(self.close)
        if self.watching is not None:
            await asyncio.to_thread(self.watching.close)
        await send({"type": "lifespan.shutdown.complete"})

    def _followed(self, following: asyncio.Future[Any]) -> None:
        """End the worker where it follows no longer, whatever the fault: another one takes its place, and none answers for ever with
        what was live once."""
        error = None if following.cancelled() else following.exception()
        if error is None or isinstance(error, asyncio.CancelledError):  # told to stop
            return
        log.critical("the worker follows no longer what is deployed, and ends", exc_info=error)
        self.failure = error
        self.end()

    def close(self) -> None:
        for close in self.closing:
            close()
        self.journal.close()
        self._follower.close()
