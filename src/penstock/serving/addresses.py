"""Which version is meant: by number, by ``latest`` or ``champion``, by the slot that holds it, by a label of the shelf."""

from __future__ import annotations

from penstock.errors import RequestError
from penstock.serving.follower import Loaded, Serving
from penstock.serving.shelf import Shelf, ShelfEntry

LIVE = ("champion", "live")
_EMPTY = Shelf()
_DIGITS = 18  # of the largest version; Python reads no more than some thousands


def address(
    serving: Serving, model: str, version: str | None = None, *, shelf: Shelf = _EMPTY, path: str = "version"
) -> Loaded | ShelfEntry:
    """The version that a request names: as a loaded slot, or as what stands on the shelf.

    Parameters
    ----------
    model : the model's name. version : a number; ``latest`` (the highest number that this server offers: it knows no registry);
        ``champion`` or ``live`` (of the model in the slots, what answers by itself; of another one, the version with that
        label); ``blue`` or ``green``; a label of the shelf. None is what answers by itself; of a model that is in no slot,
        its champion, or else its latest.
    path : which part of the request names the version, for the message.

    Raises
    ------
    RequestError : status 404; this server offers no such model, or not in that version, or it was unloaded.
    """
    live = serving.live
    if model == live.entry.model:
        if version is None:
            return live
        if version in LIVE:  # not dealt to the arms of a release
            return serving.by_version[live.entry.version]
        found = _in_slots(serving, version)
        shelved = shelf.of(model)
        if version == "latest":
            newest = serving.by_version[max(serving.by_version)]
            ahead = [one for one in shelved if one.state != "unloaded" and one.version > newest.entry.version]
            return ahead[-1] if ahead else newest
    else:
        if model not in shelf.models:
            raise _no_model(serving, shelf, model)
        found, shelved = None, shelf.of(model)
        version = _by_itself(shelved) if version is None else version
        if version == "latest":
            offered = [one for one in shelved if one.state != "unloaded"]
            version = str((offered or shelved)[-1].version)
    if found is not None:
        return found
    for one in shelved:
        if version in one.labels or (version == str(one.version)):
            return one if one.state != "unloaded" else _unloaded(one, path)
    raise _no_version(serving, shelved, model, version, path)


def number_of(version: str) -> int | None:
    """The number that a text is; None where it is none that a version has.

    >>> number_of("12"), number_of("latest"), number_of("9" * 5000)
    (12, None, None)
    """
    return int(version) if version.isascii() and version.isdigit() and len(version) <= _DIGITS else None


def _in_slots(serving: Serving, version: str) -> Loaded | None:
    loaded = serving.by_version
    number = number_of(version)
    if number is not None and number in loaded:
        return loaded[number]
    return next((slot for slot in loaded.values() if slot.slot == version), None)


def _by_itself(shelved: list[ShelfEntry]) -> str:
    """What a model answers with that is in no slot, where no version is named."""
    return "champion" if any("champion" in one.labels for one in shelved) else "latest"


def _no_model(serving: Serving, shelf: Shelf, model: str) -> RequestError:
    names = sorted({serving.live.entry.model, *shelf.models})
    return RequestError(
        f"there is no model {model!r} here",
        why=f"this server has {', '.join(map(repr, names))}",
        way_out=f"ask for {names[0]!r}" if len(names) == 1 else "ask for one of these",
        path="model",
        code="unknown-model",
        status=404,
    )


def _no_version(serving: Serving, shelved: list[ShelfEntry], model: str, version: str, path: str) -> RequestError:
    in_slots = serving.by_version if model == serving.live.entry.model else {}
    numbers = sorted({*in_slots, *(one.version for one in shelved)})
    words = sorted({*(slot.slot for slot in in_slots.values()), *(label for one in shelved for label in one.labels)})
    always = ["latest", "champion"] if in_slots else ["latest"]
    where = "in no slot of this server" + (", nor on its shelf" if shelved else "") if in_slots else "not on the shelf"
    return RequestError(
        f"version {version!r} is {where}",
        why=f"it holds: {', '.join(map(str, numbers))}; also {', '.join(dict.fromkeys([*always, *words]))}",
        way_out="ask one of these, or leave the version out",
        path=path,
        code="unknown-version",
        status=404,
    )


def _unloaded(entry: ShelfEntry, path: str) -> ShelfEntry:
    raise RequestError(
        f"{entry.model} version {entry.version} was unloaded",
        why="whoever runs this server has unloaded it",
        way_out="ask another version, or have it loaded again",
        path=path,
        code="unloaded",
        status=404,
    )
