"""The text of a contract, read: every key is known, every value has its bounds, and an error says line and column."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Iterable
from datetime import date, datetime
from typing import Any

from penstock.bundle.instants import time_zone
from penstock.bundle.kinds import Kind
from penstock.data.contract.contract import ColumnRules, Comparison, Contract, microseconds_of
from penstock.errors import ContractError, DeclarationError
from penstock.project.toml_positions import Path, Positions

TEXTS = frozenset({Kind.BINARY, Kind.CATEGORICAL, Kind.TEXT, Kind.IDENTIFIER, Kind.CONSTANT})
CODES = TEXTS - {Kind.TEXT}
ANY = frozenset(Kind)
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}

_COMPARISON = re.compile(r"\s*(?P<left>.+?)\s*(?P<op><=|>=|==|!=|<|>)\s*(?P<right>.+?)\s*")


def _kind(value: Any) -> Kind:
    if value not in [str(kind) for kind in Kind]:
        near = difflib.get_close_matches(str(value), [str(kind) for kind in Kind], 1)
        raise ValueError(f"kinds are {', '.join(Kind)}" + (f"; did you mean {near[0]!r}?" if near else ""))
    return Kind(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("it is a text")
    return value


def _mark(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 1:
        raise ValueError("it is one character")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError('it is a list of texts, such as ["?", "n/a"]')
    return tuple(value)


def _labels(value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(one, str | int | float) for one in value):
        raise ValueError('it is a list of texts, numbers or flags, such as ["yes", "no"]')
    return tuple(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("it is true or false")
    return value


def _share(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError("it is a share from 0 to 1: 0.02 is 2 %")
    return float(value)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("it is a whole number of at least 0")
    return value


def _bound(value: Any) -> float:
    if isinstance(value, datetime):
        return microseconds_of(value)
    if isinstance(value, date):
        return microseconds_of(datetime(value.year, value.month, value.day))
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or abs(value) == float("inf"):
        raise ValueError("it is a number, or of a datetime column a date such as 2026-11-20")
    return float(value)


def _pattern(value: Any) -> str:
    try:
        re.compile(_text(value))
    except re.error as error:
        raise ValueError(f"it is no regular expression: {error}") from error
    return str(value)


def _within(value: Any) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw])", _text(value))
    if not found or not float(found[1]):
        raise ValueError('it is a time, such as "12h", "30d" or "2w"')
    return float(found[1]) * UNITS[found[2]]


COLUMN_KEYS: dict[str, tuple[Callable[[Any], Any], frozenset[Kind]]] = {
    "kind": (_kind, ANY),
    "missing": (_texts, ANY),
    "decimal": (_mark, ANY - {Kind.TEXT, Kind.DATETIME}),
    "thousands": (_mark, ANY - {Kind.TEXT, Kind.DATETIME}),
    "formats": (_texts, frozenset({Kind.DATETIME})),
    "timezone": (_text, frozenset({Kind.DATETIME})),
    "optional": (_flag, ANY),
    "missing_at_most": (_share, ANY),
    "at_least": (_bound, frozenset({Kind.NUMERIC, Kind.DATETIME})),
    "at_most": (_bound, frozenset({Kind.NUMERIC, Kind.DATETIME})),
    "whole": (_flag, frozenset({Kind.NUMERIC})),
    "values": (_labels, CODES),
    "length_at_least": (_count, TEXTS),
    "length_at_most": (_count, TEXTS),
    "pattern": (_pattern, TEXTS),
    "unique": (_flag, ANY),
    "newest_within": (_within, frozenset({Kind.DATETIME})),
    "exceptions": (_share, ANY),
}
"""Key of ``[columns.NAME]`` -> what reads its value, and the kinds of columns that it is about."""

TABLE_KEYS: dict[str, Callable[[Any], Any]] = {"new_columns": _text, "rows_at_least": _count, "rows_at_most": _count}
RULE_KEYS: dict[str, Callable[[Any], Any]] = {"that": _text, "exceptions": _share}
SECTIONS = ("table", "columns", "rules")


def parse_contract(text: str, *, name: str = "contract.toml") -> Contract:
    """A contract of its text.

    Raises
    ------
    ContractError : it is not TOML, has an unknown key (the nearest is named) or a value that cannot be; with line and column.

    >>> contract = parse_contract('[columns.age]\\nkind = "numeric"\\nat_most = 120\\n')
    >>> contract.columns["age"].at_most
    120.0
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message, _, where = str(error).partition(" (at ")
        raise ContractError(
            f"{name} is not valid TOML",
            why=f"{message}: {where.rstrip(')') or 'the file'}",
            way_out="correct that line",
        ) from error
    return _Reader(name, raw, Positions(text)).contract()


