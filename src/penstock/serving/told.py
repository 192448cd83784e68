"""Answers as `/predict` tells them, to be told in another way: merged, named, or as rows.

They are JSON in one piece. Where there are thousands, one call that reads them all, or writes them, holds up every thread of the
process for as long; so they are taken apart by where each begins, and read one by one, in a thread (`beside.beside`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from penstock.serving.beside import BESIDE_BYTES

_BETWEEN = b',{"id":"'
"""Where another answer begins. It stands nowhere else: within a text its quotes would be escaped, and an answer holds no list of objects."""


@dataclass(frozen=True, slots=True)
class Told:
    """The answers to a request.

    Attributes
    ----------
    answers : a list in JSON, each with its id first.
    more : what each has besides, as `told_by` makes it.
    """

    answers: bytes
    more: bytes = b""

    def as_json(self) -> bytes:
        """The list."""
        return self.answers if not self.more else joined(pieces(self.answers, self.more))

    def rows(self) -> list[dict[str, Any]]:
        """An object for each row."""
        if not self.more and len(self.answers) <= BESIDE_BYTES:
            told: list[dict[str, Any]] = orjson.loads(self.answers)
            return told
        return [orjson.loads(piece) for piece in pieces(self.answers, self.more)]


def told_by(version: int, slot: str) -> bytes:
    """What an answer carries where the response names another version.

    >>> told_by(2, "green")
    b',"version":2,"slot":"green"'
    """
    return b"," + orjson.dumps({"version": version, "slot": slot})[1:-1]


def pieces(answers: bytes, more: bytes = b"") -> list[bytes]:
    """Each answer by itself, with `more` at its end."""
    if answers == b"[]":
        return []
    first, *others = answers[1:-1].split(_BETWEEN)
    whole = [first, *(_BETWEEN[1:] + rest for rest in others)]
    return [b"%b%b}" % (piece[:-1], more) for piece in whole] if more else whole


def joined(each: Sequence[bytes]) -> bytes:
    """A list of what `pieces` gave."""
    return b"[%b]" % b",".join(each)
