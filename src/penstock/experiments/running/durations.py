"""Durations as people write them: ``90s``, ``10m``, ``2h``, ``7d``."""

from __future__ import annotations

import re

from penstock.errors import DeclarationError

_TEXT = r"\s*(\d+(?:\.\d+)?|\.\d+)\s*([smhd]?)\s*"
_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(text: str, *, what: str) -> float:
    """The seconds of a duration; a number alone is seconds.

    Raises
    ------
    DeclarationError : it is no duration above 0. `what` names it in the message, such as ``"--timeout"``.

    >>> seconds("1.5m", what="--timeout"), seconds("20", what="--timeout")
    (90.0, 20.0)
    """
    found = re.fullmatch(_TEXT, text)
    if found is None or float(found[1]) <= 0:
        raise DeclarationError(
            f"{what} is {text!r}, which is no duration",
            why="it is a number above 0 with s, m, h or d behind it",
            way_out="write for example 90s, 10m or 2h",
        )
    return float(found[1]) * _SECONDS[found[2]]
