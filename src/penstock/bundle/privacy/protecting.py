"""Personal values become protected ones: row by row in a server, column by column in bulk, by the same transforms.

In rows a protected value is marked by its action, ``{"email": {"hash": "h3f..."}}``: such a row may be journalled, sealed and
read again, and is never transformed twice. A value that was protected in another way is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from penstock.bundle.columns import problems_of_rows
from penstock.bundle.privacy.transforms import Transform, transform_of
from penstock.bundle.raw import HiddenValue, Reader
from penstock.bundle.rows import read_values
from penstock.bundle.specs import ColumnSpec, EncodedColumn, Problem


@dataclass(frozen=True, slots=True)
class _Personal:
    name: str
    action: str
    transform: Transform
    subject: str


class Protector:
    """Protects the personal columns among those of a decoder.

    Parameters
    ----------
    specs : of a decoder. key : the privacy key; None where it is not here, which only matters to raw values that need it.
    """

    def __init__(self, specs: Sequence[ColumnSpec], key: bytes | None) -> None:
        self._personal = tuple(
            _Personal(spec.name, spec.privacy.action, transform_of(spec, key), spec.privacy.subject)
            for spec in specs
            if spec.privacy is not None
        )
        self._of = {personal.name: personal for personal in self._personal}

    def __contains__(self, name: str) -> bool:
        return name in self._of

    def row(self, row: Mapping[str, Any], *, only: Collection[str] | None = None) -> dict[str, Any]:
        """A row as it may be kept. Values that are protected already stay as they are; dropped ones are gone.

        Parameters
        ----------
        only : fields beyond these are left out, as nobody has looked what is in them.

        Raises
        ------
        HiddenColumnValue : a value cannot be transformed.
        """
        kept = {name: value for name, value in row.items() if only is None or name in only}
        for personal in self._personal:
            name = personal.name
            if name not in row:
                continue
            if personal.action == "drop":
                del kept[name]
                continue
            value = row[name]
            try:
                protected = self._one(personal, value, row.get(personal.subject))
            except HiddenValue as error:
                raise HiddenColumnValue(name, error) from None
            kept[name] = None if protected is None else {personal.action: protected}
        return kept

    def value(self, name: str, value: object, row: Mapping[str, Any]) -> str | None:
        """One value of a personal column, protected, without its mark."""
        personal = self._of[name]
        return self._one(personal, value, row.get(personal.subject))

    def column(self, name: str, columns: Mapping[str, EncodedColumn]) -> tuple[EncodedColumn, list[Problem]]:
        """A personal column of text in bulk, and the values that could not be transformed, which are missing then.

        Each distinct value is transformed once; with a subject each distinct pair.
        """
        personal, column = self._of[name], columns[name]
        if personal.action == "drop":
            return EncodedColumn([], np.full(len(column), -1, dtype=np.int32)), []
        codes = np.asarray(column.codes)
        subject = columns.get(personal.subject) if personal.subject else None
        if subject is None:
            pairs: list[tuple[object, object]] = [(value, None) for value in column.values]
        else:
            codes, pairs = _pairs(column, subject)
        transform = personal.transform
        protected, bad = read_values(name, lambda pair: transform(*pair), pairs)  # type: ignore[misc]
        return _encoded(protected, codes), problems_of_rows(bad, codes)

    def _one(self, personal: _Personal, value: object, subject: object) -> str | None:
        if personal.action == "drop":
            return None
        if type(value) is dict:
            return unmarked(personal.name, personal.action, value)
        if type(subject) is dict:
            subject = None if len(subject) != 1 else next(iter(subject.values()))
        return personal.transform(value, subject)


class HiddenColumnValue(HiddenValue):
    """A `HiddenValue`, and the column that it stands in."""

    def __init__(self, name: str, error: HiddenValue) -> None:
        super().__init__(error.code, error.why)
        self.name = name


def unmarked(name: str, action: str, marked: Mapping[str, Any]) -> str:
    """What stands behind the mark of a protected value.

    Raises
    ------
    HiddenValue : it was protected in another way, or is no protected value at all.
    """
    protected = marked.get(action) if len(marked) == 1 else None
    if type(protected) is not str:
        raise HiddenValue("wrong-type", f"{name!r} holds an object that is no value protected by {action!r}")
    return protected


def protected_reader(spec: ColumnSpec, read: Reader) -> Reader:
    """The reader of marked values: what stands behind the mark, as `read` reads it."""
    assert spec.privacy is not None
    name, action = spec.name, spec.privacy.action
    if action == "drop":
        return lambda value: None

    def unmark(value: object) -> Any:
        if value is None:
            return None
        if type(value) is not dict:
            raise HiddenValue("wrong-type", f"the value of {name!r} was not protected")
        return read(unmarked(name, action, value))

    return unmark


def inner(spec: ColumnSpec) -> ColumnSpec:
    """How protected values of a column are read."""
    return spec if spec.privacy is None else replace(spec, privacy=None)


def _pairs(column: EncodedColumn, subject: EncodedColumn) -> tuple[np.ndarray, list[tuple[object, object]]]:
    """Distinct pairs of a value and its subject, and the number of each row's; -1 where the value is null."""
    width = len(subject.values) + 1
    of_value, of_subject = np.asarray(column.codes, dtype=np.int64), np.asarray(subject.codes, dtype=np.int64)
    there = of_value >= 0
    distinct, inverse = np.unique((of_value * width + of_subject + 1)[there], return_inverse=True)
    codes = np.full(len(of_value), -1, dtype=np.int64)
    codes[there] = inverse
    subjects = [None, *subject.values]
    return codes, [(column.values[pair // width], subjects[pair % width]) for pair in distinct.tolist()]


def _encoded(protected: Sequence[str | None], codes: np.ndarray) -> EncodedColumn:
    """Dictionary-encoded anew: many raw values may have become one."""
    numbers: dict[str, int] = {}
    of_code = [-1 if text is None else numbers.setdefault(text, len(numbers)) for text in protected]
    table = np.array([*of_code, -1], dtype=np.int32)  # code -1 picks the last
    return EncodedColumn(list(numbers), table[codes])
