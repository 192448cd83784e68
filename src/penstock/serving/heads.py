"""What the headers of a request say to the server itself, in one look: most requests say nothing, and cost nothing more."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from starlette.types import Scope

from penstock.errors import RequestError

Heads = Mapping[bytes, bytes]

NOTED = frozenset(
    {b"origin", b"authorization", b"content-encoding", b"x-request-id", b"traceparent", b"x-deadline-ms", b"x-priority"}
)
"""Headers that are looked at."""

NAMING = frozenset({b"x-request-id", b"traceparent"})
"""Those of them that decide nothing: by what name a request is told of, and in which trace."""

_LISTS = frozenset({b"x-deadline-ms"})  # of which several may be said, in one header or in more

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")

MOST_HEADERS = 200
"""Of one request."""


def heads_of(scope: Scope) -> Heads:
    """The noted headers of a request.

    Raises
    ------
    RequestError : status 431; there are too many of them. 400; one that decides something comes twice, with other words, so that
        somebody else may have heeded the other one.
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
    return noted(headers)


def noted(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Those of headers, or of metadata of gRPC, that are looked at. Raises as `heads_of`. A name that is said twice, with other words, as where
    a proxy adds its own, is none: it is not worth the answer."""
    found: dict[bytes, bytes] = {}
    unclear: set[bytes] = set()
    for name, value in headers:
        if name not in NOTED:
            continue
        before = found.get(name)
        if before is None or before == value:
            found[name] = value
        elif name in _LISTS:
            found[name] = b"%b,%b" % (before, value)
        elif name in NAMING:
            unclear.add(name)
        else:
            raise RequestError(
                f"the header {name.decode()} comes twice, with other words",
                why="which of them is meant is not known",
                way_out="send one; where a proxy adds its own, have it replace the client's",
                code="bad-http",
            )
    for name in unclear:
        del found[name]
    return found


def naming(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """As `noted`, those that name the request; raises nothing.

    >>> naming([(b"x-request-id", b"order-17"), (b"traceparent", b"one"), (b"traceparent", b"another"), (b"origin", b"here")])
    {b'x-request-id': b'order-17'}
    """
    return noted(header for header in headers if header[0] in NAMING)


def request_id_of(heads: Heads) -> str | None:
    """The id that the client gave its request; None where it gave none, or one that could do harm in a log."""
    given = heads.get(b"x-request-id")
    return given.decode() if given is not None and _REQUEST_ID.fullmatch(given) else None
