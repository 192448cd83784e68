"""The language in which a release is held to account: ``errors < 0.01 and latency_p99 <= 1.5 * live and rows >= 1000``.

    condition  = all ("or" all)*
    all        = one ("and" one)*
    one        = "not" one | "(" condition ")" | comparison
    comparison = sum ("<" | "<=" | ">" | ">=" | "=" | "!=") sum
    sum        = product (("+" | "-") product)*
    product    = value ("*" value)*
    value      = number ["%"] | name | "live" | "live." name

A name is a figure of the candidate; ``live`` is the same figure of the version that is live, ``live.rows`` another one of it. A
figure that is not known (no row has a label yet) makes its comparison unknown, and nothing follows from what is unknown: neither
a promotion nor a return. What a condition says of figures is judged by `penstock.serving.verdicts`.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn, TypeAlias, final

from penstock.errors import BadParameter
from penstock.logic import Joined, Logic, LogicReader, Not, Token, Tokens

NAMES = {
    "requests": "requests that were answered or failed",
    "rows": "rows that were answered",
    "errors": "share of requests that the candidate could not answer and the live version then did",
    "latency_p50": "milliseconds from request to answer: the median",
    "latency_p95": "milliseconds: 95 of 100 are faster",
    "latency_p99": "milliseconds: 99 of 100 are faster",
    "abstentions": "share of rows in which the model abstained",
    "novelty": "share of rows that are unlike its training rows",
    "fallbacks": "share of rows that its own fallback answered, late or for a missing field",
    "agreement": "share of rows with the same prediction as the live version (shadow only)",
    "hours": "since the release began",
    "labels": "rows whose outcome is known",
    "quality": "the metric of the goal on those rows",
    "alarms": "checks of `penstock monitor` that alarm on the candidate's rows",
}
"""Figures of an arm, and what they are."""

SLOW_NAMES = frozenset({"labels", "quality", "alarms"})
"""Those that are read from journal and labels, by `penstock monitor` and `penstock promote`; a server does not know them."""

COUNTED_NAMES = frozenset({"requests", "rows", "hours", "labels", "alarms"})
"""Those that are what they are; the others estimate something, and are known within an interval."""

LIVE = "live"
OPERATORS = ("<=", ">=", "!=", "==", "=", "<", ">")
_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<number>(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?)(?P<percent>\s*%)?(?![\w.])"
    r"|(?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)?)|(?P<operator><=|>=|!=|==|[<>=+\-*()])"
)
_WORDS = frozenset({"and", "or", "not"})
_MARKS = frozenset("()+-*")


@dataclass(frozen=True, slots=True)
class Value:
    """A number, or a figure of an arm."""

    number: float = math.nan
    name: str = ""
    of_live: bool = False


@dataclass(frozen=True, slots=True)
class Sum:
    """Products that are added, each with its sign."""

    products: tuple[tuple[int, tuple[Value, ...]], ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two sums. `text` is how it was written."""

    text: str
    left: Sum
    operator: str
    right: Sum

    @property
    def values(self) -> tuple[Value, ...]:
        """All that is named or written in it."""
        return tuple(v for side in (self.left, self.right) for _, product in side.products for v in product)


Part: TypeAlias = Logic[Comparison]


