"""Which version is meant: by number, by ``latest`` or ``champion``, or by the slot that holds it."""

from __future__ import annotations

from penstock.errors import RequestError
from penstock.serving.follower import Loaded, Serving

LIVE = ("champion", "live")


def address(serving: Serving, model: str, version: str | None = None, *, path: str = "version") -> Loaded:
    """The version that a request names, as a loaded slot.

    Parameters
    ----------
    model : the model's name. version : a number, ``latest`` (the highest number), ``champion`` or ``live`` (what answers by
        itself), ``blue`` or ``green``; None is the live one.
    path : which part of the request names the version, for the message.

    Raises
    ------
    RequestError : status 404; this server has no such model, or not in that version.
    """
    live = serving.live
    if model != live.entry.model:
        raise RequestError(
            f"there is no model {model!r} here",
            why=f"this server has {live.entry.model!r}",
            way_out=f"ask for {live.entry.model!r}",
            path="model",
            code="unknown-model",
            status=404,
        )
    if version is None or version in LIVE:
        return live
    loaded = serving.by_version
    if version == "latest":
        return loaded[max(loaded)]
    if version.isascii() and version.isdigit() and int(version) in loaded:
        return loaded[int(version)]
    of_slot = {slot.slot: slot for slot in loaded.values()}
    if version in of_slot:
        return of_slot[version]
    raise RequestError(
        f"version {version!r} is in no slot of this server",
        why=f"it holds: {', '.join(str(v) for v in sorted(loaded))}; also latest, champion, {', '.join(sorted(of_slot))}",
        way_out="ask one of these, or leave the version out to ask the live one",
        path=path,
        code="unknown-version",
        status=404,
    )
