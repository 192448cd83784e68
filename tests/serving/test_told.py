"""Answers that are told in another way than they left."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from penstock.serving.leaving import leaving
from penstock.serving.prediction_ids import id_prefix, segment_part
from penstock.serving.told import Told, joined, pieces, told_by

PREFIX = id_prefix(1_700_000_000_000, segment_part(3), 99)
HOSTILE = ['{"id":"' + PREFIX, ',{"id":"' + PREFIX + '"', "]", "}", '"', "\\", "ä", ""]
ANSWERS = st.lists(
    st.fixed_dictionaries(
        {"prediction": st.sampled_from([*HOSTILE, None, 1.5])},
        optional={
            "key": st.text() | st.sampled_from(HOSTILE),
            "probabilities": st.dictionaries(st.sampled_from(HOSTILE), st.floats(0, 1), max_size=3),
            "missing": st.lists(st.sampled_from(HOSTILE), max_size=3),
        },
    ),
    max_size=8,
)


def left(answers: list[dict[str, Any]]) -> bytes:
    return leaving(PREFIX, answers)[0]


@given(answers=ANSWERS)
def test_answers_are_taken_apart_where_each_begins(answers: list[dict[str, Any]]) -> None:
    """Whatever their texts hold; put together again they are the same bytes."""
    whole = left(answers)
    assert [orjson.loads(piece) for piece in pieces(whole)] == orjson.loads(whole)
    assert joined(pieces(whole)) == whole == Told(whole).as_json()
    assert Told(whole).rows() == orjson.loads(whole)


@given(answers=ANSWERS)
def test_each_may_have_more(answers: list[dict[str, Any]]) -> None:
    """The version that answered, where the response names another one."""
    whole = left(answers)
    expected = [{**answer, "version": 2, "slot": "green"} for answer in orjson.loads(whole)]
    told = Told(whole, told_by(2, "green"))
    assert told.rows() == expected
    assert told.as_json() == orjson.dumps(expected)


def test_thousands_are_read_one_by_one() -> None:
    """To the same rows."""
    whole = left([{"prediction": "yes", "key": str(n)} for n in range(5_000)])
    assert Told(whole).rows() == orjson.loads(whole)
