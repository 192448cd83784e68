"""From the rows of a request to the feeds of the graph. The hot path of a server: readers are made once, at load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from penstock.bundle.decoder import Decoder
from penstock.bundle.kinds import MISSING_TIME
from penstock.bundle.numbers import marked_numbers
from penstock.bundle.packing import to_float32
from penstock.bundle.preparing import reader_of
from penstock.bundle.privacy.protecting import HiddenColumnValue
from penstock.bundle.raw import Reader, Unreadable
from penstock.bundle.signature import Signature
from penstock.bundle.words import packed_words
from penstock.errors import RequestError

_JSON_NUMBERS = frozenset((int, float))


class ReadRows(NamedTuple):
    """Checked rows: their decoded values, and what each row lacked or had that is new."""

    table: list[list[Any]]
    missing: list[list[str]]
    unknown: list[list[str]]
    keys: list[str | None]


def joined(parts: Sequence[ReadRows]) -> ReadRows:
    """The rows of several requests, one after another."""
    whole = ReadRows([], [], [], [])
    for part in parts:
        whole.table.extend(part.table)
        whole.missing.extend(part.missing)
        whole.unknown.extend(part.unknown)
        whole.keys.extend(part.keys)
    return whole


class RequestReader:
    """Reads rows as a signature and its decoder declare them.

    Decoded rows are lists in the order of the layout: numbers, strings, times, then inputs that the graph does not take
    (they are checked all the same).
    """

    def __init__(self, decoder: Decoder, signature: Signature) -> None:
        layout = signature.layout
        signed = [column.name for column in signature.columns]
        packed = [*layout.numbers, *layout.strings, *layout.times]
        names = packed + [name for name in signed if name not in set(packed)]
        readers = [(name, decoder.reader(name)) for name in names]
        known = {column.name: frozenset(column.known) for column in signature.columns if column.known is not None}
        n_numbers, n_strings = len(layout.numbers), len(layout.strings)
        self._names, self._readers, self._others = names, readers, readers[n_numbers:]
        self._order = {name: position for position, name in enumerate(signed)}.__getitem__
        self._known = [(names.index(name), name, values) for name, values in known.items()]
        self._key: tuple[str, Reader] | None = None
        if signature.key is not None:
            self._key = (signature.key, decoder.reader(signature.key))
        self._allowed = frozenset([*(spec.name for spec in decoder.columns), signature.target.name])
        self._refuses_extra = signature.extra_fields == "refuse"
        self._protector = decoder.protector if decoder.is_private else None
        self._numbers = slice(0, n_numbers)
        self._subtracted = layout.subtracted
        self._strings = [(n_numbers + j, name in layout.texts) for j, name in enumerate(layout.strings)]
        self._prepared = [([names.index(c) for c in tree.columns], reader_of(tree)) for _, tree in layout.prepared]
        self._images = tuple(dict.fromkeys(name for _, tree in layout.prepared for name in tree.images))
        self._times = slice(n_numbers + n_strings, len(packed))
        self._pick_numbers = None
        if n_numbers > 1 and not any(
            marked_numbers(decoder.spec(name)) or decoder.spec(name).origin for name in layout.numbers
        ):
            self._pick_numbers = itemgetter(*layout.numbers)

    def part_of(self, read: ReadRows, other: RequestReader, rows: Sequence[int]) -> ReadRows:
        """Some rows that another reader of the same decoder has read, with the columns of this one; what was missing stays
        as the other one tells it."""
        places = [other._names.index(name) for name in self._names]
        table = [[read.table[i][place] for place in places] for i in rows]
        unknown = [[name for i, name, known in self._known if v[i] not in known and v[i] is not None] for v in table]
        return ReadRows(table, [read.missing[i] for i in rows], unknown, [read.keys[i] for i in rows])

    @property
    def protects(self) -> bool:
        """Whether rows hold personal columns, so that they have to be protected before they are read."""
        return self._protector is not None

    def protect(
        self, rows: Sequence[Mapping[str, Any]], *, extra_fields: str | None = None, first: int = 0
    ) -> list[Mapping[str, Any]]:
        """Rows as they may be kept and as `read` takes them; where unknown fields are ignored, they are gone.

        Raises
        ------
        RequestError : "bad-row", "wrong-type" or "out-of-range"; it does not quote the value.
        """
        if self._protector is None:
            return list(rows)
        refuses_extra = self._refuses_extra if extra_fields is None else extra_fields == "refuse"
        only = None if refuses_extra else self._allowed
        protected: list[Mapping[str, Any]] = []
        for number, row in enumerate(rows, first):
            if not isinstance(row, Mapping):
                raise _bad_row(number, row)
            try:
                protected.append(self._protector.row(row, only=only))
            except HiddenColumnValue as error:
                raise _unreadable(number, error.name, error) from None
        return protected

    def refuse_broken_images(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Refuse rows whose images cannot be unpacked. (For who asks; `read` takes such an image for a missing one.)

        Raises
        ------
        RequestError : "wrong-type", with the path of the field.
        """
        for name in self._images:
            for number, row in enumerate(rows):
                value = row.get(name) if isinstance(row, Mapping) else None
                if isinstance(value, str) and value:
                    from penstock.bundle.images import image_of

                    try:
                        image_of(value)
                    except RequestError as error:
                        path = f"rows[{number}].{name}"
                        raise RequestError(
                            f"{path} is an image that cannot be read",
                            error.why,
                            error.way_out,
                            path=path,
                            code=error.code,
                        ) from error

    def read(self, rows: Sequence[Mapping[str, Any]], *, extra_fields: str | None = None, first: int = 0) -> ReadRows:
        """Check and decode rows, which `protect` has protected where they hold personal columns.

        Parameters
        ----------
        extra_fields : "refuse" or "ignore"; None: as the signature says.
        first : number of the first row, for the paths in messages.

        Raises
        ------
        RequestError : "bad-row", "unknown-field", "wrong-type" or "out-of-range", with the path of the field.
        """
        refuses_extra = self._refuses_extra if extra_fields is None else extra_fields == "refuse"
        table: list[list[Any]] = []
        missing: list[list[str]] = []
        unknown: list[list[str]] = []
        keys: list[str | None] = []
        for number, row in enumerate(rows, first):
            if type(row) is not dict and not isinstance(row, Mapping):
                raise _bad_row(number, row)
            if refuses_extra and not self._allowed.issuperset(row):
                raise self._unknown_field(number, row)
            get, name = row.get, ""
            values = self._finite_numbers(row)
            readers = self._others if values else self._readers
            try:
                for name, read in readers:
                    values.append(read(get(name)))
                if self._key is None:
                    keys.append(None)
                else:
                    name, read = self._key
                    keys.append(read(get(name)))
            except Unreadable as error:
                raise _unreadable(number, name, error) from None
            table.append(values)
            missing.append(self._missing(values) if None in values else [])
            unknown.append([name for i, name, known in self._known if values[i] not in known and values[i] is not None])
        return ReadRows(table, missing, unknown, keys)

    def _finite_numbers(self, row: Mapping[str, Any]) -> list[Any]:
        """The numeric inputs of a row at C speed when all are finite JSON numbers, which their readers leave as they are.

        An empty list says that some value needs its reader.
        """
        if self._pick_numbers is not None:
            try:
                numbers = self._pick_numbers(row)
                if _JSON_NUMBERS.issuperset(map(type, numbers)) and isfinite(sum(numbers)):
                    return list(numbers)
            except (KeyError, OverflowError):  # an absent field; an integer beyond float64
                return []
        return []

    def _missing(self, values: list[Any]) -> list[str]:
        """Names of the inputs without a value, in the order of the signature."""
        return sorted((name for name, value in zip(self._names, values, strict=True) if value is None), key=self._order)

    def read_key(self, value: object) -> str | None:
        """A key as it stands in answers; for labels that come back by key."""
        if self._key is None:
            return None
        name, read = self._key
        if self._protector is not None and name in self._protector:
            return read(self._protector.row({name: value}).get(name))
        return read(value)

    def feeds(self, table: list[list[Any]]) -> dict[str, np.ndarray]:
        """Packed inputs of decoded rows, of one request or of several; the same arrays as `pack` makes of a Frame."""
        feeds: dict[str, np.ndarray] = {}
        if self._numbers.stop:
            numbers = [values[self._numbers] for values in table]
            doubles = np.array(numbers, dtype=np.float64)
            feeds["numbers"] = to_float32(doubles if self._subtracted is None else doubles - self._subtracted)
        if self._strings:
            strings = np.empty((len(table), len(self._strings) + len(self._prepared)), dtype=object)
            for row, values in enumerate(table):
                for j, (i, text) in enumerate(self._strings):
                    value = values[i]
                    strings[row, j] = "" if value is None else packed_words(value) if text else value
                for j, (places, prepare) in enumerate(self._prepared, len(self._strings)):
                    strings[row, j] = prepare([values[i] for i in places])
            feeds["strings"] = strings
        if self._times.stop > self._times.start:
            times = [[MISSING_TIME if v is None else v for v in values[self._times]] for values in table]
            feeds["times"] = np.array(times, dtype=np.int64)
        return feeds

    def _unknown_field(self, number: int, row: Mapping[str, Any]) -> RequestError:
        from difflib import get_close_matches

        name = next(name for name in row if name not in self._allowed)
        fields = sorted(self._names, key=self._order)
        near = get_close_matches(str(name), fields, 1)
        return RequestError(
            f"rows[{number}] has a field {name!r} that the model does not know",
            why=f"its fields are {', '.join(fields[:20])}{', ...' if len(fields) > 20 else ''}",
            way_out=f"write {near[0]!r}" if near else 'take it out, or set extra_fields = "ignore" under [serving]',
            path=f"rows[{number}].{name}",
            code="unknown-field",
        )


def _bad_row(number: int, row: object) -> RequestError:
    return RequestError(
        f"rows[{number}] is not an object",
        why=f"it is a {type(row).__name__}",
        way_out='send each row as an object of fields, such as {"age": 41}',
        path=f"rows[{number}]",
        code="bad-row",
    )


def _unreadable(number: int, name: str, error: Unreadable) -> RequestError:
    return RequestError(
        f"rows[{number}].{name} cannot be read",
        why=error.why,
        way_out="send a value of the declared kind, or null when there is none",
        path=f"rows[{number}].{name}",
        code=error.code,
    )
