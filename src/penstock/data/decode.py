"""The second reading of a source: a batch of text as typed rows, ready to be stored. Each distinct value is read once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from penstock.bundle.decoder import Decoder
from penstock.bundle.kinds import MISSING_TIME, Kind
from penstock.bundle.specs import ColumnSpec, EncodedColumn, Problem
from penstock.data import fingerprints as prints
from penstock.data.chunks import typed_values
from penstock.data.plain_instants import plain_instants
from penstock.data.texts import MANY, Texts, as_arrow, places_of
from penstock.serving.batch.numbers import may_be_plain, plain_numbers

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Unread:
    """Values of one column that cannot be read: the rows that have them, and what is wrong with each row's.

    Attributes
    ----------
    rows : positions in the batch, int64, rising. codes : which of `problems` each has.
    """

    column: str
    rows: np.ndarray
    codes: np.ndarray
    problems: Mapping[int, Problem]


@dataclass(frozen=True)
class Decoded:
    """Typed rows of a batch.

    Attributes
    ----------
    arrays : one for each column of the decoder, in its order, as chunks store them.
    hashes : of the input columns, as `penstock.data.fingerprints.frame_hashes` makes them: uint64, shape (n, 2).
    unread : values that could not be read and are missing.
    """

    arrays: list[pa.Array]
    hashes: np.ndarray
    unread: list[Unread]


def decode(
    decoder: Decoder,
    columns: Mapping[str, EncodedColumn],
    n_rows: int,
    inputs: Iterable[str],
    known: Mapping[str, np.ndarray] | None = None,
) -> Decoded:
    """Read the columns that the decoder declares; one that is absent is all missing. As `Decoder.decode_columns` reads them.

    Parameters
    ----------
    inputs : names of the columns that make the hashes. known : columns that are typed already, shape (n,).
    """
    import pyarrow as pa

    hashes = np.zeros((n_rows, 2), dtype=np.uint64)
    arrays: list[pa.Array] = []
    unread: list[Unread] = []
    hashed, known = frozenset(inputs), known or {}
    if decoder.is_private:
        columns, unprotected = decoder.protect_columns(columns)
        unread += _by_column(unprotected)
        decoder = decoder.inner
    for spec in decoder.columns:
        if spec.name in known:
            arrays.append(typed_values(known[spec.name], spec.kind))
            if spec.name in hashed:
                texts, codes = prints.encode(known[spec.name], spec.kind)
                hashes += prints.text_lanes(spec.name, texts)[codes]
            continue
        column = columns[spec.name] if spec.name in columns else EncodedColumn([], np.full(n_rows, -1, dtype=np.int32))
        values, problems = _distinct(decoder, spec, column.values)
        missing = len(values) - 1
        codes = np.where(column.codes < 0, missing, column.codes)
        arrays.append(typed_values(values, spec.kind).take(pa.array(codes)))
        if spec.name in hashed:
            hashes += prints.decoded_lanes(spec.name, values, spec.kind)[codes]
        if problems:
            rows = np.flatnonzero(np.isin(codes, [problem.row for problem in problems]))
            unread.append(Unread(spec.name, rows, codes[rows], {problem.row: problem for problem in problems}))
    return Decoded(arrays, hashes, unread)


def _distinct(decoder: Decoder, spec: ColumnSpec, values: Sequence[str | None]) -> tuple[np.ndarray, list[Problem]]:
    """As `Decoder.decode_distinct`, with what is written plainly read by whole columns."""
    texts = as_arrow(values) if len(values) >= MANY else None
    if texts is not None and may_be_plain(spec):
        numbers = plain_numbers(texts, spec)
        if numbers is not None:
            return np.append(numbers, np.nan), []
    if (
        texts is not None
        and spec.kind is Kind.DATETIME
        and spec.timezone == "UTC"
        and spec.formats[:1] in ((), ("iso",))
    ):
        return _instants(decoder, spec, texts)
    return decoder.decode_distinct(spec.name, values)


def _instants(decoder: Decoder, spec: ColumnSpec, texts: pa.StringArray) -> tuple[np.ndarray, list[Problem]]:
    import pyarrow as pa

    instants = np.append(plain_instants(texts), MISSING_TIME)
    instants[places_of(Texts(texts), [marker.strip() for marker in spec.missing])] = MISSING_TIME
    other = np.flatnonzero(instants[:-1] == MISSING_TIME)
    rest, problems = decoder.decode_distinct(spec.name, texts.take(pa.array(other)).to_pylist())
    instants[other] = rest[:-1]
    return instants, [replace(problem, row=int(other[problem.row])) for problem in problems]


def _by_column(problems: list[Problem]) -> list[Unread]:
    """Problems with single rows."""
    found: dict[str, list[Problem]] = {}
    for problem in problems:
        found.setdefault(problem.column, []).append(problem)
    return [
        Unread(name, np.array([p.row for p in of_column]), np.arange(len(of_column)), dict(enumerate(of_column)))
        for name, of_column in found.items()
    ]
