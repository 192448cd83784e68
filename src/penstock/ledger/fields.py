"""What can be asked of a run, as SQL of two engines. Every condition is true or false, never unknown.

Parameters are bound by name (`Binder`), so no text of a filter ever becomes part of the SQL. Flags and small outputs are
JSON in text columns: SQLite reads them with its JSON functions, PostgreSQL after a cast to ``jsonb``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, final

from penstock.ledger.clock import instant_text
from penstock.ledger.query import Word
from penstock.ledger.record import STATUSES

FALSE, TRUE = "(1=0)", "(1=1)"
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?inf(inity)?", re.IGNORECASE)
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|min|m|h|d|w)")
_SPAN_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}


class Unfit(Exception):
    """A value does not fit its name."""

    def __init__(self, why: str, way_out: str) -> None:
        super().__init__(why)
        self.why, self.way_out = why, way_out


@final
class Binder:
    """Collects the parameters of one statement."""

    def __init__(self, *, sqlite: bool, prefix: str = "q") -> None:
        self.sqlite = sqlite
        self.params: dict[str, Any] = {}
        self._prefix = prefix

    def __call__(self, value: Any) -> str:
        """The place of a value; a float is told so to PostgreSQL, which has to know the type of what it compares."""
        name = f"{self._prefix}{len(self.params)}"
        self.params[name] = value
        if self.sqlite:
            return f":{name}"
        kind = {str: "text", float: "double precision", list: "text[]"}[type(value)]
        return f"CAST(:{name} AS {kind})"


class Field(Protocol):
    """One thing that can be asked of a run."""

    def present(self) -> str:
        """Whether the run has it."""
        ...

    def truth(self) -> str:
        """What the name alone asks."""
        ...

    def equals(self, value: Word) -> str: ...

    def compare(self, operator: str, value: Word) -> str:
        """With one of ``< <= > >=``."""
        ...

    def contains(self, value: Word) -> str:
        """As text, whatever the case."""
        ...

    def state(self, state: str) -> str:
        """``nan``, ``inf`` or ``missing``."""
        ...

    def order(self) -> list[str]:
        """Expressions to sort by, the first one first."""
        ...


class _Column:
    """What fields of one plain SQL expression share."""

    def __init__(self, binder: Binder, sql: str) -> None:
        self.bind, self.sql = binder, sql

    def present(self) -> str:
        return f"({self.sql} IS NOT NULL)"

    def truth(self) -> str:
        return self.present()

    def contains(self, value: Word) -> str:
        return f"({self.sql} IS NOT NULL AND {like(f'CAST({self.sql} AS TEXT)', value.text, self.bind)})"

    def state(self, state: str) -> str:
        return f"({self.sql} IS NULL)" if state == "missing" else FALSE

    def order(self) -> list[str]:
        return [self.sql]


class Text(_Column):
    """A text; with `begins`, equal means "begins with" (ids, commits)."""

    def __init__(self, binder: Binder, sql: str, *, begins: bool = False) -> None:
        super().__init__(binder, sql)
        self.begins = begins

    def equals(self, value: Word) -> str:
        if self.begins:
            pattern = self.bind(escaped(value.text) + "%")
            return f"({self.sql} IS NOT NULL AND {self.sql} LIKE {pattern} ESCAPE '!')"
        return f"({self.sql} IS NOT NULL AND {self.sql} = {self.bind(value.text)})"

    def compare(self, operator: str, value: Word) -> str:
        return f"({self.sql} IS NOT NULL AND {self.sql} {operator} {self.bind(value.text)})"


@final
class Status(Text):
    """The status, as it is shown: queries on runs put it into the row of one whose process is gone."""

    def equals(self, value: Word) -> str:
        if value.text not in STATUSES:
            import difflib

            near = difflib.get_close_matches(value.text, STATUSES, 1)
            raise Unfit(
                f"no run has the status {value.text!r}",
                f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(STATUSES)}",
            )
        return super().equals(value)


@final
class Number(_Column):
    """A number; a span of time such as 10m counts in seconds."""

    def equals(self, value: Word) -> str:
        return f"({self.sql} IS NOT NULL AND {self.sql} = {self.bind(self._number(value))})"

    def compare(self, operator: str, value: Word) -> str:
        return f"({self.sql} IS NOT NULL AND {self.sql} {operator} {self.bind(self._number(value))})"

    @staticmethod
    def _number(value: Word) -> float:
        number = as_number(value)
        if number is None and (span := _SPAN.fullmatch(value.text)):
            number = float(span[1]) * _SPAN_S[span[2]]
        if number is None:
            raise Unfit(f"{value.text!r} is no number", "write a number, such as 60, or a span such as 10m")
        return number


@final
class Instant(_Column):
    """A point in time, UTC: ``2026-11-01``, ``2026-11-01T10:30``, ``today``, or a span before now: ``7d``."""

    def __init__(self, binder: Binder, sql: str, now: datetime) -> None:
        super().__init__(binder, sql)
        self.now = now

    def equals(self, value: Word) -> str:
        if not re.fullmatch(r"\d{4}(-\d\d(-\d\d([T ]\d\d(:\d\d(:\d\d)?)?)?)?)?", value.text):
            raise Unfit(
                f"{value.text!r} is no day, hour or minute to be within",
                "write started=2026-11-01, or compare: started>7d",
            )
        return f"({self.sql} IS NOT NULL AND {self.sql} LIKE {self.bind(value.text.replace(' ', 'T') + '%')})"

    def compare(self, operator: str, value: Word) -> str:
        return (
            f"({self.sql} IS NOT NULL AND {self.sql} {operator} {self.bind(instant_text(self._instant(value.text)))})"
        )

    def _instant(self, text: str) -> datetime:
        if span := _SPAN.fullmatch(text):
            try:
                return self.now - timedelta(seconds=float(span[1]) * _SPAN_S[span[2]])
            except OverflowError:
                raise Unfit(f"{text!r} is before all time", "write a shorter span, such as 7d") from None
        midnight = self.now.replace(hour=0, minute=0, second=0, microsecond=0)
        named = {"now": self.now, "today": midnight, "yesterday": midnight - timedelta(days=1)}
        if text.lower() in named:
            return named[text.lower()]
        padded = text + "-01-01"[3 * text.count("-") :] if re.fullmatch(r"\d{4}(-\d\d)?", text) else text
        try:
            found = datetime.fromisoformat(padded)
        except ValueError:
            raise Unfit(
                f"{text!r} is no point in time", "write 2026-11-01, 2026-11-01T10:30 (UTC), today, or a span such as 7d"
            ) from None
        return found if found.tzinfo else found.replace(tzinfo=self.now.tzinfo)


def as_number(value: Word) -> float | None:
    """The number that a word without quotes stands for.

    >>> as_number(Word("1e-3", 1)), as_number(Word("1e-3", 1, quoted=True)), as_number(Word("-inf", 1))
    (0.001, None, -inf)
    """
    if value.quoted or not _NUMBER.fullmatch(value.text):
        return None
    return float(value.text)


def joined(how: str, parts: Sequence[str]) -> str:
    """Conditions of which all (AND) or one (OR) must hold, as a tree of little depth: SQLite takes a chain of 1,000 at most.

    >>> joined("OR", ["a", "b", "c"])
    '(a OR (b OR c))'
    """
    if len(parts) == 1:
        return f"({parts[0]})"
    half = len(parts) // 2
    sides = [parts[:half], parts[half:]]
    return "(" + f" {how} ".join(side[0] if len(side) == 1 else joined(how, side) for side in sides) + ")"


def sure(sql: str) -> str:
    """A condition that is false where SQL would not know."""
    return f"COALESCE({sql}, {FALSE})"


def like(sql: str, text: str, binder: Binder) -> str:
    return f"LOWER({sql}) LIKE LOWER({binder('%' + escaped(text) + '%')}) ESCAPE '!'"


def escaped(text: str) -> str:
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")
