"""The decoder's declaration and its two speeds as a whole; single values are in the conformance vectors."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.bundle.decoder import ColumnSpec, Decoder, EncodedColumn, TargetSpec
from penstock.bundle.kinds import MISSING_TIME, Kind, Task
from penstock.errors import BundleError, DeclarationError, NewerFormat, SchemaMismatch

DECODER = Decoder(
    (
        ColumnSpec("age", Kind.NUMERIC, missing=("?", "-9"), decimal=",", thousands="."),
        ColumnSpec("job", Kind.CATEGORICAL, numeric_text=True, boolean_text=True),
        ColumnSpec("at", Kind.DATETIME, formats=("iso", "%d.%m.%Y"), timezone="Europe/Berlin"),
        ColumnSpec("note", Kind.TEXT),
    ),
    TargetSpec("y", Task.BINARY, (False, True), missing=("?",)),
)


def test_a_decoder_survives_its_stored_form() -> None:
    """With everything that it declares, and the same digest."""
    again = Decoder.from_json(DECODER.to_json())
    assert again == DECODER
    assert again.digest == DECODER.digest
    assert Decoder.from_json(Decoder((), None).to_json()) == Decoder((), None)


@pytest.mark.parametrize(
    ("stored", "error"),
    [
        ({"format": 3}, NewerFormat),
        ({"format": 1}, BundleError),
        ({"format": 1, "columns": [{"name": "a", "kind": "colour"}], "target": None}, BundleError),
        ({"format": 1, "columns": [{"name": "a", "kind": "text", "hue": 1}], "target": None}, BundleError),
        ([], BundleError),
    ],
)
def test_what_is_no_decoder_is_refused(stored: object, error: type[Exception]) -> None:
    """A later format by its number, nonsense by name."""
    with pytest.raises(error):
        Decoder.from_json(stored)  # type: ignore[arg-type]


def test_a_name_declared_twice_is_refused() -> None:
    """Also when it is the target's."""
    with pytest.raises(SchemaMismatch, match="'y' twice"):
        Decoder((ColumnSpec("y", Kind.NUMERIC),), TargetSpec("y", Task.REGRESSION))


@pytest.mark.parametrize("marks", [{"decimal": ""}, {"decimal": "1"}, {"thousands": "."}, {"thousands": "''"}])
def test_marks_that_cannot_be_told_apart_are_refused(marks: dict[str, str]) -> None:
    """A declaration is checked when it is made."""
    with pytest.raises(DeclarationError, match="thousands mark"):
        ColumnSpec("a", Kind.NUMERIC, **marks)  # type: ignore[arg-type]


def test_an_unknown_column_is_answered_with_the_nearest() -> None:
    """With what to write."""
    with pytest.raises(SchemaMismatch, match="write 'age'"):
        DECODER.spec("Age")


def test_problems_come_by_column_then_by_row_with_the_raw_value() -> None:
    """The same list from both speeds."""
    rows = [{"age": "x", "at": "never"}, {"age": "1.234,5"}, {"age": "x", "at": "31.12.2019"}]
    frame, problems = DECODER.decode_rows(rows)
    assert [(p.column, p.row, p.value, p.code) for p in problems] == [
        ("age", 0, "x", "wrong-type"),
        ("age", 2, "x", "wrong-type"),
        ("at", 0, "never", "wrong-type"),
    ]
    columns = {name: EncodedColumn.of([row.get(name) for row in rows]) for name in ("age", "at")}
    bulk, bulk_problems = DECODER.decode_columns(columns)
    assert bulk_problems == problems
    assert bulk["age"].tobytes() == frame["age"].tobytes() == np.array([np.nan, 1234.5, np.nan]).tobytes()


def test_absent_columns_are_all_missing_and_undeclared_ones_ignored() -> None:
    """At both speeds."""
    bulk, problems = DECODER.decode_columns({"colour": EncodedColumn.of(["red", "blue"])})
    rows, _ = DECODER.decode_rows([{"colour": "red"}, {}])
    assert not problems
    for frame in (bulk, rows):
        assert list(frame.columns) == ["age", "job", "at", "note"]
        assert all(frame.missing(name).all() for name in frame.columns)
        assert frame["at"].tolist() == [MISSING_TIME] * 2


def test_dictionary_values_that_no_row_has_make_no_problems() -> None:
    """A part of a table keeps the dictionary of the whole."""
    column = EncodedColumn(["1", "x", None], np.array([0, 2, -1, 0], dtype=np.int8))
    frame, problems = DECODER.decode_columns({"age": column})
    assert not problems
    assert frame["age"].tobytes() == np.array([1, np.nan, np.nan, 1]).tobytes()


def test_columns_of_different_lengths_are_refused() -> None:
    """They are not of one table."""
    with pytest.raises(SchemaMismatch, match="different lengths"):
        DECODER.decode_columns({"age": EncodedColumn.of(["1"]), "at": EncodedColumn.of([])})


def test_a_decoder_without_a_target_says_so() -> None:
    """Rather than fail on None."""
    with pytest.raises(SchemaMismatch, match="no target"):
        Decoder((), None).decode_target_values(["1"])


def test_an_empty_table_decodes_to_an_empty_frame() -> None:
    """With every column in its type."""
    for frame, problems in (DECODER.decode_rows([]), DECODER.decode_columns({})):
        assert not problems
        assert len(frame) == 0
        assert frame["age"].dtype == np.float64
    assert DECODER.decode_target_values([])[0].dtype == np.int64


def test_categories_that_are_numbers_keep_all_their_digits() -> None:
    """As text and as JSON; those that one float holds were one category."""
    decoder = Decoder((ColumnSpec("c", Kind.CATEGORICAL, numeric_text=True),), None)
    texts = [44 * "1", 43 * "1" + "2", "1" + 21 * "0", "007"]
    frame, rejected = decoder.decode_rows([{"c": text} for text in texts])
    assert (frame["c"].tolist(), rejected) == ([44 * "1", 43 * "1" + "2", "1e+21", "7"], [])
    assert decoder.decode_rows([{"c": int(text)} for text in texts])[0]["c"].tolist() == frame["c"].tolist()
