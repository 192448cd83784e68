"""The expressions of a recipe: text to tree, and back to one canonical text.

    expression = column | group | assignment | call | number | text
    call       = name "(" [argument {"," argument}] ")"
    argument   = expression | name "=" expression

Names of columns with odd characters are quoted: ``'emp.var.rate'``. A quoted text in the place of a column is a column's
name; in the place of a parameter it is a text, and there a bare word stands for itself (``true`` and ``false`` for flags).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from penstock.errors import RecipeError

MAX_DEPTH = 50
"""Calls inside calls; far beyond any recipe that a person reads, and below Python's own limit."""

NAME = re.compile(r"[^\W\d][\w.\-]*")
_SPACE = re.compile(r"\s*")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_WORD = re.compile(r"[\w.\-]+")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a text stands in a file, so that an error can point into it."""

    file: str
    locate: Callable[[int], tuple[int, int]]  # offset in the text -> line, column of the file, both from 1

    def error(self, at: int, what: str, why: str, way_out: str) -> RecipeError:
        line, column = self.locate(at)
        return pointed_error(self.file, line, column, what, why, way_out)


def pointed_error(file: str, line: int, column: int, what: str, why: str, way_out: str) -> RecipeError:
    """A RecipeError whose message and attributes say where."""
    error = RecipeError(f"{file}, line {line}, column {column}: {what}", why=why, way_out=way_out)
    error.line, error.column = line, column
    return error


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name`, whatever its case, or None when none is near."""
    folded = {k.casefold(): k for k in known}
    match = difflib.get_close_matches(name.casefold(), folded, 1, cutoff=0.6)
    return folded[match[0]] if match else None


def suggest_nearest(name: str, known: Iterable[str], otherwise: str) -> str:
    """The way out of an unknown name."""
    near = nearest(name, known)
    return f"did you mean {near!r}?" if near is not None else otherwise


@dataclass(frozen=True, slots=True)
class Name:
    """A column, group or assignment; or, in the place of a parameter, a text."""

    text: str
    at: int = field(compare=False)
    quoted: bool = False

    def __str__(self) -> str:
        return self.text if not self.quoted and NAME.fullmatch(self.text) else quote(self.text)


@dataclass(frozen=True, slots=True)
class Literal:
    """A number."""

    value: int | float
    at: int = field(compare=False)

    def __str__(self) -> str:
        return repr(self.value)


@dataclass(frozen=True, slots=True)
class Call:
    """A step, `group` or `group_remove`, with its arguments."""

    function: str
    arguments: tuple[Expression, ...]
    keywords: tuple[Keyword, ...]
    at: int = field(compare=False)

    def __str__(self) -> str:
        return f"{self.function}({', '.join(map(str, (*self.arguments, *self.keywords)))})"


@dataclass(frozen=True, slots=True)
class Keyword:
    """A parameter given by name."""

    name: str
    value: Expression
    at: int = field(compare=False)

    def __str__(self) -> str:
        return f"{self.name}={self.value}"


Expression = Name | Literal | Call


def one_line(name: str) -> str:
    """A name as it may be shown: line ends and control characters written out.

    >>> one_line("note=two\\nlines")
    'note=two\\\\nlines'
    """
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", lambda m: repr(m.group())[1:-1], name)


