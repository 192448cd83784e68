"""What the headers of a request say to the server itself, in one look: most requests say nothing, and cost nothing more."""

from __future__ import annotations

import re
from collections.abc import Mapping

from starlette.types import Scope

from penstock.errors import RequestError

Heads = Mapping[bytes, bytes]

NOTED = frozenset(
    {b"origin", b"authorization", b"content-encoding", b"x-request-id", b"traceparent", b"x-deadline-ms", b"x-priority"}
)
"""Headers that are looked at; of one that comes twice, the last."""

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")

MOST_HEADERS = 200
"""Of one request."""


def heads_of(scope: Scope) -> Heads:
    """The noted headers of a request.

    Raises
    ------
    RequestError : status 431; there are too many of them.
    """
    headers = scope["headers"]
    if len(headers) > MOST_HEADERS:
        raise RequestError(
            f"the request has {len(headers):,} headers",
            why=f"this server reads {MOST_HEADERS}",
            way_out="send fewer; rows belong into the body",
            code="head-too-large",
            status=431,
        )
    return {name: value for name, value in headers if name in NOTED}


def request_id_of(heads: Heads) -> str | None:
    """The id that the client gave its request; None where it gave none, or one that could do harm in a log."""
    given = heads.get(b"x-request-id")
    return given.decode() if given is not None and _REQUEST_ID.fullmatch(given) else None
