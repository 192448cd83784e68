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
from typing import Any, NamedTuple, NoReturn, TypeAlias, final

from penstock.errors import QueryError
from penstock.logic import Logic, LogicReader, Not, Token, Tokens

OPERATORS = ("!=", "<=", ">=", "==", "=", "<", ">", "~")
STATES = ("nan", "inf", "missing")
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


Condition: TypeAlias = Logic[Test]


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
        self._tokens = Tokens(_tokens(text))

    def read(self) -> Condition:
        if self._tokens.now.kind == "end":
            self._refuse("the filter is empty", "write a condition, such as status=done")
        return LogicReader(self._tokens, self._test, self._refuse).read()

    def _test(self) -> Condition:
        name = self._name()
        if self._tokens.now.kind == "operator":
            operator = self._tokens.next().text
            return Test(name, "=" if operator == "==" else operator, (self._value(),))
        if self._tokens.at("is"):
            self._tokens.next()
            negated = self._negated()
            return _negate(negated, Test(name, "is", (self._state(),)))
        if self._tokens.at("in", "not"):
            negated = self._negated()
            if not self._tokens.at("in"):
                self._refuse("`in` was expected after `not`", "write `name not in (a, b)`, or `not name=a`")
            self._tokens.next()
            return _negate(negated, Test(name, "in", self._list()))
        return Test(name, "has")

    def _negated(self) -> bool:
        if self._tokens.at("not"):
            self._tokens.next()
            return True
        return False

    def _name(self) -> Word:
        token = self._tokens.now
        if token.kind == "word" and token.text.lower() not in KEYWORDS:
            self._tokens.next()
            following = self._tokens.now
            touches = following.column == token.column + len(token.text)
            if token.text.endswith(":") and following.kind == "string" and touches:  # flag:"a name with spaces"
                self._tokens.next()
                return Word(token.text + _unquoted(following.text), token.column)
            return Word(token.text, token.column)
        if token.kind == "string":
            self._tokens.next()
            return Word(_unquoted(token.text), token.column)
        return self._refuse(
            f"a name was expected, but here is {token.shown}", "write a name, such as status, lr or tag:best"
        )

    def _value(self) -> Word:
        token = self._tokens.now
        if token.kind == "string":
            self._tokens.next()
            return Word(_unquoted(token.text), token.column, quoted=True)
        if token.kind == "word":
            self._tokens.next()
            return Word(token.text, token.column)
        return self._refuse(
            f"a value was expected, but here is {token.shown}",
            "write a value behind the operator, in quotes where needed",
        )

    def _list(self) -> tuple[Word, ...]:
        if not self._tokens.at("("):
            self._refuse("a list in brackets was expected after `in`", "write `status in (done, failed)`")
        self._tokens.next()
        values = [self._value()]
        while self._tokens.at(","):
            self._tokens.next()
            values.append(self._value())
        if not self._tokens.at(")"):
            self._refuse("the list is not closed", "put commas between its values and ) at its end")
        self._tokens.next()
        return tuple(values)

    def _state(self) -> Word:
        token = self._tokens.now
        state = {"null": "missing", "none": "missing"}.get(token.text.lower(), token.text.lower())
        if token.kind != "word" or state not in STATES:
            self._refuse(
                f"after `is` comes {', '.join(STATES[:-1])} or {STATES[-1]}", "write `loss is nan`, or loss=0.1"
            )
        self._tokens.next()
        return Word(state, token.column)

    def _refuse(self, why: str, way_out: str) -> NoReturn:
        raise wrong(self._text, self._tokens.now.column, why, way_out)


def _tokens(text: str) -> list[Token]:
    found = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            if text[at] in "\"'":
                raise wrong(text, at + 1, "the quote that begins here has no end", "write the closing quote")
            raise wrong(text, at + 1, f"{text[at]!r} means nothing here", f"operators are {' '.join(OPERATORS)}")
        if match.lastgroup != "space":
            found.append(Token(str(match.lastgroup), match.group(), at + 1))
        at = match.end()
    return [*found, Token("end", "", len(text) + 1)]


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1])


def _negate(negated: bool, test: Test) -> Condition:
    return Not(test) if negated else test
