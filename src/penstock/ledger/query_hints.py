"""Why a filter may have found nothing: it compares numbers with a word, or words with a number, which is never so."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.ledger import fields
from penstock.ledger.joined_fields import MEANINGS, Json
from penstock.ledger.query import Condition, Test, Word, parse
from penstock.ledger.query_sql import Catalog, Name, field_of, resolve
from penstock.logic import Not

_COMPARE = ("=", "<", "<=", ">", ">=")


def misfits(text: str, catalog: Catalog) -> list[str]:
    """What a filter compares that no run can fit, one line each; nothing where its values are of the kind that the runs have.

    `text` is a filter that `penstock.ledger.query_sql.where` takes.
    """
    lines = []
    for test in _tests(parse(text)):
        name = resolve(test.name.text, catalog, filter_text=text, column=test.name.column)
        lines.append(_misfit(test, name, catalog) if test.operator in _COMPARE else None)
    return list(dict.fromkeys(line for line in lines if line is not None))


def _tests(condition: Condition) -> Iterator[Test]:
    """The tests of a filter, as they are written from left to right."""
    if isinstance(condition, Test):
        yield condition
    else:
        for part in (condition.part,) if isinstance(condition, Not) else condition.parts:
            yield from _tests(part)


def _misfit(test: Test, name: Name, catalog: Catalog) -> str | None:
    value, shown = test.values[0], test.name.text
    is_number = fields.as_number(value) is not None
    if is_number and test.operator == "=":  # also fits a text that is spelled so
        return None
    if not value.quoted and value.text.lower() in MEANINGS and test.operator == "=":
        return None
    numbers, words = _kinds(name, catalog)
    if numbers and not words and not is_number:
        if value.quoted and fields.as_number(Word(value.text, value.column)) is not None:
            return f"{shown} is a number in every run, and in quotes {value.text} is a text: write {shown}{test.operator}{value.text}"
        return f"{shown} is a number in every run, and {value.text!r} is none"
    if words and not numbers and is_number:
        return (
            f"{shown} is a text in every run, and {value.text} is a number: "
            f'{shown}{test.operator}"{value.text}" compares it as a text'
        )
    return None


def _kinds(name: Name, catalog: Catalog) -> tuple[bool, bool]:
    """Whether some run has a number under a name, and whether some run has a word."""
    binder = fields.Binder(sqlite=catalog.sqlite)
    field = field_of(name, binder)
    if type(field) is not Json:  # others have one kind, and refuse what is of another
        return False, False
    return catalog.any(field.holds_number(), binder), catalog.any(field.holds_word(), binder)
