"""Prediction ids: 26 characters, by time, and the way back to the place in the journal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.serving.prediction_ids import (
    FIRST_RANDOM,
    LENGTH,
    MAX_OFFSET,
    MAX_ROWS,
    PredictionId,
    parse_id,
    parse_segment_part,
    segment_part,
    segment_part_of,
)

IDS = st.builds(
    PredictionId,
    st.integers(0, 2**45 - 1),
    st.just(0) | st.integers(FIRST_RANDOM, 2**60 - 1),
    st.integers(0, MAX_OFFSET - 1),
    st.integers(0, MAX_ROWS - 1),
)


@given(IDS)
def test_an_id_holds_all_its_parts(prediction: PredictionId) -> None:
    """What goes in comes out, in 32 characters."""
    assert len(str(prediction)) == LENGTH
    assert parse_id(str(prediction)) == prediction


@given(st.lists(IDS, min_size=2))
def test_ids_sort_by_time_then_place(predictions: list[PredictionId]) -> None:
    """Text order is the order of the parts."""
    by_parts = sorted(predictions, key=lambda p: (p.time_ms, p.segment, p.offset, p.row))
    assert [str(p) for p in by_parts] == sorted(str(p) for p in predictions)


@given(IDS, st.integers(1, FIRST_RANDOM - 1))
def test_ids_of_segments_that_were_numbered_from_1_on_are_read_on(prediction: PredictionId, number: int) -> None:
    """They have 26 characters; no file of a segment has the name of another one's."""
    early = PredictionId(prediction.time_ms, number, prediction.offset, prediction.row)
    assert len(str(early)) == 26
    assert parse_id(str(early)) == early
    for one in (early, prediction):
        assert segment_part_of(str(one)) == segment_part(one.segment)
    assert parse_segment_part(segment_part(prediction.segment)) == prediction.segment
    assert parse_segment_part(segment_part(number)) is None


def test_what_people_mistype_is_forgiven() -> None:
    """Crockford: lower case, O for 0, I and L for 1."""
    for segment in (1, 1 << 58):
        text = str(PredictionId(1, segment, 0, 0))
        assert parse_id(" " + text.lower().replace("0", "o").replace("1", "l") + "\n") == PredictionId(1, segment, 0, 0)


@pytest.mark.parametrize("letters", ["ß", "ſ", "１"])
def test_letters_that_only_become_ascii_make_no_id(letters: str) -> None:
    """The capitals of a sharp s are two letters: such a text would name the prediction of another one."""
    assert parse_id("0" * (LENGTH - len(letters.upper())) + letters) is None


@given(st.text(max_size=40))
def test_any_text_is_an_id_or_none(text: str) -> None:
    """Nothing that a client sends raises."""
    parsed = parse_id(text)
    assert parsed is None or len(str(parsed)) in (26, LENGTH)
