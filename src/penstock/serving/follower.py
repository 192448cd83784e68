"""A worker's own view of the slots: what is loaded, what is live, and how it follows slots.json.

Both slots stay loaded, so that going back is one assignment between two requests.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import orjson

from penstock.bundle.runtime import Bundle
from penstock.errors import BundleError, PenstockError, ServingError
from penstock.serving.acknowledgements import AcknowledgementFile
from penstock.serving.arm_counts import ArmCounter
from penstock.serving.arms import Arms
from penstock.serving.background import in_turn
from penstock.serving.changes import WATCHED
from penstock.serving.folder import ServingFolder
from penstock.serving.followed import Followed
from penstock.serving.journal_writer import origin_of
from penstock.serving.loading import load_bundle
from penstock.serving.shadow import Shadow
from penstock.serving.slots import SlotEntry, SlotState, read_slots
from penstock.serving.switching import end_watch

log = logging.getLogger("penstock.serving")

_TELL_LOADING_S = 1.0


@dataclass(frozen=True, slots=True)
class Loaded:
    """A slot whose bundle has passed its self-test. What every answer repeats is encoded here once."""

    slot: str
    entry: SlotEntry
    bundle: Bundle
    origin: bytes  # for the journal
    opening: bytes  # of a response body
    novelty_limit: float
    counter: ArmCounter | None = None  # of its arm, while there is a release
    arms: Arms | None = None  # of the live version: between which a request that names no version is dealt

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

    @property
    def arms(self) -> Arms | None:
        """The release that goes on; None where there is none."""
        return self.live.arms


OpenShadow = Callable[[int, Loaded, ArmCounter], Shadow]
"""Starts the process of a shadow, of a release of that number."""


Prepare = Callable[[Bundle, str], None]
"""What is done for a bundle, under its model's name, beside the event loop and before it is asked."""


