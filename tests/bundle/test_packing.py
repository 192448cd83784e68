"""One input per type, in the order of the layout."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.bundle.decoder import ColumnSpec, Decoder
from penstock.bundle.kinds import MISSING_TIME, Kind
from penstock.bundle.packing import Layout, pack
from penstock.errors import SchemaMismatch

SPECS = (
    ColumnSpec("at", Kind.DATETIME),
    ColumnSpec("b", Kind.NUMERIC),
    ColumnSpec("note", Kind.TEXT),
    ColumnSpec("a", Kind.NUMERIC),
    ColumnSpec("member", Kind.BINARY),
)
ROWS = [
    {"at": "1970-01-01T00:00:01", "a": 1, "b": 2, "note": "Hello, World", "member": "Yes"},
    {"note": "Hello, World"},
    {"a": 3, "note": "!?"},
]


def test_a_layout_keeps_the_order_given_within_each_type() -> None:
    """And survives its stored form."""
    layout = Layout.of(SPECS)
    assert layout == Layout(("b", "a"), ("note", "member"), frozenset({"note"}), ("at",))
    assert layout.inputs == ("numbers", "strings", "times")
    assert Layout.from_json(layout.to_json()) == layout


def test_packed_inputs_have_the_types_of_the_graph() -> None:
    """Missing is NaN, "" and MISSING_TIME; texts are taken as words, other strings as they are."""
    frame, _ = Decoder(SPECS, None).decode_rows(ROWS)
    feeds = pack(frame, Layout.of(SPECS))
    assert list(feeds) == ["numbers", "strings", "times"]
    np.testing.assert_array_equal(feeds["numbers"], np.array([[2, 1], [np.nan, np.nan], [np.nan, 3]], np.float32))
    assert feeds["numbers"].flags.c_contiguous
    assert feeds["strings"].tolist() == [["hello world", "Yes"], ["hello world", ""], ["", ""]]
    assert feeds["times"].tolist() == [[1_000_000], [MISSING_TIME], [MISSING_TIME]]
    assert {name: array.dtype for name, array in feeds.items()} == {
        "numbers": np.float32,
        "strings": np.dtype(object),
        "times": np.int64,
    }


def test_only_the_inputs_that_hold_a_column_are_fed() -> None:
    """A graph of numbers has one input."""
    frame, _ = Decoder(SPECS, None).decode_rows(ROWS)
    assert list(pack(frame, Layout.of([SPECS[1]]))) == ["numbers"]


def test_the_frame_is_left_as_it_was() -> None:
    """Packing copies."""
    frame, _ = Decoder(SPECS, None).decode_rows(ROWS)
    pack(frame, Layout.of(SPECS))
    assert frame["member"].tolist() == ["Yes", None, None]


@pytest.mark.parametrize("kind", [Kind.IDENTIFIER, Kind.CONSTANT])
def test_a_column_that_is_no_input_cannot_be_packed(kind: Kind) -> None:
    """It is named."""
    with pytest.raises(SchemaMismatch, match="'id' cannot be an input"):
        Layout.of([ColumnSpec("id", kind)])
