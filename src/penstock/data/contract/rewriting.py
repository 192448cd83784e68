"""Values that cannot be read as the contract says, though as the same kind written in another way: what says so, here and in `[data]`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penstock.bundle.kinds import Kind
from penstock.data.contract.contract import ColumnRules

FEW = 0.05  # of the different values: no more than that are no other way of writing
MANY = 0.5  # of the different values: so many that are numbers one by one are no texts
WRITING = ("decimal", "thousands", "formats")  # keys of a column here, and tables of columns in `[data]`


def rewritten(rules: ColumnRules, unread: Sequence[str], read: Sequence[str]) -> dict[str, Any] | None:
    """Keys with which all of these values are read as the kind that they have; None where there are no such ones.

    Parameters
    ----------
    unread : different values that cannot be read now. read : others of the column that can be: a mark that suits only some of both is none.

    >>> rewritten(ColumnRules("x", Kind.NUMERIC), ["12,5", "-0,25"], ["7"])
    {'decimal': ','}
    >>> rewritten(ColumnRules("day", Kind.DATETIME, formats=("iso",)), ["31.12.2025", "01.02.2026"], ["2026-02-01"])
    {'formats': ['iso', '%d.%m.%Y']}
    """
    if len(unread) <= FEW * (len(unread) + len(read)):
        return None  # exceptions rather
    if rules.kind is Kind.NUMERIC:
        return _numbers(rules, [*unread, *read])
    if rules.kind is Kind.DATETIME:
        return _dates(rules, unread, read)
    return None


def are_of_its_kind(rules: ColumnRules, unread: Sequence[str]) -> bool:
    """Whether most of these are, each for itself, what the column holds: then they are written in several ways, and are no texts."""
    from penstock.data.formats import number_format

    if rules.kind is not Kind.NUMERIC or not unread:
        return False
    return sum(number_format([text]) is not None for text in unread) > MANY * len(unread)


def data_lines(column: str, edit: Mapping[str, Any]) -> list[str]:
    """What `[data]` has to say so that the data set reads a column as the contract does after this edit of its keys.

    >>> data_lines("net price", {"decimal": ",", "exceptions": 0.1})
    ['decimal."net price" = ","']
    """
    from penstock.data.contract.breach import header, literal

    said = {table: edit[table] for table in WRITING if edit.get(table) is not None}
    if "kind" in edit:
        said = {"kinds": edit["kind"]}
    return [f"{header((table, column))} = {literal(value)}" for table, value in said.items()]


def _numbers(rules: ColumnRules, texts: Sequence[str]) -> dict[str, Any] | None:
    from penstock.data.formats import number_format

    found = number_format(texts)
    if found is None:
        return None
    marks = {"decimal": found.decimal, "thousands": found.thousands}
    return {key: mark for key, mark in marks.items() if mark != getattr(rules, key)} or None


def _dates(rules: ColumnRules, unread: Sequence[str], read: Sequence[str]) -> dict[str, Any] | None:
    """The formats that were there stay before those that are new, unless they read the new dates with day and month the other way round."""
    import numpy as np

    from penstock.data.evidence import Evidence
    from penstock.data.formats import date_format

    texts = [*unread, *read]
    count = len(texts)
    found = date_format(Evidence(texts, np.ones(count, dtype=np.int64), np.arange(count), count, 0), rules.name)
    if found is None:
        return None
    before = rules.formats or ("iso",)
    turned = {pattern.translate(str.maketrans("dm", "md")) for pattern in found.formats} - set(found.formats)
    new = [pattern for pattern in found.formats if pattern not in before]
    if not new:
        return None
    return {"formats": list(found.formats) if turned & set(before) else [*before, *new]}