class SlotFollower:
    """Keeps `serving` in step with slots.json. `serving` is None while no slot is live."""

    def __init__(
        self,
        state_dir: Path,
        *,
        poll_ms: float,
        open_shadow: OpenShadow | None = None,
        prepare: Prepare | None = None,
    ) -> None:
        self.state_dir = state_dir
        self._prepare = prepare
        self._open_shadow = open_shadow
        self._shadow: Shadow | None = None
        self.serving: Serving | None = None
        self.acknowledgement = AcknowledgementFile(state_dir)
        self._path, self._turn = ServingFolder(state_dir).slots, ServingFolder(state_dir).turn
        self._followed = Followed(self._path, poll_ms / 1000)
        self._started = SlotState()
        self._bundles: dict[str, Bundle] = {}  # by digest

    def start(self) -> None:
        """Load what is live. Raises what is wrong with it, so that a server with nothing to serve never starts.

        Nobody is told yet: see `acknowledge`.

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
        self.serving = self._load(state, strict=False)
        self._started = state

    def acknowledge(self) -> None:
        """Say that what was loaded at the start is served. To be called once everything else that it takes is there, too."""
        self._acknowledge(self._started)

    async def follow(self) -> None:
        """Look at slots.json again and again until cancelled."""
        await self._followed.follow(self._move)

    async def _move(self) -> None:
        try:
            state = await asyncio.to_thread(read_slots, self.state_dir)
        except PenstockError as error:
            log.error("slots.json is not followed: %s", error)
            return
        try:
            load = partial(self._load, state, strict=True)
            known = all(entry.bundle in self._bundles for entry in state.slots.values() if entry is not None)
            telling = asyncio.create_task(self._tell_loading(state.epoch))
            try:
                serving = await (asyncio.to_thread(load) if known else in_turn(self._turn, load))
            finally:
                telling.cancel()
        except PenstockError as error:
            log.error("epoch %d is refused: %s", state.epoch, error)
            await asyncio.to_thread(self.acknowledgement.refuses, state.epoch, error)
            return
        if self._is_over(state):
            log.error("epoch %d was taken back while it was loaded", state.epoch)
            await asyncio.to_thread(self.acknowledgement.loads_no_more)
            return  # the file has changed since, and is looked at next
        self.serving = serving  # the switch: requests before it had the old one, requests after it have this one
        if serving is None or serving.arms is None or serving.arms.shadow is None:
            await asyncio.to_thread(self._close_shadow)
        await asyncio.to_thread(self._acknowledge, state)

    async def _tell_loading(self, epoch: int) -> None:
        """Say again and again that it is worked on, so that whoever deploys knows to wait."""
        while True:
            await asyncio.sleep(_TELL_LOADING_S)
            await asyncio.to_thread(self.acknowledgement.loads, epoch)

    def _is_over(self, state: SlotState) -> bool:
        """Whether slots.json says something else by now: whoever deployed that may have given up, and said so."""
        try:
            return read_slots(self.state_dir).epoch != state.epoch
        except PenstockError:
            return False

    def _load(self, state: SlotState, *, strict: bool) -> Serving | None:
        """Load both slots. The live one must be good; an idle one that is not is told and left out.

        Parameters
        ----------
        strict : a candidate that cannot be loaded is refused, with its epoch. Not so at the start: there the live version
            answers alone rather than nobody.
        """
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
                if strict and state.release is not None:
                    raise
                log.error("the idle slot %r is left out: %s", state.idle, error)
                if state.watch is not None:  # there is nothing to go back to
                    end_watch(
                        self.state_dir,
                        state.watch.number,
                        by=f"{WATCHED}: version {idle.version}, which stood by, cannot be loaded",
                    )
        self._bundles = {slot.entry.bundle: slot.bundle for slot in loaded.values()}
        by_version = {slot.entry.version: slot for slot in reversed(loaded.values())}  # the live one wins
        released = self._watched(state, loaded) or self._released(state, loaded, strict=strict)
        return Serving(state.epoch, released or loaded[state.live], by_version)

    def _released(self, state: SlotState, loaded: Mapping[str, Loaded], *, strict: bool) -> Loaded | None:
        """The live version with the arms of the release that goes on; None where there is none."""
        live, candidate = loaded[state.live or ""], loaded.get(state.idle)
        if state.release is None or candidate is None:
            return None
        try:
            arms = Arms.of(self.state_dir, state.release, live, candidate, self.acknowledgement.name)
        except BundleError as error:
            if strict:
                raise
            log.error("the release is left out: %s", error)
            return None
        if state.release.mode == "shadow" and self._open_shadow is not None:
            if self._shadow is None or self._shadow.settings.release != state.release.number:
                self._close_shadow()
                self._shadow = self._open_shadow(state.release.number, candidate, arms.counts.candidate)
            arms.shadow = self._shadow
        return replace(live, arms=arms)

    def _watched(self, state: SlotState, loaded: Mapping[str, Loaded]) -> Loaded | None:
        """The live version with what stands by, while it is watched."""
        live, before = loaded[state.live or ""], loaded.get(state.idle)
        if state.watch is None or before is None:
            return None
        return replace(live, arms=Arms.of_watch(self.state_dir, state.watch, live, before, self.acknowledgement.name))

    def _close_shadow(self) -> None:
        """End the process of a shadow whose release is over."""
        if self._shadow is not None:
            self._shadow.close()
            self._shadow = None

    def close(self) -> None:
        """End what was started, and say no more."""
        self._close_shadow()
        self.acknowledgement.remove()

    def _bundle(self, entry: SlotEntry) -> Bundle:
        bundle = self._bundles.get(entry.bundle) or load_bundle(self.state_dir, entry)
        if self._prepare is not None:
            self._prepare(bundle, entry.model)
        return bundle

    def _acknowledge(self, state: SlotState) -> None:
        entry = state.live_entry
        if entry is None:
            self.acknowledgement.serves(state.epoch, "", 0, "")
        else:
            self.acknowledgement.serves(state.epoch, entry.model, entry.version, state.live or "")
