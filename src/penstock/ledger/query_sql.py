"""From a filter to SQL that SQLite and PostgreSQL understand.

A name is, in this order: a property of every run (`PROPERTIES`), or a flag, a metric or a tag of some run. Where two of
these have it, the filter says which: ``flag:loss``, ``metric:loss``, ``tag:loss``. ``loss.min`` is the least value that the
series of a metric had (also max, first, last, count).

A run that lacks a name fits no comparison with it, not even ``!=``; ``not lr=0.1`` does hold for it. Numbers compare with
numbers and texts with texts; a value without quotes fits a number, and a text that is spelled so. NaN equals nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, final

from penstock.errors import QueryError
from penstock.ledger import fields, joined_fields
from penstock.ledger.clock import now as now_utc
from penstock.ledger.fields import Binder, Field
from penstock.ledger.query import Condition, Test, Where, Word, parse, wrong
from penstock.logic import Joined, Not

PROPERTIES = (
    "id", "operation", "status", "started", "ended", "seconds", "user", "host", "project", "parent", "commit", "branch",
    "dirty", "exit", "error", "unsealed", "money", "memory", "note", "input", "output",
    "decision",
)  # fmt: skip
"""Names that every run has; a flag, metric or tag of such a name is asked for with its prefix."""
OTHER_NAMES = {
    "batch": "parent", "who": "user", "started_at": "started", "ended_at": "ended", "took": "seconds", "run": "id",
    "exit_status": "exit", "notes": "note", "inputs": "input", "outputs": "output",
    "decisions": "decision",
}  # fmt: skip
STATISTICS = ("min", "max", "first", "last", "count")
LONGEST, MOST_PARAMETERS = 900_000, 30_000
"""Of the SQL of a filter; SQLite takes a million letters and 32,766 parameters."""
_PREFIX = re.compile(r"(flag|param|metric|tag)s?[:.](.+)", re.DOTALL)

Kind = Literal["property", "flag", "metric", "series", "tag"]


@dataclass(frozen=True, slots=True)
class Name:
    """What a name of a filter, a column or an order means. `statistic` is that of a series."""

    kind: Kind
    name: str
    statistic: str = ""


@final
class Catalog:
    """The names that the runs of a ledger have. Asks only for what a filter needs.

    Parameters
    ----------
    ask : runs one SQL query with named parameters and gives its rows, columns as attributes.
    sqlite : whether the engine is SQLite.
    """

    def __init__(self, ask: Callable[[str, dict[str, Any]], Sequence[Any]], *, sqlite: bool) -> None:
        self._ask = ask
        self.sqlite = sqlite
        self._known: dict[tuple[Kind, str], bool] = {}

    def has(self, kind: Kind, name: str) -> bool:
        """Whether some run has a flag, metric or tag of this name. Asked once."""
        if (kind, name) not in self._known:
            self._known[kind, name] = self._has(kind, name)
        return self._known[kind, name]

    def _has(self, kind: Kind, name: str) -> bool:
        source = {"metric": "run_metrics", "tag": "run_tags"}.get(kind)
        if source is not None:
            return bool(self._ask(f"SELECT 1 AS found FROM {source} WHERE name = :name LIMIT 1", {"name": name}))
        binder = Binder(sqlite=self.sqlite)
        return self.any(joined_fields.Json(binder, "r.params", (name,)).present(), binder)

    def names(self, kind: Kind) -> list[str]:
        """All flags, metrics or tags, sorted."""
        binder = Binder(sqlite=self.sqlite)
        if kind == "flag":
            inner = joined_fields.keys_of(binder, "r.params")
            query = f"SELECT DISTINCT k.key AS name FROM runs r, {inner}"
        else:
            query = f"SELECT DISTINCT name FROM {'run_metrics' if kind == 'metric' else 'run_tags'}"
        return sorted(row.name for row in self._ask(query, binder.params))

    def any(self, condition: str, binder: Binder) -> bool:
        """Whether some run fits a condition whose values are in a binder."""
        return bool(self._ask(f"SELECT 1 AS found FROM runs r WHERE {condition} LIMIT 1", binder.params))

    def empty(self) -> bool:
        return not self._ask("SELECT 1 AS found FROM runs LIMIT 1", {})


def where(text: str, catalog: Catalog, *, now: datetime | None = None) -> Where:
    """The SQL of a filter.

    Raises
    ------
    QueryError : it cannot be read, or names something that no run has; the message names the nearest.
    """
    writer = _Writer(text, catalog, now or now_utc())
    sql = writer.write(parse(text))
    if len(sql) > LONGEST or len(writer.binder.params) > MOST_PARAMETERS:
        raise QueryError(
            "the filter is too long",
            why=f"it makes a question of {len(sql):,} letters with {len(writer.binder.params):,} values",
            way_out="ask for many values of one name with `name in (a, b, c)`, or in several filters",
        )
    return Where(sql, writer.binder.params)


def order(text: str, catalog: Catalog) -> Where:
    """The SQL of an order: ``loss`` (least first), ``-loss`` (greatest first), several with commas. Runs without it come last.

    Raises
    ------
    QueryError : no run has such a name.
    """
    binder = Binder(sqlite=catalog.sqlite, prefix="o")
    terms = []
    for part in (p.strip() for p in text.split(",")):
        name = resolve(part.removeprefix("-"), catalog)
        way = "DESC" if part.startswith("-") else "ASC"
        field = field_of(name, binder)
        terms += [f"{sql} {way} NULLS LAST" for sql in field.order()]
    return Where(", ".join([*terms, "r.id DESC"]), binder.params)


def names_of(catalog: Catalog, *, filter_text: str | None = None, order_text: str | None = None) -> set[Name]:
    """What a filter and an order ask for. Errors: as `where` and `order`."""
    found = set()
    waiting = [] if filter_text is None else [parse(filter_text)]
    while waiting:
        condition = waiting.pop()
        if isinstance(condition, Test):
            name = condition.name
            found.add(resolve(name.text, catalog, filter_text=filter_text, column=name.column))
        else:
            waiting += [condition.part] if isinstance(condition, Not) else condition.parts
    terms = (order_text or "").split(",") if order_text else []
    return found | {resolve(term.strip().removeprefix("-"), catalog) for term in terms}


def resolve(text: str, catalog: Catalog, *, filter_text: str | None = None, column: int = 0) -> Name:
    """What a name means in this ledger.

    Raises
    ------
    QueryError : no run has it, or two kinds of things are called so.
    """
    whole = text if filter_text is None else filter_text
    if not text:
        raise wrong(whole, column, "a name was expected", "write a name, such as status or lr")
    if '"' in text or "\\" in text:
        raise wrong(whole, column, f"the name {text!r} holds a quote or a backslash", "rename it in the script")
    if match := _PREFIX.fullmatch(text):
        return _explicit(whole, column, match[1].replace("param", "flag"), match[2], catalog)
    text = OTHER_NAMES.get(text.lower(), text)
    if text.lower() in PROPERTIES:
        return Name("property", text.lower())
    kinds: list[Kind] = [kind for kind in ("flag", "metric", "tag") if catalog.has(kind, text)]
    if len(kinds) > 1:
        ways = " or ".join(f"{kind}:{text}" for kind in kinds)
        raise wrong(whole, column, f"{text!r} is both a {kinds[0]} and a {kinds[1]}", f"write {ways}")
    if kinds:
        return Name(kinds[0], text)
    if (series := _series(text, catalog)) is not None:
        return series
    if catalog.empty():
        return Name("flag", text)
    raise _unknown(whole, column, text, catalog, ("flag", "metric", "tag"), list(PROPERTIES))


def _explicit(whole: str, column: int, kind: str, name: str, catalog: Catalog) -> Name:
    """A name with its prefix. A tag may be one that no run has; a flag or a metric of that kind is a slip of the hand."""
    if kind == "tag":
        return Name("tag", name)
    if kind == "metric":
        if catalog.has("metric", name) or catalog.empty():
            return Name("metric", name)
        if (series := _series(name, catalog)) is not None:
            return series
        raise _unknown(whole, column, name, catalog, ("metric",), [])
    if catalog.has("flag", name) or catalog.empty():
        return Name("flag", name)
    raise _unknown(whole, column, name, catalog, ("flag",), [])


def _series(text: str, catalog: Catalog) -> Name | None:
    stem, _, statistic = text.rpartition(".")
    if stem and statistic in STATISTICS and catalog.has("metric", stem):
        return Name("series", stem, statistic)
    return None


def _unknown(
    whole: str, column: int, text: str, catalog: Catalog, kinds: tuple[Kind, ...], others: list[str]
) -> QueryError:
    import difflib

    known = others + [name for kind in kinds for name in catalog.names(kind)]
    near = difflib.get_close_matches(text, known, 1, cutoff=0.5)
    what = "flag, metric or tag" if len(kinds) > 1 else kinds[0]
    also = f", and it is none of {', '.join(others)}" if others and not near else ""
    way_out = f"did you mean {near[0]!r}?" if near else "see what a run has with `penstock show RUN`"
    return wrong(whole, column, f"no run has a {what} {text!r}{also}", way_out)


@final
class _Writer:
    """Writes the SQL of one filter."""

    def __init__(self, text: str, catalog: Catalog, now: datetime) -> None:
        self.binder = Binder(sqlite=catalog.sqlite)
        self._text, self._catalog, self._now = text, catalog, now

    def write(self, condition: Condition) -> str:
        if isinstance(condition, Not):
            return f"NOT {self.write(condition.part)}"
        if isinstance(condition, Joined):
            parts = _gathered(condition.parts) if condition.how == "or" else condition.parts
            return fields.joined(condition.how.upper(), [self.write(part) for part in parts])
        return self._test(condition)

    def _test(self, test: Test) -> str:
        name = resolve(test.name.text, self._catalog, filter_text=self._text, column=test.name.column)
        field = field_of(name, self.binder, self._now)
        if test.operator == "has":
            return field.truth()
        if test.operator == "is":
            return self._checked(test.values[0], lambda: field.state(test.values[0].text))
        if test.operator == "in" and (type(field) is joined_fields.Json or isinstance(field, joined_fields.Tag)):
            return field.among(test.values)
        parts = [self._checked(v, lambda v=v: self._compare(field, test.operator, v)) for v in test.values]  # type: ignore[misc]
        return fields.joined("OR", parts)

    @staticmethod
    def _compare(field: Field, operator: str, value: Word) -> str:
        if operator in ("=", "in"):
            return field.equals(value)
        if operator == "!=":
            return f"({field.present()} AND NOT {field.equals(value)})"
        if operator == "~":
            return field.contains(value)
        return field.compare(operator, value)

    def _checked(self, value: Word, make: Callable[[], str]) -> str:
        """A value that does not fit its name is refused with the column of the value."""
        try:
            return make()
        except fields.Unfit as error:
            raise wrong(self._text, value.column, error.why, error.way_out) from None


def _gathered(parts: Sequence[Condition]) -> list[Condition]:
    """Alternatives, those of one name together: ``a=1 or a=2`` as ``a in (1, 2)``, which is a shorter question."""
    values: dict[str, list[Word]] = {}
    names: dict[str, Word] = {}
    others: list[Condition] = []
    for part in parts:
        if isinstance(part, Test) and part.operator in ("=", "in"):
            names.setdefault(part.name.text, part.name)
            values.setdefault(part.name.text, []).extend(part.values)
        else:
            others.append(part)
    return [Test(names[text], "in", tuple(found)) for text, found in values.items()] + others


def field_of(name: Name, binder: Binder, now: datetime | None = None) -> Field:
    """How a name is read from the tables. `now` : what instants such as ``7d`` count from."""
    if name.kind == "flag":
        return joined_fields.Json(binder, "r.params", (name.name,))
    if name.kind == "metric":
        return joined_fields.Metric(binder, name.name)
    if name.kind == "tag":
        return joined_fields.Tag(binder, name.name)
    if name.kind == "series":
        return joined_fields.Json(binder, "r.outputs", ("series", name.name, name.statistic))
    return _property(name.name, binder, now or now_utc())


def _property(name: str, binder: Binder, now: datetime) -> Field:
    json = {
        "branch": ("r.source", ("branch",)),
        "dirty": ("r.source", ("dirty",)),
        "exit": ("r.outputs", ("exit_status",)),
        "error": ("r.error", ("code",)),
        "money": ("r.cost", ("money",)),
        "memory": ("r.cost", ("peak_memory_bytes",)),
    }
    if name in json:
        return joined_fields.Json(binder, *json[name])
    if name in ("started", "ended"):
        return fields.Instant(binder, f"r.{name}_at", now)
    if name in ("note", "input", "output", "decision"):
        return joined_fields.Many(binder, name)
    if name == "seconds":
        return fields.Number(binder, "r.seconds")
    if name == "unsealed":
        return joined_fields.Present(binder, "r.outputs", ("unsealed",))
    if name == "commit":
        return fields.Text(binder, joined_fields.Json(binder, "r.source", ("commit",)).text, begins=True)
    if name == "status":
        return fields.Status(binder, "r.status")
    column = {"user": "r.who"}.get(name, f"r.{name}")
    return fields.Text(binder, column, begins=name in ("id", "parent"))
