"""A worker's own view of the slots: what is loaded, what is live, and how it follows slots.json.

Both slots stay loaded, so that going back is one assignment between two requests.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from penstock.bundle.runtime import Bundle
from penstock.errors import PenstockError, ServingError
from penstock.serving.acknowledgements import AcknowledgementFile
from penstock.serving.folder import ServingFolder
from penstock.serving.journal import origin_of
from penstock.serving.loading import load_bundle
from penstock.serving.slots import SlotEntry, SlotState, read_slots

log = logging.getLogger("penstock.serving")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A slot whose bundle has passed its self-test. What every answer repeats is encoded here once."""

    slot: str
    entry: SlotEntry
    bundle: Bundle
    origin: bytes  # for the journal
    opening: bytes  # of a response body
    novelty_limit: float

    @classmethod
    def of(cls, slot: str, entry: SlotEntry, bundle: Bundle) -> Loaded:
        opening = orjson.dumps({"model": entry.model, "version": entry.version, "slot": slot})[:-1]
        return cls(
            slot,
            entry,
            bundle,
            origin_of(entry.model, entry.version, slot),
            opening + b',"predictions":',
            bundle.signature.decision.novelty_limit,
        )


@dataclass(frozen=True, slots=True)
class Serving:
    """One epoch. Requests take it whole: a switch never shows halfway."""

    epoch: int
    live: Loaded
    by_version: Mapping[int, Loaded]


class SlotFollower:
    """Keeps `serving` in step with slots.json. `serving` is None while no slot is live."""

    def __init__(self, state_dir: Path, *, poll_ms: float) -> None:
        self.state_dir = state_dir
        self.serving: Serving | None = None
        self.acknowledgement = AcknowledgementFile(state_dir)
        self._path = ServingFolder(state_dir).slots
        self._poll_s = poll_ms / 1000
        self._seen = self._fingerprint()
        self._bundles: dict[str, Bundle] = {}  # by digest

    def start(self) -> None:
        """Load what is live. Raises what is wrong with it, so that a server with nothing to serve never starts.

        Raises
        ------
        ServingError : nothing is deployed.
        BundleError : what is live is damaged, or fails its self-test.
        """
        state = read_slots(self.state_dir)
        if state.live_entry is None:
            raise ServingError(
                "nothing is deployed",
                why=f"no slot is live in {self._path}",
                way_out="run `penstock run` and `penstock deploy` first",
            )
        self.serving = self._load(state)
        self._acknowledge(state)

    async def follow(self) -> None:
        """Look at slots.json again and again until cancelled."""
        while True:
            await asyncio.sleep(self._poll_s)
            seen = self._fingerprint()
            if seen != self._seen:
                self._seen = seen
                await self._move()

    async def _move(self) -> None:
        try:
            state = await asyncio.to_thread(read_slots, self.state_dir)
        except PenstockError as error:
            log.error("slots.json is not followed: %s", error)
            return
        try:
            serving = await asyncio.to_thread(self._load, state)
        except PenstockError as error:
            log.error("epoch %d is refused: %s", state.epoch, error)
            await asyncio.to_thread(self.acknowledgement.refuses, state.epoch, error)
            return
        self.serving = serving  # the switch: requests before it had the old one, requests after it have this one
        await asyncio.to_thread(self._acknowledge, state)

    def _load(self, state: SlotState) -> Serving | None:
        """Load both slots. The live one must be good; an idle one that is not is told and left out."""
        live = state.live_entry
        if state.live is None or live is None:
            self._bundles = {}
            return None
        loaded = {state.live: Loaded.of(state.live, live, self._bundle(live))}
        idle = state.slots[state.idle]
        if idle is not None:
            try:
                loaded[state.idle] = Loaded.of(state.idle, idle, self._bundle(idle))
            except PenstockError as error:
                log.error("the idle slot %r is left out: %s", state.idle, error)
        self._bundles = {slot.entry.bundle: slot.bundle for slot in loaded.values()}
        by_version = {slot.entry.version: slot for slot in reversed(loaded.values())}  # the live one wins
        return Serving(state.epoch, loaded[state.live], by_version)

    def _bundle(self, entry: SlotEntry) -> Bundle:
        if entry.bundle in self._bundles:
            return self._bundles[entry.bundle]
        return load_bundle(self.state_dir, entry)

    def _acknowledge(self, state: SlotState) -> None:
        entry = state.live_entry
        if entry is None:
            self.acknowledgement.serves(state.epoch, "", 0, "")
        else:
            self.acknowledgement.serves(state.epoch, entry.model, entry.version, state.live or "")

    def _fingerprint(self) -> tuple[int, int, int] | None:
        try:
            stat = os.stat(self._path)
        except FileNotFoundError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino
