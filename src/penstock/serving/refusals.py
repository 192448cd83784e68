"""What an error is to the outside: user mistakes in full, faults of ours without a word about the inside."""

from __future__ import annotations

import logging

import orjson

from penstock.errors import NotWritable, PenstockError, RequestError, ServingError, StoreFull

log = logging.getLogger("penstock.serving")

_STATUS_OF: dict[type[Exception], int] = {ServingError: 503, StoreFull: 503, NotWritable: 503}

TOO_LATE, OVERLOADED = "too-late", "overloaded"
"""Codes of what is refused because of all that is asked, and not because of the version that would have answered."""
TOO_SHORT = "deadline-too-short"
"""Of what is refused because no answer could ever meet its own deadline."""


def refused(error: Exception) -> tuple[int, dict[str, str]]:
    """Status, and `code`, `what`, `why`, `try`, `path`; what is our fault, or tells of the machine, goes to the log."""
    status = status_of(error)
    if isinstance(error, NotWritable):  # it names folders and users
        log.error("%s", error)
        said = {"why": "the reason is in the server's log", "try": "tell whoever runs this server"}
        return status, {"path": "", **error.to_json(), **said}
    if isinstance(error, PenstockError) and status != 500:
        return status, {"path": "", **error.to_json()}
    log.exception("a request could not be answered", exc_info=error)
    return 500, {
        "code": "internal",
        "what": "the server could not answer",
        "why": "a fault of the server, not of the request; it is in the server's log",
        "try": "tell whoever runs this server",
        "path": "",
    }


def status_of(error: Exception) -> int:
    """The status alone; nothing is logged."""
    return error.status if isinstance(error, RequestError) else _STATUS_OF.get(type(error), 500)


def refusal(error: Exception) -> tuple[int, bytes]:
    """Status and body for an error, in the one shape of the server's own addresses."""
    status, said = refused(error)
    return status, error_body(said)


def headers_of(error: Exception) -> dict[str, str]:
    """What goes out with a refusal, such as ``www-authenticate`` or ``retry-after``."""
    return error.headers if isinstance(error, RequestError) else {}


def error_body(error: dict[str, str]) -> bytes:
    return orjson.dumps({"error": error})