class _Reader:
    def __init__(self, name: str, raw: dict[str, Any], positions: Positions) -> None:
        self.name, self.raw, self.positions = name, raw, positions

    def error(self, path: Path, what: str, why: str, way_out: str) -> ContractError:
        while path and path not in self.positions.keys:
            path = path[:-1]
        line, column = self.positions.line_column(self.positions.keys[path].at if path else 0)
        error = ContractError(f"{self.name}, line {line}, column {column}: {what}", why=why, way_out=way_out)
        error.line, error.column = line, column
        return error

    def contract(self) -> Contract:
        self.known((), self.raw, SECTIONS)
        table = self.table(("table",))
        new = self.values(("table",), table, TABLE_KEYS)
        if new.get("new_columns", "refuse") not in ("refuse", "allow"):
            raise self.error(
                ("table", "new_columns"),
                f"new_columns = {new['new_columns']!r}",
                'it is "refuse" or "allow"',
                'write "allow" where a file may have columns that are not named here',
            )
        self.ordered(("table",), new, "rows_at_least", "rows_at_most")
        columns = {column: self.column(column) for column in self.table(("columns",))}
        return Contract(
            columns,
            tuple(self.comparison(rule, columns) for rule in self.table(("rules",))),
            new.get("new_columns") == "allow",
            new.get("rows_at_least"),
            new.get("rows_at_most"),
        )

    def column(self, column: str) -> ColumnRules:
        path: Path = ("columns", column)
        given = self.table(path)
        made = self.values(path, given, {key: read for key, (read, _) in COLUMN_KEYS.items()})
        kind = made.get("kind")
        for key in given:
            about = COLUMN_KEYS[key][1]
            if kind is None and about != ANY:
                raise self.error(
                    (*path, key),
                    f"{key} without a kind",
                    "what it means depends on how the values are read",
                    'add kind = "..."',
                )
            if kind is not None and kind not in about:
                raise self.error(
                    (*path, key),
                    f"{key} says nothing of a column of kind {kind}",
                    f"it is about {', '.join(sorted(about))}",
                    "remove it, or correct the kind",
                )
        for key in ("at_least", "at_most"):
            dated = isinstance(given.get(key), date)
            if key in given and dated != (kind is Kind.DATETIME):
                wanted = "a date, such as 2026-11-20" if kind is Kind.DATETIME else "a number"
                raise self.error(
                    (*path, key),
                    f"{key} = {given[key]}",
                    f"a column of kind {kind} is held against {wanted}",
                    f"write {wanted}",
                )
        self.ordered(path, made, "at_least", "at_most")
        self.ordered(path, made, "length_at_least", "length_at_most")
        try:
            if "timezone" in made:
                time_zone(made["timezone"], column=column)
            rules = ColumnRules(
                column, **{{"newest_within": "newest_within_s"}.get(key, key): value for key, value in made.items()}
            )
            _ = rules.spec
        except DeclarationError as error:
            raise self.error(path, error.what, error.why, error.way_out) from error
        return rules

    def comparison(self, rule: str, columns: dict[str, ColumnRules]) -> Comparison:
        path: Path = ("rules", rule)
        given = self.values(path, self.table(path), RULE_KEYS)
        where: Path = (*path, "that") if "that" in given else path
        found = _COMPARISON.fullmatch(given.get("that", ""))
        if not found:
            raise self.error(
                where, f"rule {rule!r} compares nothing", "it has no two sides with <, <=, ==, !=, >= or > between them",
                'write for example that = "start <= end"',
            )  # fmt: skip
        left, right = found["left"], found["right"]
        other: str | float = right
        if right not in columns:
            try:
                other = float(right)
            except ValueError:
                raise self.unknown(where, right, columns) from None
        if left not in columns:
            raise self.unknown(where, left, columns)
        kinds = [columns[side].kind for side in (left, other) if isinstance(side, str)]
        if (
            len(set(kinds)) > 1
            or kinds[0] not in (Kind.NUMERIC, Kind.DATETIME)
            or (kinds[0] is Kind.DATETIME and len(kinds) == 1)
        ):
            raise self.error(
                where,
                f"rule {rule!r} compares {' and '.join(str(kind or 'anything') for kind in kinds)}",
                "two numbers are compared, or two instants",
                "correct the kinds of the columns, or remove the rule",
            )
        return Comparison(rule, left, found["op"], other, given.get("exceptions", 0.0))

    # ---- what all tables share

    def table(self, path: Path) -> dict[str, Any]:
        found: Any = self.raw
        for key in path:
            found = found.get(key, {})
        if not isinstance(found, dict):
            shown = ".".join(map(str, path))
            raise self.error(
                path, f"{shown} is no table", "keys and values stand in it", f"write [{shown}] and keys below it"
            )
        return found

    def values(self, path: Path, given: dict[str, Any], keys: dict[str, Callable[[Any], Any]]) -> dict[str, Any]:
        self.known(path, given, keys)
        made = {}
        for key, value in given.items():
            try:
                made[key] = keys[key](value)
            except ValueError as error:
                raise self.error(
                    (*path, key), f"{key} = {value!r} cannot be", str(error), "correct this line"
                ) from error
        return made

    def known(self, path: Path, given: dict[str, Any], keys: Iterable[str]) -> None:
        for key in given:
            if key not in keys:
                near = difflib.get_close_matches(key, list(keys), 1, 0.5)
                where = f"in [{'.'.join(map(str, path))}]" if path else "in a contract"
                raise self.error(
                    (*path, key),
                    f"there is no key {key!r} {where}",
                    f"known are {', '.join(keys)}",
                    f"write {near[0]!r}" if near else "remove it or use one of these",
                )

    def ordered(self, path: Path, made: dict[str, Any], low: str, high: str) -> None:
        if low in made and high in made and made[low] > made[high]:
            raise self.error((*path, high), f"{high} lies below {low}", "no value can keep both", "correct one of them")

    def unknown(self, where: Path, column: str, columns: Iterable[str]) -> ContractError:
        near = difflib.get_close_matches(column, list(columns), 1)
        return self.error(
            where,
            f"{column!r} is no column of the contract",
            f"the columns are {', '.join(list(columns)[:30])}",
            f"write {near[0]!r}" if near else "use one of these, or a number",
        )
