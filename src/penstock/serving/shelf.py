"""The shelf: further models and versions that a server answers for when they are asked by name, in one small file.

`shelf.json` lies beside `slots.json` and is changed as that one is: under a lock, with an epoch, replaced atomically. The slots say
what answers by itself; the shelf says what else may be asked. A worker loads what stands here when it is asked the first time
(see `penstock.serving.models`).
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from penstock.errors import BadParameter, NewerFormat, NotFound
from penstock.objects.files import write_atomic
from penstock.serving.copies import copy_bundle
from penstock.serving.folder import ServingFolder
from penstock.serving.instants import iso_now
from penstock.serving.loading import memory_of
from penstock.serving.slots import SLOTS, SlotEntry
from penstock.serving.stored import is_count, read_stored, sound

FORMAT = 1
SLOT = "shelf"
"""What answers and the journal say in place of a slot."""

RESERVED = frozenset({*SLOTS, SLOT, "latest", "live"})
"""Words that mean a version already, so that no label may be called like one."""

State = Literal["offered", "loaded", "unloaded"]
"""offered: loaded when asked; loaded: loaded ahead, too; unloaded: refused when asked, until it is loaded again."""


@dataclass(frozen=True, slots=True)
class ShelfEntry:
    """One version of one model.

    Attributes
    ----------
    bundle, path : digest, and where its copy lies relative to the serving folder.
    graph_bytes : size of its graph, by which its memory is reckoned.
    labels : names by which the version is asked beside its number, such as ``champion``.
    origin : where it came from, in words.
    """

    model: str
    version: int
    bundle: str
    path: str
    graph_bytes: int
    labels: tuple[str, ...] = ()
    state: State = "offered"
    origin: str = ""

    @property
    def key(self) -> tuple[str, int, str]:
        return self.model, self.version, self.bundle

    @property
    def memory_bytes(self) -> int:
        """Memory that it will take, as it is reckoned before it is loaded."""
        return memory_of(self.graph_bytes)

    @property
    def as_slot(self) -> SlotEntry:
        """The same as an entry of a slot, which is what the rest of a server speaks of."""
        return SlotEntry(self.model, self.version, self.bundle, self.path)

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> ShelfEntry:
        return cls(**{**plain, "labels": tuple(plain["labels"])})


@dataclass(frozen=True, slots=True)
class Shelf:
    """The content of shelf.json. Epoch 0: nothing was ever put there."""

    epoch: int = 0
    entries: tuple[ShelfEntry, ...] = ()
    changed_at: str = ""
    by: str = ""
    models: frozenset[str] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "models", frozenset(entry.model for entry in self.entries))

    def of(self, model: str) -> list[ShelfEntry]:
        """The versions of a model, lowest number first."""
        return sorted((entry for entry in self.entries if entry.model == model), key=lambda entry: entry.version)

    def to_json(self) -> dict[str, Any]:
        entries = [{**asdict(entry), "labels": list(entry.labels)} for entry in self.entries]
        return {
            "format": FORMAT,
            "epoch": self.epoch,
            "entries": entries,
            "changed_at": self.changed_at,
            "by": self.by,
        }

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Shelf:
        """
        Raises
        ------
        NewerFormat : a later release of Penstock wrote it.
        """
        if plain["format"] != FORMAT:
            raise NewerFormat(
                f"shelf.json has format {plain['format']}",
                why=f"this release of Penstock reads format {FORMAT}",
                way_out="upgrade Penstock to the release that filled the shelf",
            )
        entries = tuple(ShelfEntry.from_json(entry) for entry in plain["entries"])
        sound(*entries)
        if not is_count(plain["epoch"]):
            raise ValueError("the epoch is none")
        return cls(plain["epoch"], entries, str(plain["changed_at"]), str(plain["by"]))


def read_shelf(state_dir: Path) -> Shelf:
    """The shelf of a serving folder; empty, with epoch 0, where nothing was ever put there.

    Raises
    ------
    NewerFormat : a later release of Penstock wrote shelf.json.
    ServingError : shelf.json is no such file.
    """
    way_out = "remove it, and put the models on the shelf again with `penstock models shelve`"
    return read_stored(ServingFolder(state_dir).shelf, Shelf.from_json, Shelf(), way_out)


def put_on_shelf(
    state_dir: Path,
    bundle: Path,
    *,
    model: str,
    version: int,
    digest: str,
    graph_bytes: int,
    labels: Sequence[str] = (),
    origin: str = "",
    privacy_key: bytes | None = None,
    by: str = "",
) -> Shelf:
    """Copy a bundle to the shelf and offer it. Another bundle of that model and version is replaced; a label moves to it.

    Parameters
    ----------
    privacy_key : of the project that made it, kept beside its copy for the server alone. One model's versions may be of several projects.

    Raises
    ------
    BadParameter : a label is a number or a word that means a version already.
    StoreFull : no space is left; the shelf stays as it was.
    """
    for label in labels:
        _check_label(label)
    folder = ServingFolder(state_dir)
    place = folder.shelved / quote(model, safe="").replace(".", "%2E")
    target = place / digest.removeprefix("sha256:")
    with _changing(folder):
        before = read_shelf(state_dir)
        copy_bundle(bundle, target)
        if privacy_key is not None:
            from penstock.bundle.privacy.keys import write_key_of

            write_key_of(target, privacy_key)
        path = target.relative_to(state_dir).as_posix()
        entry = ShelfEntry(model, version, digest, path, graph_bytes, tuple(labels), "offered", origin)
        others = [
            replace(one, labels=tuple(label for label in one.labels if label not in labels))
            if one.model == model
            else one
            for one in before.entries
            if (one.model, one.version) != (model, version)
        ]
        return _write(folder, (*others, entry), before, by)


def take_off_shelf(state_dir: Path, model: str, version: str | None = None, *, by: str = "") -> Shelf:
    """No longer offer a model, or one version of it (a number or a label). Its copy goes with `prune_shelf`.

    Raises
    ------
    NotFound : the shelf does not hold it.
    """

    def without(entries: Iterable[ShelfEntry], gone: set[int]) -> tuple[ShelfEntry, ...]:
        return tuple(one for one in entries if one.model != model or one.version not in gone)

    return _change(state_dir, model, version, without, by)


def set_state(state_dir: Path, model: str, state: State, version: str | None = None, *, by: str = "") -> Shelf:
    """Offer, load ahead, or refuse a model (or one version of it) that the shelf holds.

    Raises
    ------
    NotFound : the shelf does not hold it.
    """

    def changed(entries: Iterable[ShelfEntry], those: set[int]) -> tuple[ShelfEntry, ...]:
        return tuple(
            replace(one, state=state) if one.model == model and one.version in those else one for one in entries
        )

    return _change(state_dir, model, version, changed, by)


def prune_shelf(state_dir: Path) -> list[Path]:
    """Delete copies that the shelf names no more. To be called once all workers have acknowledged."""
    from penstock.bundle.privacy.keys import key_of

    folder = ServingFolder(state_dir)
    with _changing(folder):
        entries = read_shelf(state_dir).entries
        kept = {state_dir / entry.path for entry in entries}
        gone = []
        for place in folder.shelved.iterdir() if folder.shelved.is_dir() else ():
            for copy in [path for path in place.iterdir() if path.is_dir() and path not in kept]:
                shutil.rmtree(copy)
                key_of(copy).unlink(missing_ok=True)
                gone.append(copy)
            if not any(path.is_dir() for path in place.iterdir()):
                shutil.rmtree(place)
        return gone


def _change(
    state_dir: Path,
    model: str,
    version: str | None,
    change: Callable[[Iterable[ShelfEntry], set[int]], tuple[ShelfEntry, ...]],
    by: str,
) -> Shelf:
    folder = ServingFolder(state_dir)
    with _changing(folder):
        before = read_shelf(state_dir)
        meant = {
            entry.version
            for entry in before.of(model)
            if version is None or version == str(entry.version) or version in entry.labels
        }
        if not meant:
            raise NotFound(
                f"the shelf does not hold {model}" + ("" if version is None else f" version {version}"),
                why="it holds " + (", ".join(f"{e.model} {e.version}" for e in before.entries) or "nothing"),
                way_out="name one of these, or put it there: penstock models shelve",
            )
        return _write(folder, change(before.entries, meant), before, by)


def _check_label(label: str) -> None:
    if label in RESERVED or label.isdecimal() or not label.isprintable() or not label.strip() or "/" in label:
        raise BadParameter(
            f"{label!r} cannot be a label",
            why=f"numbers and {', '.join(sorted(RESERVED))} mean a version already, and a label is part of an address",
            way_out="choose another word, such as challenger",
        )


@contextmanager
def _changing(folder: ServingFolder) -> Iterator[None]:
    """One change at a time, across processes."""
    folder.root.mkdir(parents=True, exist_ok=True)
    fd = os.open(folder.root / "shelf.lock", os.O_WRONLY | os.O_CREAT, 0o640)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _write(folder: ServingFolder, entries: Sequence[ShelfEntry], before: Shelf, by: str) -> Shelf:
    ordered = tuple(sorted(entries, key=lambda entry: (entry.model, entry.version)))
    shelf = Shelf(before.epoch + 1, ordered, iso_now(), by)
    text = json.dumps(shelf.to_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    write_atomic(folder.shelf, text.encode())
    return shelf
