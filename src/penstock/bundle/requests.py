"""From the rows of a request to the feeds of the graph. The hot path of a server: readers are made once, at load."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from penstock.bundle.decoder import Decoder
from penstock.bundle.kinds import MISSING_TIME
from penstock.bundle.packing import to_float32
from penstock.bundle.signature import Signature
from penstock.bundle.values import Reader, Unreadable, column_reader, normalise_text
from penstock.errors import RequestError


class ReadRows(NamedTuple):
    """Checked rows: the feeds of the graph, and what each row lacked or had that is new."""

    feeds: dict[str, np.ndarray]
    missing: list[list[str]]
    unknown: list[list[str]]
    keys: list[str | None]


class RequestReader:
    """Reads rows as a signature and its decoder declare them."""

    def __init__(self, decoder: Decoder, signature: Signature) -> None:
        layout = signature.layout
        names = [column.name for column in signature.columns]
        self._inputs = [(name, column_reader(decoder.spec(name))) for name in names]
        self._known = [(i, c.name, frozenset(c.known)) for i, c in enumerate(signature.columns) if c.known is not None]
        self._key: tuple[str, Reader] | None = None
        if signature.key is not None:
            self._key = (signature.key, column_reader(decoder.spec(signature.key)))
        self._allowed = frozenset([*(spec.name for spec in decoder.columns), signature.target.name])
        self._refuses_extra = signature.extra_fields == "refuse"
        self._names = names
        self._pick_numbers = _picker([names.index(name) for name in layout.numbers])
        self._pick_strings = [(names.index(name), name in layout.texts) for name in layout.strings]
        self._pick_times = [names.index(name) for name in layout.times]

    def read(self, rows: Sequence[Mapping[str, Any]], *, extra_fields: str | None = None, first: int = 0) -> ReadRows:
        """Check and decode rows.

        Parameters
        ----------
        extra_fields : "refuse" or "ignore"; None: as the signature says.
        first : number of the first row, for the paths in messages.

        Raises
        ------
        RequestError : "bad-row", "unknown-field", "wrong-type" or "out-of-range", with the path of the field.
        """
        refuses_extra = self._refuses_extra if extra_fields is None else extra_fields == "refuse"
        allowed, inputs, known_values, names = self._allowed, self._inputs, self._known, self._names
        table: list[list[Any]] = []
        missing: list[list[str]] = []
        unknown: list[list[str]] = []
        keys: list[str | None] = []
        for number, row in enumerate(rows, first):
            if type(row) is not dict and not isinstance(row, Mapping):
                raise _bad_row(number, row)
            if refuses_extra and not allowed.issuperset(row):
                raise self._unknown_field(number, row)
            get = row.get
            values = []
            try:
                for name, read in inputs:
                    values.append(read(get(name)))
                if self._key is not None:
                    name, read = self._key
                    keys.append(read(get(name)))
                else:
                    keys.append(None)
            except Unreadable as error:
                raise _unreadable(number, name, error) from None
            missing.append([names[i] for i, value in enumerate(values) if value is None] if None in values else [])
            unknown.append(
                [name for i, name, known in known_values if (value := values[i]) not in known and value is not None]
                if known_values
                else []
            )
            table.append(values)
        return ReadRows(self._feeds(table), missing, unknown, keys)

    def read_key(self, value: object) -> str | None:
        """A key as it stands in answers; for labels that come back by key."""
        if self._key is None:
            return None
        return self._key[1](value)

    def _feeds(self, table: list[list[Any]]) -> dict[str, np.ndarray]:
        """Packed inputs of decoded rows; the same arrays as `pack` makes of a Frame."""
        feeds: dict[str, np.ndarray] = {}
        if self._pick_numbers is not None:
            pick = self._pick_numbers
            feeds["numbers"] = to_float32(np.array([pick(values) for values in table], dtype=np.float64))
        if self._pick_strings:
            strings = np.empty((len(table), len(self._pick_strings)), dtype=object)
            for j, (i, text) in enumerate(self._pick_strings):
                for row, values in enumerate(table):
                    value = values[i]
                    strings[row, j] = "" if value is None else normalise_text(value) if text else value
            feeds["strings"] = strings
        if self._pick_times:
            feeds["times"] = np.array(
                [[MISSING_TIME if (v := values[i]) is None else v for i in self._pick_times] for values in table],
                dtype=np.int64,
            )
        return feeds

    def _unknown_field(self, number: int, row: Mapping[str, Any]) -> RequestError:
        from difflib import get_close_matches

        name = next(name for name in row if name not in self._allowed)
        near = get_close_matches(str(name), self._names, 1)
        return RequestError(
            f"rows[{number}] has a field {name!r} that the model does not know",
            why=f"its fields are {', '.join(self._names[:20])}{', ...' if len(self._names) > 20 else ''}",
            way_out=f"write {near[0]!r}" if near else 'take it out, or set extra_fields = "ignore" under [serving]',
            path=f"rows[{number}].{name}",
            code="unknown-field",
        )


def _picker(positions: list[int]) -> Callable[[list[Any]], Sequence[Any]] | None:
    if not positions:
        return None
    if len(positions) == 1:
        only = positions[0]
        return lambda values: (values[only],)
    return itemgetter(*positions)


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