def quote(text: str) -> str:
    """A text as the language writes it."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def parse(text: str, origin: Origin) -> Expression:
    """The tree of one expression.

    Raises
    ------
    RecipeError : with line, column, what was found and what was expected.

    >>> print(parse("quantile_bin( standardise(age),bins = 10)", Origin("recipe.toml", lambda at: (1, at + 1))))
    quantile_bin(standardise(age), bins=10)
    """
    return _Parser(text, origin).whole()


class _Parser:
    def __init__(self, text: str, origin: Origin) -> None:
        self.text, self.origin, self.at = text, origin, 0
        self._skip()

    def whole(self) -> Expression:
        expression = self._expression(0)
        if self.at < len(self.text):
            raise self._unexpected("the end of the expression")
        return expression

    def _expression(self, depth: int) -> Expression:
        at = self.at
        if depth > MAX_DEPTH:
            raise self.origin.error(
                at,
                f"calls are nested more than {MAX_DEPTH} deep",
                why="nobody could read or check such a recipe",
                way_out="give the inner parts names under [assignments]",
            )
        character = self.text[at : at + 1]
        if character in ("'", '"') and character:
            return Name(self._quoted(), at, quoted=True)
        number = _NUMBER.match(self.text, at)
        if number:
            return self._number(number)
        name = NAME.match(self.text, at)
        if not name:
            raise self._unexpected("a column, group, assignment, call or value")
        self._move(name.end())
        if self.text.startswith("(", self.at):
            return self._call(name.group(), at, depth)
        return Name(name.group(), at)

    def _number(self, match: re.Match[str]) -> Literal:
        word = _WORD.match(self.text, match.start())
        if word and word.end() > match.end():
            raise self.origin.error(
                match.start(),
                f"{word.group()!r} is neither a number nor a bare name",
                why="a bare name begins with a letter or an underscore",
                way_out=f"quote the column's name: {quote(word.group())}",
            )
        self._move(match.end())
        written = match.group()
        value = int(written) if written.lstrip("+-").isdigit() else float(written)
        return Literal(value, match.start())

    def _quoted(self) -> str:
        mark, at = self.text[self.at], self.at
        end = at + 1
        while end < len(self.text) and self.text[end] != mark:
            end += 2 if self.text[end] == "\\" else 1
        if end >= len(self.text):
            raise self.origin.error(
                at,
                f"the quoted text {self.text[at:]} does not end",
                why=f"expected a closing {mark} before the end of the expression",
                way_out=f"add {mark} at its end; inside it, write \\{mark} for the mark itself",
            )
        self._move(end + 1)
        return _ESCAPE.sub(r"\1", self.text[at + 1 : end])

    def _call(self, function: str, at: int, depth: int) -> Call:
        opened = self.at
        self._move(self.at + 1)
        arguments: list[Expression] = []
        keywords: list[Keyword] = []
        if self._take(")"):
            return Call(function, (), (), at)
        while True:
            keyword = self._keyword(depth)
            if keyword is not None:
                keywords.append(keyword)
            elif keywords:
                raise self.origin.error(
                    self.at,
                    f"an argument without a name follows {keywords[-1].name}=",
                    why="arguments by name come last",
                    way_out="name this one too, or put it first",
                )
            else:
                arguments.append(self._expression(depth + 1))
            if self._take(")"):
                return Call(function, tuple(arguments), tuple(keywords), at)
            if self.at >= len(self.text):
                raise self.origin.error(
                    opened,
                    f"the bracket after {function!r} is not closed",
                    why="expected ',' or ')' before the end of the expression",
                    way_out="add ')'",
                )
            if not self._take(","):
                raise self._unexpected("',' or ')'")

    def _keyword(self, depth: int) -> Keyword | None:
        at = self.at
        name = NAME.match(self.text, at)
        if not name:
            return None
        after = _SPACE.match(self.text, name.end())
        if after is None or not self.text.startswith("=", after.end()):
            return None
        self._move(after.end() + 1)
        return Keyword(name.group(), self._expression(depth + 1), at)

    def _take(self, mark: str) -> bool:
        if not self.text.startswith(mark, self.at):
            return False
        self._move(self.at + 1)
        return True

    def _move(self, at: int) -> None:
        self.at = at
        self._skip()

    def _skip(self) -> None:
        space = _SPACE.match(self.text, self.at)
        if space:
            self.at = space.end()

    def _unexpected(self, expected: str) -> RecipeError:
        found = repr(self.text[self.at]) if self.at < len(self.text) else "the end of the expression"
        return self.origin.error(
            self.at,
            f"found {found}",
            why=f"expected {expected}",
            way_out="names with odd characters are quoted: 'emp.var.rate'; parameters are numbers, texts, true or false",
        )
