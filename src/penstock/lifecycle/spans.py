"""Spans of time as options say them: ``--since 2h``, ``--until 2026-11-20T10:00:00Z``."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from penstock.errors import BadParameter
from penstock.serving.instants import parse_instant

_LENGTH = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)")
_UNIT_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def start_of(since: str, end: datetime) -> datetime:
    """Where a span begins: at an instant, or a length ("2h") before its end.

    Raises
    ------
    BadParameter : it is neither.

    >>> start_of("90m", parse_instant("2026-11-20T10:00:00Z")).isoformat()
    '2026-11-20T08:30:00+00:00'
    """
    length = _LENGTH.fullmatch(since.strip())
    if length:
        return end - timedelta(seconds=float(length[1]) * _UNIT_S[length[2]])
    return instant(since, "--since")


def instant(text: str, option: str) -> datetime:
    """An instant as an option gives it.

    Raises
    ------
    BadParameter : it is none.
    """
    try:
        return parse_instant(text)
    except ValueError as error:
        raise BadParameter(
            f"{option} {text!r} is no instant",
            why=str(error),
            way_out="write 2026-11-20T10:00:00Z, or a length such as 2h",
        ) from error
