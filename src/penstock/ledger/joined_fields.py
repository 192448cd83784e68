"""What can be asked of a run beside its own columns: values inside JSON, metrics, tags, notes, what it took and made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import final

from penstock.ledger.fields import FALSE, TRUE, Binder, Unfit, as_number, escaped, joined, like, sure
from penstock.ledger.query import Word

MEANINGS = frozenset({"nan", "none", "null", "true", "false"})
"""Words that are more than texts."""
_LOOKS_NUMERIC = r"^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$"


class Json:
    """A value inside a column of JSON, at a path of names."""

    def __init__(self, binder: Binder, column: str, path: tuple[str, ...]) -> None:
        self.bind, self.column, self.path = binder, column, path

    @cached_property
    def body(self) -> str:
        return _sound(self.bind, self.column)

    @cached_property
    def _path(self) -> str:
        if self.bind.sqlite:
            return self.bind("$" + "".join(f'."{part}"' for part in self.path))
        return self.bind(list(self.path))

    @cached_property
    def kind(self) -> str:
        """SQLite: integer, real, text, true, false, null, array, object. PostgreSQL: number, string, boolean, ..."""
        if self.bind.sqlite:
            return f"json_type({self.body}, {self._path})"
        return f"jsonb_typeof({self.body} #> {self._path})"

    @cached_property
    def text(self) -> str:
        if self.bind.sqlite:
            return f"CAST(json_extract({self.body}, {self._path}) AS TEXT)"
        return f"({self.body} #>> {self._path})"

    @cached_property
    def number(self) -> str:
        """The value where it is a number, also an infinite one; NULL otherwise."""
        value = (
            f"json_extract({self.body}, {self._path})" if self.bind.sqlite else f"CAST({self.text} AS double precision)"
        )
        inf, minus = self.bind(math.inf), self.bind(-math.inf)
        return (
            f"(CASE WHEN {self._is_number} THEN {value} WHEN {self._is_text} THEN "
            f"(CASE {self.text} WHEN 'Infinity' THEN {inf} WHEN '-Infinity' THEN {minus} END) END)"
        )

    @property
    def _is_number(self) -> str:
        return f"{self.kind} IN ('integer', 'real')" if self.bind.sqlite else f"{self.kind} = 'number'"

    @property
    def _is_text(self) -> str:
        return f"{self.kind} = '{'text' if self.bind.sqlite else 'string'}'"

    def holds_number(self) -> str:
        """Whether it is a finite number."""
        return sure(self._is_number)

    def holds_word(self) -> str:
        """Whether it is a text, and not one that stands for a number that JSON lacks."""
        return sure(f"({self._is_text} AND {self.text} NOT IN ('NaN', 'Infinity', '-Infinity'))")

    def present(self) -> str:
        return f"({self.kind} IS NOT NULL)"

    def truth(self) -> str:
        """There, and not a switch that is off."""
        off = f"{self.kind} = 'false'" if self.bind.sqlite else f"({self.kind} = 'boolean' AND {self.text} = 'false')"
        return f"({self.present()} AND NOT {sure(off)})"

    def equals(self, value: Word) -> str:
        spelled = f"({self._is_text} AND {self.text} = {self.bind(value.text)})"
        if value.quoted:
            return sure(spelled)
        lower = value.text.lower()
        if lower == "nan":
            return self.state("nan")
        if lower in ("none", "null"):
            return sure(f"({self.kind} = 'null' OR {spelled})")
        if lower in ("true", "false"):
            if self.bind.sqlite:
                return sure(f"({self.kind} = '{lower}' OR {spelled})")
            return sure(f"(({self.kind} = 'boolean' AND {self.text} = '{lower}') OR {spelled})")
        if (number := as_number(value)) is not None:
            return f"({sure(f'{self.number} = {self.bind(number)}')} OR {sure(spelled)})"
        return sure(spelled)

    def among(self, values: Sequence[Word]) -> str:
        """Equal to one of any number of values: those without a meaning of their own are asked for in two lists."""
        plain, others = [], {}
        for v in values:
            if v.quoted or v.text.lower() not in MEANINGS:
                plain.append(v)
            else:
                others[v.text.lower()] = v
        numbers = [number for v in plain if (number := as_number(v)) is not None]
        parts = [self.equals(v) for v in others.values()]
        if plain:
            texts = ", ".join(self.bind(v.text) for v in plain)
            parts.append(sure(f"({self._is_text} AND {self.text} IN ({texts}))"))
        if numbers:
            parts.append(sure(f"{self.number} IN ({', '.join(self.bind(number) for number in numbers)})"))
        return joined("OR", parts)

    def compare(self, operator: str, value: Word) -> str:
        if (number := as_number(value)) is not None:
            return sure(f"{self.number} {operator} {self.bind(number)}")
        return sure(f"({self.holds_word()} AND {self.text} {operator} {self.bind(value.text)})")

    def contains(self, value: Word) -> str:
        return sure(like(self.text, value.text, self.bind))

    def state(self, state: str) -> str:
        if state == "missing":
            return f"(COALESCE({self.kind}, 'null') = 'null')"
        words = "('NaN')" if state == "nan" else "('Infinity', '-Infinity')"
        return sure(f"({self._is_text} AND {self.text} IN {words})")

    def order(self) -> list[str]:
        return [self.number, self.text]


@final
class Present(Json):
    """Whether a list inside JSON has anything in it (`unsealed`)."""

    def present(self) -> str:
        length = "json_array_length" if self.bind.sqlite else "jsonb_array_length"
        inner = f"{self.body}, {self._path}" if self.bind.sqlite else f"{self.body} #> {self._path}"
        return f"(CASE WHEN {self.kind} = 'array' THEN {length}({inner}) > 0 ELSE {FALSE} END)"

    def truth(self) -> str:
        return self.present()

    def equals(self, value: Word) -> str:
        if value.text.lower() not in ("true", "false"):
            raise Unfit(f"this is either true or false, not {value.text!r}", "write `unsealed`, or `not unsealed`")
        return self.present() if value.text.lower() == "true" else f"(NOT {self.present()})"

    def compare(self, operator: str, value: Word) -> str:
        raise Unfit("this is either true or false", "write `unsealed`, or `not unsealed`")

    def state(self, state: str) -> str:
        return f"(NOT {self.present()})" if state == "missing" else FALSE

    def order(self) -> list[str]:
        return [f"(CASE WHEN {self.present()} THEN 1 ELSE 0 END)"]


@final
class Metric:
    """The final value of a metric. NaN is an absent value in the table."""

    def __init__(self, binder: Binder, name: str) -> None:
        self.bind, self.name = binder, name

    def _one(self, condition: str) -> str:
        return f"EXISTS (SELECT 1 FROM run_metrics m WHERE m.run = r.id AND m.name = {self.bind(self.name)} AND {condition})"

    def present(self) -> str:
        return self._one(TRUE)

    def truth(self) -> str:
        return self.present()

    def equals(self, value: Word) -> str:
        if value.text.lower() == "nan":
            return self.state("nan")
        return self._one(f"m.value = {self.bind(self._number(value))}")

    def compare(self, operator: str, value: Word) -> str:
        return self._one(f"m.value {operator} {self.bind(self._number(value))}")

    def contains(self, value: Word) -> str:
        raise Unfit("a metric is a number, which contains no text", "compare it with =, < or >")

    def state(self, state: str) -> str:
        if state == "missing":
            return f"(NOT {self.present()})"
        if state == "nan":
            return self._one("m.value IS NULL")
        return self._one(f"m.value IN ({self.bind(math.inf)}, {self.bind(-math.inf)})")

    def order(self) -> list[str]:
        return [f"(SELECT m.value FROM run_metrics m WHERE m.run = r.id AND m.name = {self.bind(self.name)})"]

    @staticmethod
    def _number(value: Word) -> float:
        number = as_number(value)
        if number is None:
            raise Unfit(f"a metric is a number, but {value.text!r} is none", "write a number, or `is nan`")
        return number


@final
class Tag:
    """A tag: a text under a name, often an empty one. Compared as a number where both sides are numbers."""

    def __init__(self, binder: Binder, name: str) -> None:
        self.bind, self.name = binder, name

    def _one(self, condition: str) -> str:
        return (
            f"EXISTS (SELECT 1 FROM run_tags t WHERE t.run = r.id AND t.name = {self.bind(self.name)} AND {condition})"
        )

    def present(self) -> str:
        return self._one(TRUE)

    def truth(self) -> str:
        return self.present()

    def equals(self, value: Word) -> str:
        same = f"t.value = {self.bind(value.text)}"
        number = as_number(value)
        if number is None:
            return self._one(same)
        return self._one(f"({same} OR {sure(f'{self._as_number()} = {self.bind(number)}')})")

    def among(self, values: Sequence[Word]) -> str:
        """Equal to one of any number of values."""
        numbers = [number for v in values if (number := as_number(v)) is not None]
        same = f"t.value IN ({', '.join(self.bind(v.text) for v in values)})"
        if numbers:
            same = joined("OR", [same, sure(f"{self._as_number()} IN ({', '.join(self.bind(n) for n in numbers)})")])
        return self._one(same)

    def compare(self, operator: str, value: Word) -> str:
        if (number := as_number(value)) is not None:
            return self._one(sure(f"{self._as_number()} {operator} {self.bind(number)}"))
        return self._one(f"t.value {operator} {self.bind(value.text)}")

    def contains(self, value: Word) -> str:
        return self._one(like("t.value", value.text, self.bind))

    def state(self, state: str) -> str:
        return f"(NOT {self.present()})" if state == "missing" else FALSE

    def order(self) -> list[str]:
        chosen = f"FROM run_tags t WHERE t.run = r.id AND t.name = {self.bind(self.name)}"
        return [f"(SELECT {self._as_number()} {chosen})", f"(SELECT t.value {chosen})"]

    def _as_number(self) -> str:
        if self.bind.sqlite:  # it has no regular expressions; what is JSON and a number there is one
            number = "json_valid(t.value) AND json_type(CASE WHEN json_valid(t.value) THEN t.value END) IN ('integer', 'real')"
            return f"(CASE WHEN {number} THEN CAST(t.value AS REAL) END)"
        return f"(CASE WHEN t.value ~ {self.bind(_LOOKS_NUMERIC)} THEN CAST(t.value AS double precision) END)"


@final
class Many:
    """Something of which a run has any number: notes, decisions that rest on it (by their ids; ``~`` in their texts), and what
    it took or made (by name, or beginning of the digest)."""

    def __init__(self, binder: Binder, what: str) -> None:
        self.bind = binder
        self.equal = {"note": ("text",), "decision": ("id",)}.get(what, ("name", "digest"))
        self.containing = ("hypothesis", "why") if what == "decision" else self.equal
        table = {"note": "run_notes", "input": "run_inputs", "output": "run_outputs", "decision": "decisions"}[what]
        self._of_run = f"FROM {table} x WHERE x.run = r.id"
        if what == "decision":  # whose runs are a list
            runs = "json_each(x.runs)" if binder.sqlite else "jsonb_array_elements_text(CAST(x.runs AS jsonb))"
            self._of_run = f"FROM decisions x, {runs} AS j{'' if binder.sqlite else '(value)'} WHERE j.value = r.id"

    def _any(self, conditions: Sequence[str]) -> str:
        return f"EXISTS (SELECT 1 {self._of_run} AND ({' OR '.join(conditions)}))"

    def present(self) -> str:
        return self._any([TRUE])

    def truth(self) -> str:
        return self.present()

    def equals(self, value: Word) -> str:
        pattern = escaped(value.text) + "%"
        return self._any(
            [
                f"x.{c} = {self.bind(value.text)}"
                if c != "digest"
                else f"x.digest LIKE {self.bind(pattern)} ESCAPE '!'"
                for c in self.equal
            ]
        )

    def compare(self, operator: str, value: Word) -> str:
        raise Unfit(f"there may be several of them, so {operator} has no meaning", "ask with = or ~")

    def contains(self, value: Word) -> str:
        return self._any([like(f"x.{c}", value.text, self.bind) for c in self.containing])

    def state(self, state: str) -> str:
        return f"(NOT {self.present()})" if state == "missing" else FALSE

    def order(self) -> list[str]:
        return [f"(SELECT COUNT(*) {self._of_run})"]


def keys_of(binder: Binder, column: str) -> str:
    """A table ``k`` of the names in a column of JSON objects."""
    if binder.sqlite:
        return f"json_each({_sound(binder, column)}) k"
    return f"LATERAL jsonb_object_keys({_sound(binder, column)}) AS k(key)"


def _sound(binder: Binder, column: str) -> str:
    """A column as JSON. Python writes NaN and infinity bare, which neither engine takes: they are read as texts."""
    if not binder.sqlite:
        pattern = binder(r"([:,\[])(NaN|-?Infinity)(?=[,}\]])")
        return f"CAST(regexp_replace({column}, {pattern}, {binder(_QUOTED)}, {binder('g')}) AS jsonb)"
    put = column
    for before in ":,[":
        for word in ("NaN", "Infinity", "-Infinity"):
            put = f"replace({put}, '{before}{word}', '{before}\"{word}\"')"
    return f"(CASE WHEN json_valid({column}) THEN {column} WHEN json_valid({put}) THEN {put} ELSE '{{}}' END)"


_QUOTED = r'\1"\2"'
