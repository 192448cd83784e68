"""Reading the body of a request: who sends it, its size, its JSON."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.types import Receive, Scope

from penstock.errors import RequestError
from penstock.serving.heads import Heads
from penstock.serving.hosts import Hosts

_DRAINED = 8  # a body up to this many times the limit is read and thrown away, so that its sender hears why


def refuse_unwanted(scope: Scope, heads: Heads, hosts: Hosts) -> None:
    """Refuse by its headers what is not to be read.

    That is what a web page of another origin sends: a stranger's page must not write to the journal of a server here.
    Browsers name the page's origin with every such request; programs send no such header. A page that had its own name lead here
    gives itself away by that name. And a packed body: of what a few bytes unpack to there is no limit.

    Raises
    ------
    RequestError : status 403, or 415.
    """
    encoding = heads.get(b"content-encoding", b"identity").lower()
    if encoding != b"identity":
        raise RequestError(
            f"the body is packed ({encoding.decode('latin-1')[:40]})",
            why="this server reads bodies as they are",
            way_out="send it without content-encoding",
            code="packed-body",
            status=415,
            headers={"accept-encoding": "identity"},
        )
    origin = heads.get(b"origin")
    if origin is None:
        return
    own = [value for name, value in scope["headers"] if name in (b"host", b"x-forwarded-host")]
    if origin.rpartition(b"//")[2] in own:
        hosts.refuse_others(scope["headers"])
        return
    raise RequestError(
        f"a page of {origin.decode('latin-1')!r} may not ask this server",
        why="requests of web pages are taken from the server's own page alone",
        way_out="ask from a program, or serve the page and the model under one address",
        code="cross-origin",
        status=403,
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
    whole = bytearray(body)  # not a list of pieces: of one byte each, they would be forty times the body
    size = len(body)
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        size += len(message["body"])
        if size > limit:
            whole.clear()
            if message.get("more_body"):  # after the last part nothing comes, and waiting for it would have no end
                await _drain(receive, limit * _DRAINED)
            raise _too_large(limit)
        whole += message["body"]
    return bytes(whole)


def parse_object(body: bytes, *, with_nan: bool = False) -> dict[str, Any]:
    """
    Parameters
    ----------
    with_nan : take NaN for a value, which is no JSON, and which other tools' clients send for "missing" all the same.

    Raises
    ------
    RequestError : status 400; the body is no JSON object.
    """
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        request = _parsed_with_nan(body) if with_nan else None
        if request is None:
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


def _parsed_with_nan(body: bytes) -> Any:
    """JSON with NaN in it; None where it is none all the same."""
    import json

    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


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
