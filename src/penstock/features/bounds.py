"""Bounds of parameters as data: they check a value, word the message, make the docs table and the bad values of tests."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from penstock.errors import BadParameter

Value = int | float | str | bool


class Bound(Protocol):
    """What a parameter may be."""

    def holds(self, value: object) -> bool: ...

    def bad_values(self) -> list[Value]:
        """Values just outside, for tests."""
        ...

    def __str__(self) -> str:
        """In words that follow "must be"."""
        ...


@dataclass(frozen=True, slots=True)
class Whole:
    """Whole numbers from `low` to `high`, both included.

    >>> Whole(2, 10).holds(2), Whole(2, 10).holds(2.5), str(Whole(2, 10))
    (True, False, 'a whole number from 2 to 10')
    """

    low: int
    high: int

    def holds(self, value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high

    def bad_values(self) -> list[Value]:
        return [self.low - 1, self.high + 1, self.low + 0.5, math.nan, "many", True]

    def __str__(self) -> str:
        return f"a whole number from {self.low} to {self.high}"


@dataclass(frozen=True, slots=True)
class Number:
    """Numbers above `low` and up to `high`; `low` itself is allowed when `low_included`."""

    low: float
    high: float
    low_included: bool = True

    def holds(self, value: object) -> bool:
        if not isinstance(value, int | float) or isinstance(value, bool) or math.isnan(value):
            return False
        return (self.low <= value if self.low_included else self.low < value) and value <= self.high

    def bad_values(self) -> list[Value]:
        below = math.nextafter(self.low, -math.inf) if self.low_included else self.low
        return [below, math.nextafter(self.high, math.inf), math.nan, "much", True]

    def __str__(self) -> str:
        return f"a number {'from' if self.low_included else 'above'} {self.low:g} {'to' if self.low_included else 'and up to'} {self.high:g}"


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of a few words."""

    words: tuple[str, ...]

    def holds(self, value: object) -> bool:
        return isinstance(value, str) and value in self.words

    def bad_values(self) -> list[Value]:
        return [self.words[0] + "x", "", 1, True]

    def __str__(self) -> str:
        return "one of " + ", ".join(repr(word) for word in self.words)


@dataclass(frozen=True, slots=True)
class SomeOf:
    """Some of a few words in one text, separated by spaces or commas, each at most once."""

    words: tuple[str, ...]

    def holds(self, value: object) -> bool:
        if not isinstance(value, str):
            return False
        chosen = self.split(value)
        return bool(chosen) and len(set(chosen)) == len(chosen) and set(chosen) <= set(self.words)

    @staticmethod
    def split(value: str) -> tuple[str, ...]:
        return tuple(value.replace(",", " ").split())

    def bad_values(self) -> list[Value]:
        return [self.words[0] + "x", f"{self.words[0]} {self.words[0]}", "", 1, True]

    def __str__(self) -> str:
        return "some of " + ", ".join(self.words) + ", in one quoted text"


@dataclass(frozen=True, slots=True)
class Flag:
    """true or false."""

    def holds(self, value: object) -> bool:
        return isinstance(value, bool)

    def bad_values(self) -> list[Value]:
        return [1, "yes"]

    def __str__(self) -> str:
        return "true or false"


@dataclass(frozen=True, slots=True)
class Constant:
    """A finite number within the range of float32, or a text."""

    def holds(self, value: object) -> bool:
        if isinstance(value, bool):
            return False
        return isinstance(value, str) or (isinstance(value, int | float) and abs(value) <= 3.4028234663852886e38)

    def bad_values(self) -> list[Value]:
        return [math.nan, math.inf, 1e39, True]

    def __str__(self) -> str:
        return "a finite number or a text"


@dataclass(frozen=True, slots=True)
class Text:
    """A text that is not empty."""

    def holds(self, value: object) -> bool:
        return isinstance(value, str) and bool(value.strip())

    def bad_values(self) -> list[Value]:
        return ["", " ", 1, True]

    def __str__(self) -> str:
        return "a text"


def defaults(part: type) -> dict[str, Any]:
    """Parameters of a part's constructor with their defaults, in order."""
    return {name: p.default for name, p in inspect.signature(part).parameters.items()}


def check_parameters(part: Any) -> None:
    """Hold the parameters of a part against the bounds that its class declares.

    Raises
    ------
    BadParameter : names the parameter, its value and what it must be.
    """
    bounds: Mapping[str, Bound] = part.bounds
    for name, bound in bounds.items():
        value = getattr(part, name)
        if not bound.holds(value):
            raise BadParameter(
                f"parameter {name!r} of {part.name!r} is {value!r}",
                why=f"it must be {bound}",
                way_out=f"leave it out for {defaults(type(part))[name]!r}",
            )
