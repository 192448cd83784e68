"""Prediction ids: 26 characters, by time, and the way back to the place in the journal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from penstock.serving.prediction_ids import LENGTH, MAX_OFFSET, MAX_ROWS, PredictionId, parse_id

IDS = st.builds(
    PredictionId,
    st.integers(0, 2**45 - 1),
    st.integers(0, 2**30 - 1),
    st.integers(0, MAX_OFFSET - 1),
    st.integers(0, MAX_ROWS - 1),
)


@given(IDS)
def test_an_id_holds_all_its_parts(prediction: PredictionId) -> None:
    """What goes in comes out, in 26 characters."""
    assert len(str(prediction)) == LENGTH
    assert parse_id(str(prediction)) == prediction


@given(st.lists(IDS, min_size=2))
def test_ids_sort_by_time_then_place(predictions: list[PredictionId]) -> None:
    """Text order is the order of the parts."""
    by_parts = sorted(predictions, key=lambda p: (p.time_ms, p.segment, p.offset, p.row))
    assert [str(p) for p in by_parts] == sorted(str(p) for p in predictions)


def test_what_people_mistype_is_forgiven() -> None:
    """Crockford: lower case, O for 0, I and L for 1."""
    text = str(PredictionId(1, 1, 0, 0))
    assert parse_id(" " + text.lower().replace("0", "o").replace("1", "l") + "\n") == PredictionId(1, 1, 0, 0)


@given(st.text(max_size=40))
def test_any_text_is_an_id_or_none(text: str) -> None:
    """Nothing that a client sends raises."""
    parsed = parse_id(text)
    assert parsed is None or len(str(parsed)) == LENGTH
