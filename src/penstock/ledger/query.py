"""The language in which runs are asked for: ``status=done and lr<0.1 or (operation="train.py" and not tag:baseline)``.

    filter     = all ("or" all)*
    all        = one ("and" one)*
    one        = "not" one | "(" filter ")" | test
    test       = name | name operator value | name ["not"] "in" "(" value ("," value)* ")" | name "is" ["not"] state
    operator   = "=" | "!=" | "<" | "<=" | ">" | ">=" | "~"             (~ : contains, whatever the case)
    state      = "nan" | "inf" | "missing"

A name alone asks whether the run has it. Values need quotes only where they hold spaces, brackets, commas or operators.
What names and values mean is said in `penstock.ledger.query_sql`, which makes SQL of what is read here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, NoReturn, TypeAlias, final

from penstock.errors import QueryError

OPERATORS = ("!=", "<=", ">=", "==", "=", "<", ">", "~")
STATES = ("nan", "inf", "missing")
DEEPEST = 50
"""Brackets within brackets: more than a person writes, and far less than Python's own limit."""
KEYWORDS = frozenset({"and", "or", "not", "in", "is"})
_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<operator>!=|<=|>=|==|=|<|>|~)|(?P<mark>[(),])
    |(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<word>[^\s()=!<>~,"']+)""",
    re.VERBOSE,
)


class Where(NamedTuple):
    """A condition as SQL: on the table of runs, which is called ``r`` there, with its parameters by name."""

    sql: str
    params: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Word:
    """A name or a value as it was written. `column` counts from 1; `quoted` ones are always text."""

    text: str
    column: int
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Test:
    """A condition on one name. Operators: those of the language, ``in``, ``is``, and ``has`` for a name alone."""

    name: Word
    operator: str
    values: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Not:
    part: Condition


@dataclass(frozen=True, slots=True)
class Joined:
    """Conditions of which all (``and``) or one (``or``) must hold."""

    how: Literal["and", "or"]
    parts: tuple[Condition, ...]


Condition: TypeAlias = Test | Not | Joined


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    column: int


def parse(text: str) -> Condition:
    """Read a filter.

    Raises
    ------
    QueryError : it cannot be read; says at which column, and what was expected there.

    >>> parse("lr<0.1").operator
    '<'
    """
    return _Reader(text).read()


def wrong(text: str, column: int, why: str, way_out: str) -> QueryError:
    """The error of a filter, with the column (from 1) at which it was seen; of a name alone, where `column` is 0."""
    what = f"the filter cannot be used: {text!r}, column {column}" if column else f"the name {text!r} cannot be used"
    return QueryError(what, why=why, way_out=way_out)


@final
class _Reader:
    """Reads one filter from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._at = 0
        self._depth = 0

    def read(self) -> Condition:
        if len(self._tokens) == 1:
            self._refuse("the filter is empty", "write a condition, such as status=done")
        found = self._any()
        if self._now.kind != "end":
            self._refuse(f"{self._now.text!r} was not expected here", "join conditions with `and` or `or`")
        return found

    @property
    def _now(self) -> _Token:
        return self._tokens[self._at]

    def _next(self) -> _Token:
        token = self._now
        self._at += 1
        return token

    def _is(self, *words: str) -> bool:
        return self._now.kind in ("word", "mark") and self._now.text.lower() in words

    def _any(self) -> Condition:
        parts = [self._all()]
        while self._is("or"):
            self._next()
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else Joined("or", tuple(parts))

    def _all(self) -> Condition:
        parts = [self._one()]
        while self._is("and"):
            self._next()
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else Joined("and", tuple(parts))

    def _one(self) -> Condition:
        negated = False
        while self._is("not"):
            self._next()
            negated = not negated
        if self._is("("):
            self._depth += 1
            if self._depth > DEEPEST:
                self._refuse(f"more than {DEEPEST} brackets are open here", "write the filter with fewer brackets")
            opened = self._next()
            found = self._any()
            if not self._is(")"):
                self._refuse(f"the bracket of column {opened.column} is not closed", "write the missing )")
            self._next()
            self._depth -= 1
        else:
            found = self._test()
        return Not(found) if negated else found

    def _test(self) -> Condition:
        name = self._name()
        if self._now.kind == "operator":
            operator = self._next().text
            return Test(name, "=" if operator == "==" else operator, (self._value(),))
        if self._is("is"):
            self._next()
            negated = self._negated()
            return _negate(negated, Test(name, "is", (self._state(),)))
        if self._is("in", "not"):
            negated = self._negated()
            if not self._is("in"):
                self._refuse("`in` was expected after `not`", "write `name not in (a, b)`, or `not name=a`")
            self._next()
            return _negate(negated, Test(name, "in", self._list()))
        return Test(name, "has")

    def _negated(self) -> bool:
        if self._is("not"):
            self._next()
            return True
        return False

    def _name(self) -> Word:
        token = self._now
        if token.kind == "word" and token.text.lower() not in KEYWORDS:
            self._next()
            following = self._now
            touches = following.column == token.column + len(token.text)
            if token.text.endswith(":") and following.kind == "string" and touches:  # flag:"a name with spaces"
                self._next()
                return Word(token.text + _unquoted(following.text), token.column)
            return Word(token.text, token.column)
        if token.kind == "string":
            self._next()
            return Word(_unquoted(token.text), token.column)
        found = "the end" if token.kind == "end" else repr(token.text)
        return self._refuse(f"a name was expected, but here is {found}", "write a name, such as status, lr or tag:best")

    def _value(self) -> Word:
        token = self._now
        if token.kind == "string":
            self._next()
            return Word(_unquoted(token.text), token.column, quoted=True)
        if token.kind == "word":
            self._next()
            return Word(token.text, token.column)
        found = "the end" if token.kind == "end" else repr(token.text)
        return self._refuse(
            f"a value was expected, but here is {found}", "write a value behind the operator, in quotes where needed"
        )

    def _list(self) -> tuple[Word, ...]:
        if not self._is("("):
            self._refuse("a list in brackets was expected after `in`", "write `status in (done, failed)`")
        self._next()
        values = [self._value()]
        while self._is(","):
            self._next()
            values.append(self._value())
        if not self._is(")"):
            self._refuse("the list is not closed", "put commas between its values and ) at its end")
        self._next()
        return tuple(values)

    def _state(self) -> Word:
        token = self._now
        state = {"null": "missing", "none": "missing"}.get(token.text.lower(), token.text.lower())
        if token.kind != "word" or state not in STATES:
            self._refuse(
                f"after `is` comes {', '.join(STATES[:-1])} or {STATES[-1]}", "write `loss is nan`, or loss=0.1"
            )
        self._next()
        return Word(state, token.column)

    def _refuse(self, why: str, way_out: str) -> NoReturn:
        raise wrong(self._text, self._now.column, why, way_out)


def _tokens(text: str) -> list[_Token]:
    found = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            if text[at] in "\"'":
                raise wrong(text, at + 1, "the quote that begins here has no end", "write the closing quote")
            raise wrong(text, at + 1, f"{text[at]!r} means nothing here", f"operators are {' '.join(OPERATORS)}")
        if match.lastgroup != "space":
            found.append(_Token(str(match.lastgroup), match.group(), at + 1))
        at = match.end()
    return [*found, _Token("end", "", len(text) + 1)]


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1])


def _negate(negated: bool, test: Test) -> Condition:
    return Not(test) if negated else test
