"""The decoder: the declared way from raw values to typed arrays. One definition, two speeds that agree bit for bit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from penstock.bundle.columns import read_column, read_numbers
from penstock.bundle.frame import Frame, typed_array
from penstock.bundle.history import History
from penstock.bundle.kinds import MISSING_TIME, Kind
from penstock.bundle.privacy.keys import check_of
from penstock.bundle.privacy.protecting import Protector, inner, protected_reader
from penstock.bundle.privacy.transforms import missing_key
from penstock.bundle.raw import Reader
from penstock.bundle.rows import read_values
from penstock.bundle.specs import ColumnSpec, EncodedColumn, Problem, TargetSpec
from penstock.bundle.values import column_reader, target_reader
from penstock.bundle.words import normalise_text
from penstock.errors import BundleError, NewerFormat, PrivacyError, SchemaMismatch
from penstock.objects.digests import canonical_json, digest_of

__all__ = [
    "MISSING_TIME",
    "ColumnSpec",
    "Decoder",
    "EncodedColumn",
    "Frame",
    "Kind",
    "Problem",
    "TargetSpec",
    "normalise_text",
]

FORMAT = 2
"""1 where no column has an origin: what knows no origins reads it rightly."""


@dataclass(frozen=True)
class Decoder:
    """The columns of a data set and its target, in the order of the source.

    Raw values of personal columns are protected first, and only what comes of that is read. In rows they may also come
    marked, as `protect` leaves them. `key` is the project's privacy key; it is never stored, only its check is, and only raw
    values that are hashed or shifted need it.

    Columns that look back (`history`) are among `columns`, too: where a row has them already they are read as numbers.

    >>> decoder = Decoder((ColumnSpec("age", Kind.NUMERIC, missing=("?",)),), None)
    >>> frame, problems = decoder.decode_rows([{"age": "41"}, {"age": "?"}, {"age": "old"}])
    >>> frame["age"].tolist(), [problem.why for problem in problems]
    ([41.0, nan, nan], ["'old' is not a number (decimal mark '.')"])
    """

    columns: tuple[ColumnSpec, ...]
    target: TargetSpec | None
    key_check: str = ""
    key: bytes | None = field(default=None, repr=False, compare=False)
    history: History | None = None

    def __post_init__(self) -> None:
        names = [spec.name for spec in self.columns] + ([self.target.name] if self.target else [])
        twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
        if twice:
            raise SchemaMismatch(
                f"the decoder declares {twice[0]!r} twice",
                why="every column, the target among them, has one name and one declaration",
                way_out="rename one of the columns in the source",
            )

    # ------------------------------------------------------------ stored form

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT if any(spec.origin for spec in self.columns) else 1,
            "kind": "decoder",
            "columns": [spec.to_json() for spec in self.columns],
            "target": self.target.to_json() if self.target else None,
            **({"key_check": self.key_check} if self.key_check else {}),
            **({"history": self.history.to_json()} if self.history is not None else {}),
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Decoder:
        """The decoder of its stored form.

        Raises
        ------
        NewerFormat : written by a later release.
        BundleError : it is not a decoder.
        """
        if isinstance(plain, Mapping) and isinstance(plain.get("format"), int) and plain["format"] > FORMAT:
            raise NewerFormat(
                f"the decoder has format {plain['format']}",
                why=f"this release of Penstock knows formats up to {FORMAT}",
                way_out="upgrade Penstock",
            )
        try:
            target = plain["target"]
            return cls(
                tuple(ColumnSpec.from_json(column) for column in plain["columns"]),
                TargetSpec.from_json(target) if target else None,
                plain.get("key_check", ""),
                history=History.from_json(plain["history"]) if plain.get("history") else None,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(
                "the stored decoder cannot be read", why=f"{type(error).__name__}: {error}", way_out="make it again"
            ) from error

    @cached_property
    def digest(self) -> str:
        """The digest of the canonical stored form."""
        return digest_of(canonical_json(self.to_json()))

    # ------------------------------------------------------------ personal columns

    @property
    def is_private(self) -> bool:
        """Whether any column is protected."""
        return any(spec.privacy is not None for spec in self.columns)

    @property
    def is_keyed(self) -> bool:
        """Whether raw values of any column are hashed or shifted."""
        return any(spec.privacy is not None and spec.privacy.parsed.is_keyed for spec in self.columns)

    @property
    def needs_key(self) -> bool:
        """Whether raw values need the privacy key, and it is not here."""
        return self.is_keyed and self.key is None

    def require_key(self) -> None:
        """
        Raises
        ------
        PrivacyError : the privacy key is needed, and not here.
        """
        if self.needs_key:
            name = next(spec.name for spec in self.columns if spec.privacy is not None and spec.privacy.parsed.is_keyed)
            raise missing_key(name)

    def with_key(self, key: bytes | None) -> Decoder:
        """The same with the privacy key; itself, where it needs none.

        Raises
        ------
        PrivacyError : it is the key of another project.
        """
        if key is None or not self.needs_key:
            return self
        check = check_of(key)
        if self.key_check and check != self.key_check:
            raise PrivacyError(
                "this is not the privacy key that the model was made with",
                why="hashes and dates would not be those that it learned from",
                way_out="take the key from the project that made it: `penstock data privacy --key`",
            )
        return replace(self, key_check=check, key=key)

    @cached_property
    def inner(self) -> Decoder:
        """How protected values are read."""
        return replace(self, columns=tuple(map(inner, self.columns))) if self.is_private else self

    @cached_property
    def protector(self) -> Protector:
        """What makes protected values of raw ones."""
        return Protector(self.columns, self.key)

    def protect_columns(self, columns: Mapping[str, EncodedColumn]) -> tuple[dict[str, EncodedColumn], list[Problem]]:
        """Text columns with the personal ones protected, as `inner` reads them; problems in the order of the columns."""
        protected, problems = dict(columns), []
        for spec in self.columns:
            if spec.privacy is not None and spec.name in columns:
                protected[spec.name], bad = self.protector.column(spec.name, columns)
                problems += bad
        return protected, problems

    # ------------------------------------------------------------ reading

    def spec(self, name: str) -> ColumnSpec:
        """The declaration of a column; SchemaMismatch with the nearest name when there is none."""
        try:
            return self._specs[name]
        except KeyError:
            from difflib import get_close_matches

            near = get_close_matches(name, self._specs, 1)
            raise SchemaMismatch(
                f"there is no column {name!r}",
                why=f"known are {', '.join(list(self._specs)[:20])}",
                way_out=f"write {near[0]!r}" if near else "use one of these",
            ) from None

    def reader(self, name: str) -> Reader:
        """The function that reads one value of a column, of a personal one a marked value; see `penstock.bundle.values`."""
        if name not in self._readers:
            spec = self.spec(name)
            read = column_reader(spec)
            self._readers[name] = read if spec.privacy is None else protected_reader(spec, read)
        return self._readers[name]

    def decode_columns(self, columns: Mapping[str, EncodedColumn]) -> tuple[Frame, list[Problem]]:
        """Bulk speed: text columns of one length; a declared column that is absent is all missing, others are ignored.

        Problems come in the order of the columns, then of the rows.
        """
        lengths = {len(column.codes) for column in columns.values()}
        if len(lengths) > 1:
            raise SchemaMismatch(
                "the columns have different lengths", why=f"{sorted(lengths)}", way_out="give columns of one table"
            )
        n_rows = lengths.pop() if lengths else 0
        if self.is_private:
            protected, unprotected = self.protect_columns(columns)
            frame, unread = self.inner.decode_columns(protected)
            order = {spec.name: place for place, spec in enumerate(self.columns)}
            return frame, sorted([*unprotected, *unread], key=lambda p: (order[p.column], p.row))
        arrays: dict[str, np.ndarray] = {}
        problems: list[Problem] = []
        for spec in self.columns:
            if spec.name in columns:
                arrays[spec.name], bad = self._read_column(spec, columns[spec.name])
                problems += bad
            else:
                arrays[spec.name] = typed_array([None] * n_rows, spec.kind)
        return Frame(arrays, dict(self._kinds), n_rows), problems

    def decode_distinct(self, name: str, values: Sequence[str | None]) -> tuple[np.ndarray, list[Problem]]:
        """The typed values of distinct texts of one column, shape (m + 1,): the last is what a missing one becomes.

        `row` of a problem is the place of its value.
        """
        codes = np.append(np.arange(len(values)), -1)
        return self._read_column(self.spec(name), EncodedColumn(values, codes))

    def decode_rows(self, rows: Sequence[Mapping[str, Any]]) -> tuple[Frame, list[Problem]]:
        """Row speed: JSON or text values; an absent field is missing, an undeclared one is ignored."""
        arrays: dict[str, np.ndarray] = {}
        problems: list[Problem] = []
        for spec in self.columns:
            name = spec.name
            if spec.privacy is None:
                decoded, bad = read_values(name, self.reader(name), (row.get(name) for row in rows))
            else:
                decoded, bad = read_values(name, self._raw_reader(spec), rows)
            arrays[name] = typed_array(decoded, spec.kind)
            problems += bad
        return Frame(arrays, dict(self._kinds), len(rows)), problems

    def decode_target_columns(self, column: EncodedColumn) -> tuple[np.ndarray, list[Problem]]:
        """The target in bulk, shape (n_rows,): int64 class numbers (-1 missing, unknown), or float64 (NaN missing)."""
        target, read = self._target
        if target.task.is_classification:
            return read_column(target.name, read, column, _class_numbers)
        return read_numbers(target, read, column)

    def decode_target_values(self, values: Sequence[Any]) -> tuple[np.ndarray, list[Problem]]:
        """The target of JSON or text values; see `decode_target_columns`."""
        target, read = self._target
        decoded, problems = read_values(target.name, read, values)
        if target.task.is_classification:
            return _class_numbers(decoded), problems
        return typed_array(decoded, Kind.NUMERIC), problems

    def _read_column(self, spec: ColumnSpec, column: EncodedColumn) -> tuple[np.ndarray, list[Problem]]:
        read = self.reader(spec.name)
        if spec.kind is Kind.NUMERIC:
            return read_numbers(spec, read, column)
        return read_column(spec.name, read, column, lambda decoded: typed_array(decoded, spec.kind))

    def _raw_reader(self, spec: ColumnSpec) -> Reader:
        """From a row to a personal value as it is read: the row speed of `protect_columns`."""
        protect, read, name = self.protector.value, self.inner.reader(spec.name), spec.name
        return lambda row: read(protect(name, row.get(name), row))  # type: ignore[attr-defined, arg-type]

    @cached_property
    def _specs(self) -> dict[str, ColumnSpec]:
        return {spec.name: spec for spec in self.columns}

    @cached_property
    def _kinds(self) -> dict[str, Kind]:
        return {spec.name: spec.kind for spec in self.columns}

    @cached_property
    def _readers(self) -> dict[str, Reader]:
        return {}

    @cached_property
    def _target(self) -> tuple[TargetSpec, Reader]:
        if self.target is None:
            raise SchemaMismatch(
                "this decoder has no target", why="it was declared without one", way_out="declare [data] target"
            )
        return self.target, target_reader(self.target)


def _class_numbers(decoded: Sequence[int | None]) -> np.ndarray:
    return np.array([-1 if number is None else number for number in decoded], dtype=np.int64)
