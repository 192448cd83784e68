"""Which bundle is live: one small file, replaced atomically, that every worker follows.

Whoever deploys, rolls back or guards changes `slots.json` (see `penstock.serving.switching`) and raises its epoch; each worker loads,
self-tests, switches between two requests and acknowledges the epoch (see `penstock.serving.acknowledgements`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from penstock.errors import NewerFormat
from penstock.serving.folder import ServingFolder
from penstock.serving.releases import Release
from penstock.serving.stored import is_count, read_stored, sound

FORMAT = 2
"""1 had no release. Raise it where an older release of Penstock would misread the file, and read the earlier ones in `from_json`."""

SLOTS = ("blue", "green")


@dataclass(frozen=True, slots=True)
class SlotEntry:
    """What a slot holds.

    Attributes
    ----------
    bundle, path : digest, and where its copy lies relative to the serving folder, so that the folder can be moved.
    deployment : what is known since the bundle was made: the score on an envelope, gates, overrides. Shown by `/model`.
    watched : the watch in which it was counted when it went live; None: it was not watched.
    taken_back : why a guard took it back; it is not gone back to.
    """

    model: str
    version: int
    bundle: str
    path: str
    deployment: Mapping[str, Any] = field(default_factory=dict, compare=False)
    watched: int | None = None
    taken_back: str = ""


@dataclass(frozen=True, slots=True)
class SlotState:
    """The content of slots.json. Epoch 0: nothing was ever deployed here.

    Attributes
    ----------
    release : what the idle slot does meanwhile.
    watch : what is live is watched, and the idle slot stands by. Never both.
    """

    epoch: int = 0
    live: str | None = None
    slots: Mapping[str, SlotEntry | None] = field(default_factory=lambda: dict.fromkeys(SLOTS))
    changed_at: str = ""
    by: str = ""
    release: Release | None = None
    watch: Release | None = None

    @property
    def live_entry(self) -> SlotEntry | None:
        return self.slots[self.live] if self.live else None

    @property
    def candidate(self) -> SlotEntry | None:
        """What is released beside the live version; None where there is no release."""
        return self.slots[self.idle] if self.release else None

    @property
    def counted(self) -> frozenset[int]:
        """Numbers of the releases and watches whose counts are still looked at, or will be by the next watch."""
        found: list[int | None] = [entry.watched for entry in self.slots.values() if entry is not None]
        for one in (self.release, self.watch):
            if one is not None:
                found += [one.number, one.reference]
        return frozenset(number for number in found if number is not None)

    @property
    def idle(self) -> str:
        """The slot that is filled next, or gone back to."""
        return "green" if self.live == "blue" else "blue"

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "epoch": self.epoch,
            "live": self.live,
            "slots": {name: asdict(entry) if entry else None for name, entry in self.slots.items()},
            "changed_at": self.changed_at,
            "by": self.by,
            "release": self.release.to_json() if self.release else None,
            "watch": self.watch.to_json() if self.watch else None,
        }

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> SlotState:
        """
        Raises
        ------
        NewerFormat : a later release of Penstock wrote it.
        """
        if plain["format"] not in (1, FORMAT):
            raise NewerFormat(
                f"slots.json has format {plain['format']}",
                why=f"this release of Penstock reads formats up to {FORMAT}",
                way_out="upgrade Penstock to the release that deployed here",
            )
        slots = {name: SlotEntry(**entry) if entry else None for name, entry in plain["slots"].items()}
        release, watch = (Release.from_json(plain[name]) if plain.get(name) else None for name in ("release", "watch"))
        sound(*slots.values(), release, watch)
        if set(slots) != set(SLOTS) or plain["live"] not in (None, *SLOTS) or not is_count(plain["epoch"]):
            raise ValueError("a slot, or the epoch, is none")
        return cls(plain["epoch"], plain["live"], slots, str(plain["changed_at"]), str(plain["by"]), release, watch)


def read_slots(state_dir: Path) -> SlotState:
    """The slots of a serving folder; epoch 0 where nothing was deployed.

    Raises
    ------
    NewerFormat : a later release of Penstock wrote slots.json.
    ServingError : slots.json is no such file.
    """
    return read_stored(ServingFolder(state_dir).slots, SlotState.from_json, SlotState(), "run `penstock deploy`")
