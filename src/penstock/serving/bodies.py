"""Reading the body of a request: its type, its size, its JSON."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.types import Receive, Scope

from penstock.errors import RequestError

_DRAINED = 8  # a body up to this many times the limit is read and thrown away, so that its sender hears why


def check_content_type(scope: Scope) -> None:
    """Refuse what is declared to be something else than JSON.

    A form that a web page sends across sites arrives with such a type: refusing it keeps strangers' pages from
    writing to the journal of a server on this machine.

    Raises
    ------
    RequestError : status 415.
    """
    for name, value in scope["headers"]:
        if name == b"content-type":
            if value == b"application/json":
                return
            media = value.partition(b";")[0].strip().lower()
            if media == b"application/json" or media.endswith(b"+json"):
                return
            raise RequestError(
                f"the body is declared as {media.decode('latin-1')!r}",
                why="this server reads JSON",
                way_out="send the header `content-type: application/json`",
                code="wrong-content-type",
                status=415,
            )


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes | None:
    """The whole body; None where the client went away.

    Raises
    ------
    RequestError : status 413; of a larger body no more than `limit` bytes were ever held.
    """
    for name, value in scope["headers"]:
        if name == b"content-length" and int(value) > limit:
            if int(value) <= limit * _DRAINED and not _asks_first(scope):
                await _drain(receive, int(value))
            raise _too_large(limit)
    message = await receive()
    if message["type"] == "http.disconnect":
        return None
    body: bytes = message["body"]
    if not message.get("more_body"):
        if len(body) > limit:
            raise _too_large(limit)
        return body
    parts = [body]
    size = len(body)
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        size += len(message["body"])
        if size > limit:
            parts.clear()
            await _drain(receive, limit * _DRAINED)
            raise _too_large(limit)
        parts.append(message["body"])
    return b"".join(parts)


def parse_object(body: bytes) -> dict[str, Any]:
    """
    Raises
    ------
    RequestError : status 400; the body is no JSON object.
    """
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestError(
            "the body is not JSON",
            why=f"{error.msg} at line {error.lineno}, column {error.colno}",
            way_out='send an object such as {"rows": [{"field": value}]}, in UTF-8',
            code="bad-json",
        ) from None
    if type(request) is not dict:
        raise RequestError(
            "the body is JSON, but not an object",
            why="a request is an object",
            way_out='send an object such as {"rows": [{"field": value}]}',
            code="bad-json",
        )
    return request


async def _drain(receive: Receive, limit: int) -> None:
    size = 0
    while size <= limit:
        message = await receive()
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return
        size += len(message["body"])


def _asks_first(scope: Scope) -> bool:
    return any(name == b"expect" for name, _ in scope["headers"])


def _too_large(limit: int) -> RequestError:
    return RequestError(
        f"the body is larger than {limit:,} bytes",
        why="that is the limit of this server ([serving] max_body_bytes)",
        way_out="send several requests, or use `penstock predict` for whole files",
        code="too-large",
        status=413,
    )
