"""What the languages of conditions have in common: ``and``, ``or``, ``not`` and brackets, read from left to right.

    condition = all ("or" all)*
    all       = one ("and" one)*
    one       = "not" one | "(" condition ")" | what the language itself has there

Of runs: `penstock.ledger.query`. Of a release: `penstock.serving.conditions`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, NoReturn, TypeAlias, TypeVar, Union, final

DEEPEST = 50
"""Brackets within brackets: more than a person writes, and far less than Python's own limit."""

One = TypeVar("One")


@dataclass(frozen=True, slots=True)
class Not(Generic[One]):
    """What must not hold."""

    part: Logic[One]


@dataclass(frozen=True, slots=True)
class Joined(Generic[One]):
    """Conditions of which all (``and``) or one (``or``) must hold."""

    how: Literal["and", "or"]
    parts: tuple[Logic[One], ...]


Logic: TypeAlias = Union[One, Not[One], Joined[One]]  # noqa: UP007  # of a type variable, which has no `|`


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a text. Kinds are the language's own, but for ``word``, ``mark`` (brackets and the like) and ``end``, which comes last; columns
    count from 1."""

    kind: str
    text: str
    column: int
    number: float = math.nan

    @property
    def shown(self) -> str:
        """As it is named in an error."""
        return "the end" if self.kind == "end" else repr(self.text)


@final
class Tokens:
    """Tokens, and how far they are read."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens, self._at = tokens, 0

    @property
    def now(self) -> Token:
        return self._tokens[self._at]

    @property
    def last(self) -> Token:
        """The one that was read last."""
        return self._tokens[self._at - 1]

    def next(self) -> Token:
        """Read the token that is now."""
        token = self.now
        self._at += 1
        return token

    def at(self, *texts: str) -> bool:
        """Whether one of these words or marks, in lower case, is now."""
        return self.now.kind in ("word", "mark") and self.now.text.lower() in texts


@final
class LogicReader(Generic[One]):
    """Reads a whole text.

    Parameters
    ----------
    one : reads what the language has between the words. refuse : raises the language's error: why, and the way out.
    """

    def __init__(self, tokens: Tokens, one: Callable[[], Logic[One]], refuse: Callable[[str, str], NoReturn]) -> None:
        self._tokens, self._read_one, self._refuse = tokens, one, refuse
        self._depth = 0

    def read(self) -> Logic[One]:
        found = self._any()
        if self._tokens.now.kind != "end":
            self._refuse(f"{self._tokens.now.text!r} was not expected here", "join conditions with `and` or `or`")
        return found

    def _any(self) -> Logic[One]:
        parts = [self._all()]
        while self._tokens.at("or"):
            self._tokens.next()
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else Joined("or", tuple(parts))

    def _all(self) -> Logic[One]:
        parts = [self._one()]
        while self._tokens.at("and"):
            self._tokens.next()
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else Joined("and", tuple(parts))

    def _one(self) -> Logic[One]:
        negated = False
        while self._tokens.at("not"):
            self._tokens.next()
            negated = not negated
        found = self._bracket() if self._tokens.at("(") else self._read_one()
        return Not(found) if negated else found

    def _bracket(self) -> Logic[One]:
        self._depth += 1
        if self._depth > DEEPEST:
            self._refuse(f"more than {DEEPEST} brackets are open here", "write it with fewer brackets")
        opened = self._tokens.next()
        found = self._any()
        if not self._tokens.at(")"):
            self._refuse(f"the bracket of column {opened.column} is not closed", "write the missing )")
        self._tokens.next()
        self._depth -= 1
        return found
