"""Typed rows survive Parquet exactly."""

from __future__ import annotations

import numpy as np

from penstock.bundle.decoder import MISSING_TIME, ColumnSpec, Frame, Kind
from penstock.data import chunks

SPECS = (
    ColumnSpec("a.b c", Kind.NUMERIC),
    ColumnSpec("a", Kind.CATEGORICAL),
    ColumnSpec("A", Kind.TEXT),
    ColumnSpec("y", Kind.DATETIME),
)


def frame() -> Frame:
    columns = {
        "a.b c": np.array([0.1, np.nan, -1e300]),
        "a": np.array(["x", None, "é\n"], dtype=object),
        "A": np.array([None, None, ""], dtype=object),
        "y": np.array([MISSING_TIME, 0, 2**62]),
    }
    return Frame(columns, {spec.name: spec.kind for spec in SPECS}, 3)


def test_rows_come_back_bit_for_bit_in_their_types() -> None:
    """Names that differ in case, look like the target, or hold dots do no harm."""
    before, y = frame(), np.array([0, 1, -1])
    after, labels = chunks.from_bytes(chunks.to_bytes(before, y, SPECS), SPECS)
    assert labels.dtype == np.int64
    assert labels.tolist() == y.tolist()
    assert after.kinds == before.kinds
    for name, column in before.columns.items():
        assert after[name].dtype == column.dtype
        assert repr(after[name].tolist()) == repr(column.tolist())


def test_equal_rows_give_equal_bytes() -> None:
    """So they are stored once."""
    y = np.array([0.5, 1.5, np.nan])
    assert chunks.to_bytes(frame(), y, SPECS) == chunks.to_bytes(frame(), y, SPECS)


def test_many_rows_are_split_and_none_are_lost() -> None:
    """Chunks are bounded."""
    n = chunks.CHUNK_ROWS + 5
    table = Frame({"n": np.arange(n, dtype=np.float64)}, {"n": Kind.NUMERIC}, n)
    parts = list(chunks.split_rows(table, np.zeros(n)))
    assert [rows.n_rows for rows, _ in parts] == [chunks.CHUNK_ROWS, 5]
    assert Frame.concat([rows for rows, _ in parts])["n"].tolist() == table["n"].tolist()


def test_no_rows_and_no_columns_survive() -> None:
    """The edges."""
    nothing, y = chunks.empty(SPECS, classification=True)
    after, labels = chunks.from_bytes(chunks.to_bytes(nothing, y, SPECS), SPECS)
    assert (after.n_rows, len(labels), after.kinds) == (0, 0, nothing.kinds)
    bare, labels = chunks.from_bytes(chunks.to_bytes(Frame({}, {}, 2), np.array([1, 0]), ()), ())
    assert (bare.n_rows, labels.tolist()) == (2, [1, 0])
