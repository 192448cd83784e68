"""What may be done with a personal column, as it is written in the declaration and in ``decoder.json``."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from penstock.errors import DeclarationError

ACTIONS = {
    "drop": "nothing of the column is kept",
    "mask": "every value becomes `***`: that there was one is kept",
    "mask:hits": "in texts, each hit becomes its kind in brackets, as `[email]`; the words around it stay",
    "hash": "every value becomes a keyed hash: equal values stay equal, and nobody without the key finds the value",
    "band:WIDTH": "numbers become the lower edge of their band: with `band:10`, 47 becomes 40",
    "prefix:N": "the first N characters stay",
    "month": "dates become the first day of their month",
    "year": "dates become the first day of their year",
    "network": "internet addresses keep their first 24 bits (48 of IPv6)",
    "shift": "dates move by one secret number of days, the same for all: order and differences stay",
    "shift:COLUMN": "dates move by a secret number of days of their own for each value of COLUMN: within it order and differences stay",
    "keep: REASON": "the value is kept as it is, and the reason stands in the card",
}
"""How an action is written, and what it does."""

_PLAIN = frozenset({"drop", "mask", "hash", "month", "year", "network", "shift"})
KEYED = frozenset({"hash", "shift"})
"""Actions that need the project's privacy key."""

DATES = frozenset({"month", "year", "shift"})


@dataclass(frozen=True, slots=True)
class Action:
    """One action: its name, and what stands behind the colon."""

    name: str
    argument: str = ""

    @property
    def text(self) -> str:
        """As it is written in ``decoder.json``."""
        return f"{self.name}:{self.argument}" if self.argument else self.name

    @property
    def is_keyed(self) -> bool:
        return self.name in KEYED


def parse_action(text: str) -> Action:
    """The action that a text declares.

    >>> parse_action("band: 10").text, parse_action("keep: agreed with the clients").argument
    ('band:10', 'agreed with the clients')

    Raises
    ------
    DeclarationError : there is no such action; the nearest is named.
    """
    name, colon, argument = (part.strip() for part in text.partition(":"))
    if not colon and name in _PLAIN:
        return Action(name)
    if name == "keep" and argument:
        return Action(name, argument)
    if name == "mask" and argument == "hits":
        return Action(name, argument)
    if name == "shift" and argument:
        return Action(name, argument)
    if name == "band" and _is_width(argument):
        return Action(name, argument)
    if name == "prefix" and argument.isascii() and argument.isdigit() and 1 <= int(argument) <= 20:
        return Action(name, str(int(argument)))
    from difflib import get_close_matches

    near = get_close_matches(text.strip(), ACTIONS, 1, 0.5)
    raise DeclarationError(
        f"there is no privacy action {text!r}",
        why=_WANTS.get(name, f"there are: {', '.join(ACTIONS)}"),
        way_out=f"write {near[0]!r}" if near else "write one of these",
    )


_WANTS = {
    "keep": "to keep a personal column needs a reason behind the colon, which stands in the card",
    "band": "a band needs a width above 0 behind the colon, such as band:10",
    "prefix": "a prefix needs a number of characters from 1 to 20 behind the colon, such as prefix:3",
}


def _is_width(text: str) -> bool:
    try:
        return isfinite(float(text)) and float(text) > 0 and "e" not in text.lower() and "_" not in text
    except ValueError:
        return False
