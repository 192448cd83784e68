"""Which bundle is live: one small file, replaced atomically, that every worker follows.

Whoever deploys, rolls back or guards changes `slots.json` here and raises its epoch; each worker loads, self-tests,
switches between two requests and acknowledges the epoch (see `penstock.serving.acknowledgements`).
"""

from __future__ import annotations

import fcntl
import filecmp
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from penstock.errors import NewerFormat, ServingError
from penstock.objects.files import naming_full_disk, sync_folder, write_atomic
from penstock.serving.folder import ServingFolder
from penstock.serving.instants import iso_now

FORMAT = 1
SLOTS = ("blue", "green")


@dataclass(frozen=True, slots=True)
class SlotEntry:
    """What a slot holds.

    Attributes
    ----------
    bundle, path : digest, and where its copy lies relative to the serving folder, so that the folder can be moved.
    deployment : what is known since the bundle was made: the score on an envelope, gates, overrides. Shown by `/model`.
    """

    model: str
    version: int
    bundle: str
    path: str
    deployment: Mapping[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class SlotState:
    """The content of slots.json. Epoch 0: nothing was ever deployed here."""

    epoch: int = 0
    live: str | None = None
    slots: Mapping[str, SlotEntry | None] = field(default_factory=lambda: dict.fromkeys(SLOTS))
    changed_at: str = ""
    by: str = ""

    @property
    def live_entry(self) -> SlotEntry | None:
        return self.slots[self.live] if self.live else None

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
        }

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> SlotState:
        """
        Raises
        ------
        NewerFormat : a later release of Penstock wrote it.
        """
        if plain["format"] != FORMAT:
            raise NewerFormat(
                f"slots.json has format {plain['format']}",
                why=f"this release of Penstock reads format {FORMAT}",
                way_out="upgrade Penstock to the release that deployed here",
            )
        slots = {name: SlotEntry(**entry) if entry else None for name, entry in plain["slots"].items()}
        return cls(plain["epoch"], plain["live"], slots, plain["changed_at"], plain["by"])


def read_slots(state_dir: Path) -> SlotState:
    """The slots of a serving folder; epoch 0 where nothing was deployed.

    Raises
    ------
    NewerFormat : a later release of Penstock wrote slots.json.
    ServingError : slots.json is no such file.
    """
    path = ServingFolder(state_dir).slots
    try:
        return SlotState.from_json(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return SlotState()
    except (ValueError, KeyError, TypeError) as error:
        raise ServingError(
            f"{path} cannot be read",
            why=f"it is not what Penstock writes there ({error})",
            way_out="run `penstock deploy`",
        ) from error


def fill_and_switch(
    state_dir: Path,
    bundle: Path,
    *,
    model: str,
    version: int,
    digest: str,
    deployment: Mapping[str, Any] | None = None,
    by: str = "",
) -> SlotState:
    """Copy a bundle into the idle slot and make that slot live. Servers follow within moments: `wait_for_epoch`.

    Raises
    ------
    StoreFull : no space is left; what was live stays live.
    """
    folder = ServingFolder(state_dir)
    with _changing(folder):
        before = read_slots(state_dir)
        target = folder.bundles / digest.removeprefix("sha256:")
        copy_bundle(bundle, target)
        entry = SlotEntry(model, version, digest, target.relative_to(state_dir).as_posix(), dict(deployment or {}))
        return _write(folder, replace(before, live=before.idle, slots={**before.slots, before.idle: entry}), before, by)


def switch_back(state_dir: Path, *, by: str = "") -> SlotState:
    """Make the other slot live: what was live before the last switch.

    Raises
    ------
    ServingError : the other slot is empty.
    """
    folder = ServingFolder(state_dir)
    with _changing(folder):
        before = read_slots(state_dir)
        if before.slots[before.idle] is None:
            raise ServingError(
                "there is no version to go back to",
                why=f"the slot {before.idle!r} is empty: "
                + ("one version was deployed" if before.live else "none was"),
                way_out="name another version: penstock deploy --version N",
            )
        return _write(folder, replace(before, live=before.idle), before, by)


def restore(state_dir: Path, earlier: SlotState, *, by: str = "") -> SlotState:
    """Put an earlier state back under a new epoch: after a switch that a server refused."""
    folder = ServingFolder(state_dir)
    with _changing(folder):
        return _write(folder, earlier, read_slots(state_dir), by)


def prune_bundles(state_dir: Path) -> list[Path]:
    """Delete copies of bundles that no slot holds any more. To be called once all workers have acknowledged."""
    folder = ServingFolder(state_dir)
    with _changing(folder):
        kept = {entry.path for entry in read_slots(state_dir).slots.values() if entry}
        if not folder.bundles.is_dir():
            return []
        gone = [path for path in folder.bundles.iterdir() if path.relative_to(state_dir).as_posix() not in kept]
        for path in gone:
            shutil.rmtree(path)
        return gone


@contextmanager
def _changing(folder: ServingFolder) -> Iterator[None]:
    """One change at a time, across processes."""
    folder.root.mkdir(parents=True, exist_ok=True)
    with folder.lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write(folder: ServingFolder, state: SlotState, before: SlotState, by: str) -> SlotState:
    state = replace(state, epoch=before.epoch + 1, changed_at=iso_now(), by=by)
    text = json.dumps(state.to_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    write_atomic(folder.slots, text.encode())
    return state


def copy_bundle(source: Path, target: Path) -> None:
    """Have the bundle's files at `target`, whole. A copy that is there but differs (a flipped bit) is replaced."""
    names = sorted(path.name for path in source.iterdir() if path.is_file())
    if target.is_dir() and filecmp.cmpfiles(source, target, names, shallow=False)[0] == names:
        return
    fresh = target.with_name(f".{target.name}.{os.urandom(4).hex()}")
    try:
        with naming_full_disk(target):
            fresh.mkdir(parents=True)
            for name in names:
                shutil.copyfile(source / name, fresh / name)
                with (fresh / name).open("rb") as file:
                    os.fsync(file.fileno())
        if target.is_dir():
            shutil.rmtree(target)
        fresh.rename(target)
        sync_folder(target.parent)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
