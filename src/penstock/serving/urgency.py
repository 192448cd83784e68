"""How soon a request wants its answer, and how much it matters beside others.

A deadline is said by the request (``deadline_ms`` in the body of `/predict`, the header ``x-deadline-ms``, a protocol's own way), or
declared for all as `[serving] deadline_ms`. It counts from when the server's socket had the request, so that waiting is counted, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

from penstock.errors import RequestError

HIGH, NORMAL, LOW = 0, 1, 2
PRIORITIES = {b"high": HIGH, b"normal": NORMAL, b"low": LOW}
"""Whose turn comes first, and who is refused first where there are too many: the last."""

DEADLINE_HEADER, PRIORITY_HEADER = b"x-deadline-ms", b"x-priority"
LONGEST_MS = 86_400_000.0


@dataclass(frozen=True, slots=True)
class Urgency:
    """What a request says of its urgency.

    Attributes
    ----------
    deadline_ms : from its arrival; None: as it is declared.
    """

    deadline_ms: float | None = None
    priority: int = NORMAL

    def within(self, deadline_ms: float | None) -> Urgency:
        """The same with another deadline as well: the narrower one counts."""
        if deadline_ms is None or (self.deadline_ms is not None and self.deadline_ms <= deadline_ms):
            return self
        return Urgency(deadline_ms, self.priority)

    def of_priority(self, priority: int | None) -> Urgency:
        """The same with the priority that the request itself names; None: it names none."""
        return self if priority is None else Urgency(self.deadline_ms, priority)


USUAL = Urgency()
"""Of a request that says nothing."""


def urgency_of(heads: Mapping[bytes, bytes]) -> Urgency:
    """What the headers of a request say, by their names in lower case.

    Raises
    ------
    RequestError : status 400; a header cannot be read.

    >>> urgency_of({b"x-deadline-ms": b"50", b"x-priority": b"low"})
    Urgency(deadline_ms=50.0, priority=2)
    """
    deadline, priority = heads.get(DEADLINE_HEADER), heads.get(PRIORITY_HEADER)
    if deadline is None and priority is None:
        return USUAL
    return Urgency(
        None if deadline is None else min(_deadlines(deadline)),
        NORMAL if priority is None else _priority_of(priority),
    )


def deadline_of(value: Any, name: str, shown: object = None) -> float:
    """Milliseconds of a deadline.

    Raises
    ------
    RequestError : status 400; no number, or none that is above 0 and at most a day.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= LONGEST_MS:
        return float(value)
    shown = value if shown is None else shown
    text = shown.decode("latin-1") if isinstance(shown, bytes) else str(shown)
    raise RequestError(
        f"{name} is {text[:40]!r}",
        why="a deadline is a number of milliseconds above 0, at most a day",
        way_out="write for example 50, or leave it out",
        path="deadline_ms",
        code="bad-deadline",
    )


def _deadlines(header: bytes) -> list[float]:
    """Of a list: a proxy may have added its own."""
    return [deadline_of(_number(one), "the header x-deadline-ms", header) for one in header.split(b",")]


def _number(text: bytes) -> float:
    """Infinite, which is no deadline, where the text is no finite number."""
    try:
        value = float(text)
    except ValueError:
        return inf
    return value if isfinite(value) else inf


def _priority_of(value: bytes) -> int:
    priority = PRIORITIES.get(value.strip().lower())
    if priority is None:
        raise RequestError(
            f"the header x-priority is {value.decode('latin-1')[:40]!r}",
            why="there are high, normal and low",
            way_out="write one of these, or leave it out",
            code="bad-priority",
        )
    return priority
