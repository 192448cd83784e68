"""The column speed: dictionary-encoded text; each distinct value is read once, by the function of the row speed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from penstock.bundle.frame import typed_array
from penstock.bundle.kinds import Kind
from penstock.bundle.rows import read_values
from penstock.bundle.specs import ColumnSpec, EncodedColumn, Problem, TargetSpec
from penstock.bundle.values import Reader, marked_numbers

_NUMBER_CHARACTERS = b"0123456789+-.eE\n"


def read_column(
    spec: ColumnSpec | TargetSpec, kind: Kind, read: Reader, column: EncodedColumn
) -> tuple[np.ndarray, list[Problem]]:
    """A typed array, shape (n_rows,), and the values that could not be read."""
    codes = np.asarray(column.codes)
    if kind is Kind.NUMERIC:
        table = _plain_numbers(spec, column.values)
        if table is not None:
            return np.append(table, np.nan)[codes], []  # code -1 picks the last
    decoded, bad = read_values(spec.name, read, column.values)
    array = typed_array([*decoded, None], kind)[codes]
    if not bad:
        return array, []
    first = {problem.row: problem for problem in bad}
    rows = np.flatnonzero(np.isin(codes, list(first)))
    problems = []
    for row, code in zip(rows.tolist(), codes[rows].tolist(), strict=True):
        seen = first[code]
        problems.append(Problem(seen.column, row, seen.value, seen.code, seen.why))
    return array, problems


def _plain_numbers(spec: ColumnSpec | TargetSpec, values: Sequence[str | None]) -> np.ndarray | None:
    """Distinct numbers at C speed, or None when some value needs the reader.

    Text that is made of the characters of plain numbers only is a number to Python's `float` exactly when it is one by
    the grammar: underscores, inf, nan, hex and other digits need other characters. Both end in the same `float`.
    """
    if spec.thousands or spec.decimal not in ".,":
        return None
    absent = {"", *(marker.strip() for marker in spec.missing)}
    texts = ["" if value is None else value.strip() for value in values]
    written = [text for text in texts if text not in absent]
    joined = "\n".join(written)
    if spec.decimal == ",":
        if "." in joined:
            return None
        texts = [text.replace(",", ".") if text not in absent else text for text in texts]
        joined = joined.replace(",", ".")
    if not joined.isascii() or joined.encode().translate(None, _NUMBER_CHARACTERS):
        return None
    try:
        numbers = np.fromiter(
            (np.nan if text in absent else float(text) for text in texts), dtype=np.float64, count=len(texts)
        )
    except ValueError:
        return None
    if np.isinf(numbers).any():
        return None
    marked = marked_numbers(spec)
    if marked:
        numbers[np.isin(numbers, marked)] = np.nan
    return numbers
