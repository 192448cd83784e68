"""A prediction request of `/predict`, read: its rows, and what it says of how they are to be answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.errors import RequestError
from penstock.serving.bodies import parse_object
from penstock.serving.follower import Loaded
from penstock.serving.meant import MEANT, about
from penstock.serving.urgency import deadline_of

if TYPE_CHECKING:
    from penstock.serving.worker import Worker

Rows = list[dict[str, Any]]

_NO_HISTORY = object()
_FIELDS = ("rows", "version", "model", "history", "deadline_ms")


@dataclass(slots=True)
class Asked:
    """What a request asks, by whichever protocol.

    Attributes
    ----------
    body : an object with "rows" as it came in, to be journalled as it is; None where the protocol writes rows in another way.
    version : the version that is asked; None: the live one. model : the model that is asked; None: that of the slots.
    deadline_ms : within which the answer is wanted; None where the body says nothing of it.
    """

    rows: Rows
    body: bytes | None = None
    version: int | str | None = None
    history: object = _NO_HISTORY
    model: str | None = None
    deadline_ms: float | None = None

    @property
    def has_history(self) -> bool:
        """Whether earlier rows came along."""
        return self.history is not _NO_HISTORY


def read_asked(body: bytes) -> Asked:
    """
    Raises
    ------
    RequestError : status 400; the body is no such request.
    """
    request = parse_object(body)
    rows = request.get("rows")
    if type(rows) is not list:
        raise _wrong_rows(request)
    if len(request) == 1:
        return Asked(rows, body)
    for name in request:
        if name not in _FIELDS:
            raise RequestError(
                f"unknown field {name!r}",
                why='a request has "rows" and optionally "model", "version", "history" and "deadline_ms"',
                way_out="leave it out; fields of a row go inside the row",
                path=name,
                code="unknown-field",
            )
    version = request.get("version")
    if version is not None and type(version) not in (int, str):
        raise RequestError(
            f"version is {_kind(version)}",
            why='a version is a whole number, or a word such as "latest"',
            way_out='write "version": 1, or leave it out to ask the live one',
            path="version",
            code="wrong-type",
        )
    model = request.get("model")
    if model is not None and type(model) is not str:
        raise RequestError(
            f"model is {_kind(model)}",
            why="a model is named by a text",
            way_out='write "model": "name", or leave it out to ask the live one',
            path="model",
            code="wrong-type",
        )
    deadline_ms = request.get("deadline_ms")
    if deadline_ms is not None:
        deadline_ms = deadline_of(deadline_ms, "deadline_ms")
    return Asked(rows, body, version, request.get("history", _NO_HISTORY), model, deadline_ms)


async def chosen(asked: Asked, worker: Worker) -> Loaded:
    """The version that is asked; one that has to be loaded first is waited for.

    Raises
    ------
    RequestError : status 404, this server does not offer it; 503, it cannot be loaded.
    """
    loaded = at_hand(asked, worker)
    if loaded is None:
        return await worker.models.find(asked.model, asked.version)
    MEANT.set(about(loaded))
    return loaded


def at_hand(asked: Asked, worker: Worker) -> Loaded | None:
    """The version that is asked where that is the live one, which never has to be waited for; None: ask `chosen`."""
    return worker.serving.live if asked.version is None and asked.model is None else None


def too_many_rows(rows: int, most: int) -> RequestError:
    """The refusal of a request that has more rows than one may have."""
    return RequestError(
        f"{rows:,} rows in one request",
        why=f"a request holds at most {most:,}",
        way_out="send several requests, or use `penstock predict` for whole files",
        path="rows",
        code="too-large",
        status=413,
    )


def _wrong_rows(request: dict[str, Any]) -> RequestError:
    if "rows" not in request:
        return RequestError(
            'the field "rows" is missing',
            why="there is nothing to predict",
            way_out='write {"rows": [{"field": value, ...}]}',
            path="rows",
            code="missing-field",
        )
    return RequestError(
        f'"rows" is {_kind(request["rows"])}',
        why="it must be a list of objects",
        way_out='write {"rows": [{"field": value, ...}]}',
        path="rows",
        code="wrong-type",
    )


def _kind(value: Any) -> str:
    """What a JSON value is, in words."""
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
