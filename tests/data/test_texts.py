"""What looks at a whole column by its bytes finds what looking at one text after the other does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from penstock.bundle.instants import instant_reader
from penstock.bundle.kinds import MISSING_TIME, Kind
from penstock.bundle.raw import Unreadable
from penstock.bundle.specs import ColumnSpec, EncodedColumn, TargetSpec, Task
from penstock.data import decode as decoding
from penstock.data import evidence as evidences
from penstock.data.evidence import Evidence, any_leading_zero, plain_numbers, same_number_same_text
from penstock.data.formats import date_format
from penstock.data.plain_instants import plain_instants
from penstock.data.source import Batch
from penstock.data.texts import Texts, places_of

WRITTEN = [
    "1",
    "+1",
    "-2.5",
    "007",
    "0",
    "0.5",
    "1e3",
    "1E3",
    " 1",
    "1 ",
    "\u3000x",
    "x\x1c",
    "",
    " ",
    "NA",
    "nan",
    "1_0",
    "é",
    "9" * 400,
]
ALL = st.sampled_from(WRITTEN) | st.text(max_size=4) | st.floats(allow_nan=False).map(repr)


@pytest.fixture(autouse=True)
def from_the_first_text_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (evidences, decoding):
        monkeypatch.setattr(module, "MANY", 0)


def looked_at(evidence: Evidence) -> tuple[object, ...]:
    same = (evidence.counts.tolist(), evidence.sequence.tolist(), evidence.rows, evidence.blank)
    return (list(evidence.texts), *same)


@settings(max_examples=200, deadline=None)
@given(st.lists(ALL | st.none(), min_size=1, max_size=12), st.lists(ALL, max_size=2))
def test_the_evidence_of_a_column_in_arrow_is_that_of_a_list(values: list[str | None], gone: list[str]) -> None:
    column = EncodedColumn.of(values)
    in_arrow = EncodedColumn(Texts(pa.array(column.values, pa.string())), column.codes)
    rows = np.arange(0, len(values), 2)
    one, other = Evidence.of(column, rows), Evidence.of(in_arrow, rows)
    assert looked_at(one) == looked_at(other)
    assert looked_at(one.without(gone)) == looked_at(other.without(gone))
    assert one.places_of(gone).tolist() == other.places_of(gone).tolist()


@settings(max_examples=200, deadline=None)
@given(st.lists(ALL, min_size=1, max_size=6))
@example(["1", "2", "+3"])
@example(["1", "1e999"])
def test_numbers_in_arrow_are_those_of_a_list(values: list[str]) -> None:
    in_arrow: Sequence[str] = Texts(pa.array(values, pa.string()))  # type: ignore[assignment]
    one, other = plain_numbers(values), plain_numbers(in_arrow)
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert one.tobytes() == other.tobytes()
        assert any_leading_zero(values) == any_leading_zero(in_arrow)
        assert same_number_same_text(values) == same_number_same_text(in_arrow)


DATES = ["2024-02-29", "2023-02-29", "1900-02-29", "2000-02-29T23:59:59", "2024-13-01", "0000-01-01", "0001-01-01", "9999-12-31 23:59:59",
         "2024-01-01t24:00:00", "2024-01-01T00:60:00", "2024-01-01T00:00:60", "2024-01-01T00:00", "2024-01-01Z", "2024/01/01",
         "2024-01-01T00:00:00Z", " 2024-01-01", "20240-1-01", "２０24-01-01", "2024-04-31", "1969-12-31", "2024-00-10", "2024-01-00"]  # fmt: skip
DATE_TEXTS = st.sampled_from(DATES) | st.dates().map(str) | st.datetimes().map(str) | st.text("0129-:T ", max_size=19)


@settings(max_examples=200, deadline=None)
@given(st.lists(DATE_TEXTS | st.none(), min_size=1, max_size=12), st.sampled_from([(), ("2024-02-29",)]))
@example([*DATES, None], ())
def test_instants_of_a_column_are_those_of_single_ones(values: list[str | None], missing: tuple[str, ...]) -> None:
    """Plain ones are read here as the decoder reads them; of the others the decoder says what they are, at their own places."""
    spec = ColumnSpec("at", Kind.DATETIME, missing=missing)
    read, expected, wrong = instant_reader(spec), [], []
    for place, value in enumerate(values):
        try:
            instant = read(value)
        except Unreadable:
            instant = None
            wrong.append(place)
        expected.append(MISSING_TIME if instant is None else instant)
    decoder = decoding.Decoder((spec,), TargetSpec("y", Task.REGRESSION))
    texts = Texts(pa.array(values, pa.string()))
    found, problems = decoding._distinct(decoder, spec, texts)
    assert found.tolist() == [*expected, MISSING_TIME]
    assert [(problem.row, problem.value) for problem in problems] == [(place, values[place]) for place in wrong]
    plain = plain_instants(texts.array)
    known = plain != MISSING_TIME
    if not missing:
        assert plain[known].tolist() == np.array(expected)[known].tolist()


def test_dates_as_programs_write_them_are_all_plain_also_in_a_slice() -> None:
    texts = pa.array(["x", "2024-02-29", "2024-02-29 10:11:12", "1899-12-31T23:59:59", "y"]).slice(1, 3)
    assert plain_instants(texts).tolist() == [1709164800000000, 1709201472000000, -2208988801000000]
    assert plain_instants(pa.array([], pa.string())).tolist() == []


def test_a_date_format_is_that_of_a_list() -> None:
    values = [*(f"2024-01-{day:02d}" for day in range(1, 29)), "2024-01-01T10:00", "2024-01-29T10:00:00Z"]
    rows, column = np.arange(len(values)), EncodedColumn.of(values)
    in_arrow = EncodedColumn(Texts(pa.array(values)), column.codes)
    found = date_format(Evidence.of(in_arrow, rows), "at")
    assert found == date_format(Evidence.of(column, rows), "at")
    assert found is not None
    assert found.formats == ("iso",)


def test_texts_in_chunks_are_encoded_as_if_they_were_in_one() -> None:
    """Distinct values in order of appearance, and null where there is nothing."""
    chunks = [["b", None, "a"], [], ["c", "b", None], ["a"]]
    table = pa.table({"t": pa.chunked_array([pa.array(chunk, pa.string()) for chunk in chunks])})
    column = Batch.encode(table).columns["t"]
    assert column.values == ["b", "a", "c"]
    assert column.codes.tolist() == [0, -1, 1, 2, 0, -1, 1]
    assert len(Batch.encode(table.slice(0, 0))) == 0


def test_texts_that_are_no_unicode_are_found_nowhere() -> None:
    assert places_of(Texts(pa.array(["a", "b"])), ["\ud800", "b"]).tolist() == [1]