@final
@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that was read."""

    text: str
    root: Part

    @property
    def names(self) -> frozenset[str]:
        """The figures that it needs."""
        return frozenset(value.name for one in self.comparisons for value in one.values if value.name)

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """From left to right."""
        return tuple(_comparisons(self.root))

    @property
    def estimates(self) -> frozenset[tuple[str, bool]]:
        """The figures that are known within an interval, and whether each is that of the live version."""
        return frozenset(
            (v.name, v.of_live)
            for one in self.comparisons
            for v in one.values
            if v.name and v.name not in COUNTED_NAMES
        )

    def wants(self, name: str) -> frozenset[int]:
        """Which way it asks the candidate's figure to go, by its comparisons: 1 where more of it helps it to hold, -1 where less does.

        >>> sorted(parse("quality >= live - 0.01 and not errors > 1%").wants("errors"))
        [-1]
        """
        return frozenset(_wants(self.root, name, 1)) - {0}

    @property
    def is_of_live(self) -> bool:
        """Whether it looks at the live version, too."""
        return any(value.of_live for one in self.comparisons for value in one.values)

    @property
    def is_fast(self) -> bool:
        """Whether a server can judge it by what it counts itself."""
        return not self.names & SLOW_NAMES


def parse(text: str) -> Condition:
    """Read a condition.

    Raises
    ------
    BadParameter : it cannot be read, or names a figure that there is not; says at which column, and names the nearest.

    >>> sorted(parse("errors < 1% and rows >= 1000").names)
    ['errors', 'rows']
    """
    return Condition(text, _Reader(text).read())


def _comparisons(part: Part) -> Iterator[Comparison]:
    if isinstance(part, Comparison):
        yield part
    elif isinstance(part, Not):
        yield from _comparisons(part.part)
    else:
        for one in part.parts:
            yield from _comparisons(one)


def _wants(part: Part, name: str, turned: int) -> Iterator[int]:
    if isinstance(part, Not):
        yield from _wants(part.part, name, -turned)
    elif isinstance(part, Joined):
        for one in part.parts:
            yield from _wants(one, name, turned)
    elif part.operator[0] in "<>":
        weight = 0
        for side, sign in ((part.left, 1), (part.right, -1)):
            weight += sign * sum(
                s for s, product in side.products if any(v.name == name and not v.of_live for v in product)
            )
        way = 1 if part.operator[0] == ">" else -1
        yield turned * way * ((weight > 0) - (weight < 0))


@final
class _Reader:
    """Reads one condition from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = Tokens(list(self._read_tokens()))

    def read(self) -> Part:
        if self._tokens.now.kind == "end":
            self._refuse("there is nothing in it", "write for example: errors < 0.01 and rows >= 1000")
        return LogicReader(self._tokens, self._comparison, self._refuse).read()

    def _read_tokens(self) -> Iterator[Token]:
        at = 0
        while at < len(self._text):
            match = _TOKEN.match(self._text, at)
            if match is None:
                self._refuse_at(
                    at + 1, f"{self._text[at]!r} means nothing here", f"operators are {' '.join(OPERATORS)} + - *"
                )
            if match["number"]:
                number = float(match["number"]) / (100 if match["percent"] else 1)
                yield Token("number", match.group(), at + 1, number)
            elif match["name"]:
                word = match["name"].lower()
                yield Token("word" if word in _WORDS else "name", word, at + 1)
            elif match["operator"]:
                yield Token("mark" if match["operator"] in _MARKS else "operator", match["operator"], at + 1)
            at = match.end()
        yield Token("end", "", len(self._text) + 1)

    def _comparison(self) -> Comparison:
        start = self._tokens.now.column
        left = self._sum()
        if self._tokens.now.kind != "operator" or self._tokens.now.text not in OPERATORS:
            self._refuse("a comparison was expected here", f"write one of {' '.join(OPERATORS)} and a limit")
        operator = self._tokens.next().text
        right = self._sum()
        ends = self._tokens.last
        text = self._text[start - 1 : ends.column - 1 + len(ends.text)]
        names = {v.name for side in (left, right) for _, product in side.products for v in product if not v.of_live}
        names -= {""}
        if len(names) == 1:
            name = next(iter(names))
            left, right = _named(left, name), _named(right, name)
        read = Comparison(text, left, operator, right)
        if any(v.name == LIVE for v in read.values):
            self._refuse_at(
                start,
                f"{text!r} does not say which figure of the live version is meant",
                "`live` stands beside one name of the candidate; else write for example live.errors",
            )
        if not any(v.name for v in read.values):
            self._refuse_at(start, f"{text!r} compares numbers alone", f"name a figure: {', '.join(NAMES)}")
        estimated = sorted({v.name for v in read.values if v.name} - COUNTED_NAMES)
        if operator in ("=", "==") and estimated:
            self._refuse_at(
                start,
                f"{estimated[0]!r} is known within an interval only, so {text!r} would never be shown",
                "write <= or >= and a limit",
            )
        return read

    def _sum(self) -> Sum:
        sign = 1
        if self._tokens.at("-"):
            self._tokens.next()
            sign = -1
        products = [(sign, self._product())]
        while self._tokens.at("+", "-"):
            sign = 1 if self._tokens.next().text == "+" else -1
            products.append((sign, self._product()))
        return Sum(tuple(products))

    def _product(self) -> tuple[Value, ...]:
        values = [self._value()]
        while self._tokens.at("*"):
            self._tokens.next()
            values.append(self._value())
        return tuple(values)

    def _value(self) -> Value:
        token = self._tokens.now
        if token.kind == "number":
            self._tokens.next()
            return Value(number=token.number)
        if token.kind == "name":
            self._tokens.next()
            if token.text == LIVE:
                return Value(name=LIVE, of_live=True)
            of_live = token.text.startswith(f"{LIVE}.")
            name = token.text.removeprefix(f"{LIVE}.")
            if name not in NAMES:
                near = difflib.get_close_matches(name, NAMES, 1, 0.5)
                self._refuse_at(
                    token.column,
                    f"there is no figure {name!r}; there are {', '.join(NAMES)}",
                    f"write {near[0]!r}" if near else "write one of these",
                )
            return Value(name=name, of_live=of_live)
        return self._refuse(
            f"a name or a number was expected, but here is {token.shown}", f"names are {', '.join(NAMES)}"
        )

    def _refuse(self, why: str, way_out: str) -> NoReturn:
        self._refuse_at(self._tokens.now.column, why, way_out)

    def _refuse_at(self, column: int, why: str, way_out: str) -> NoReturn:
        raise BadParameter(f"the condition {self._text!r} cannot be used, column {column}", why=why, way_out=way_out)


def _named(side: Sum, name: str) -> Sum:
    """`live` alone, with the name that it stands for."""
    products = tuple(
        (sign, tuple(Value(name=name, of_live=True) if v.name == LIVE else v for v in product))
        for sign, product in side.products
    )
    return Sum(products)
