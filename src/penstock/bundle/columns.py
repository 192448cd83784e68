"""The column speed: dictionary-encoded text; each distinct value is read once, by the function of the row speed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from penstock.bundle.frame import typed_array
from penstock.bundle.kinds import Kind
from penstock.bundle.numbers import marked_numbers
from penstock.bundle.raw import Reader
from penstock.bundle.rows import read_values
from penstock.bundle.specs import ColumnSpec, EncodedColumn, Problem, TargetSpec

_NUMBER_CHARACTERS = b"0123456789+-.eE\n"


def read_numbers(
    spec: ColumnSpec | TargetSpec, read: Reader, column: EncodedColumn
) -> tuple[np.ndarray, list[Problem]]:
    """Numbers as float64 (n_rows,), NaN where missing, and the values that could not be read."""
    exactly = isinstance(spec, ColumnSpec) and spec.origin != 0  # of whole numbers that float64 would round
    table = None if exactly else _plain_numbers(spec, column.values)
    if table is None:
        return read_column(spec.name, read, column, lambda decoded: typed_array(decoded, Kind.NUMERIC))
    return np.append(table, np.nan)[column.codes], []  # code -1 picks the last


def read_column(
    name: str, read: Reader, column: EncodedColumn, to_array: Callable[[list[Any]], np.ndarray]
) -> tuple[np.ndarray, list[Problem]]:
    """An array (n_rows,) as `to_array` makes it of decoded values, and the values that could not be read."""
    decoded, bad = read_values(name, read, column.values)
    array = to_array([*decoded, None])[column.codes]  # code -1 picks the last
    return array, problems_of_rows(bad, column.codes)


def problems_of_rows(bad: Sequence[Problem], codes: np.ndarray) -> list[Problem]:
    """Problems of distinct values as those of the rows that hold them."""
    if not bad:
        return []
    of_code = {problem.row: problem for problem in bad}
    rows = np.flatnonzero(np.isin(codes, list(of_code)))
    return [replace(of_code[code], row=row) for row, code in zip(rows.tolist(), codes[rows].tolist(), strict=True)]


def _plain_numbers(spec: ColumnSpec | TargetSpec, values: Sequence[str | None]) -> np.ndarray | None:
    """Distinct numbers at C speed, or None when some value needs the reader.

    Text that is made of the characters of plain numbers only is a number to Python's `float` exactly when it is one by
    the grammar: underscores, inf, nan, hex and other digits need other characters. Both end in the same `float`.
    """
    if spec.thousands or spec.decimal not in ".,":
        return None
    absent = {"", *(marker.strip() for marker in spec.missing)}
    stripped = ("" if value is None else value.strip() for value in values)
    texts = [None if text in absent else text for text in stripped]
    joined = "\n".join(text for text in texts if text is not None)
    if spec.decimal == ",":
        if "." in joined:
            return None
        texts = [text and text.replace(",", ".") for text in texts]
        joined = joined.replace(",", ".")
    if not joined.isascii() or joined.encode().translate(None, _NUMBER_CHARACTERS):
        return None
    try:
        numbers = np.fromiter((np.nan if text is None else float(text) for text in texts), np.float64, len(texts))
    except ValueError:
        return None
    if np.isinf(numbers).any():
        return None
    marked = marked_numbers(spec)
    if marked:
        numbers[np.isin(numbers, marked)] = np.nan
    return numbers
