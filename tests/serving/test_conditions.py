"""Conditions: read, and refused with the column and the nearest name."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import BadParameter
from penstock.serving.conditions import COUNTED_NAMES, NAMES, SLOW_NAMES, parse
from penstock.serving.verdicts import Evidence, judge


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("", 1, "nothing in it"),
        ("errors <", 9, "the end"),
        ("eror < 1", 1, "write 'errors'"),
        ("errors < 1 rows", 12, "not expected"),
        ("(errors < 1", 12, "not closed"),
        ("errors", 7, "comparison"),
        ("errors < live.eror", 10, "write 'errors'"),
        ("1 < 2", 1, "numbers alone"),
        ("live > 1", 1, "which figure"),
        ("errors < rows * live", 1, "which figure"),
        ("errors < $x", 10, "means nothing"),
        ("rows > 9 and errors = 0", 14, "write <= or >="),
        ("novelty == live", 1, "never be shown"),
        ("errors < 10x", 10, "means nothing"),
        ("(" * 60 + "errors < 1" + ")" * 60, 51, "brackets"),
    ],
)
def test_a_condition_that_cannot_be_read_is_refused(text: str, column: int, words: str) -> None:
    """With its column, and what would be right."""
    with pytest.raises(BadParameter) as refused:
        parse(text)
    said = str(refused.value)
    assert f"column {column}" in said
    assert words in said


def test_the_names_of_a_condition_say_who_can_judge_it() -> None:
    """A server knows no labels."""
    condition = parse("errors < 0.1 and quality > live")
    assert condition.names == {"errors", "quality"}
    assert not condition.is_fast
    assert parse("errors < live.novelty").is_fast
    assert set(NAMES) >= SLOW_NAMES | COUNTED_NAMES
    assert parse("errors < live + 1% and rows > 9").estimates == {("errors", False), ("errors", True)}


@given(st.text(max_size=40))
def test_no_text_is_worse_than_refused(text: str) -> None:
    """Whatever it is."""
    with contextlib.suppress(BadParameter):
        judge(parse(text), Evidence({}, {}))


@given(st.text("()<>=+-*.%0123456789 \teEerorslivandt", max_size=60))
def test_no_near_text_is_worse_than_refused(text: str) -> None:
    """Of the characters of the language."""
    with contextlib.suppress(BadParameter):
        judge(parse(text), Evidence({}, {}))


@pytest.mark.parametrize(
    ("text", "ways"),
    [
        ("quality >= live - 0.01", {1}),
        ("0.1 > quality", {-1}),
        ("not (quality < 0.7 or rows < 10)", {1}),
        ("live - quality <= 0.01 and errors < 1%", {1}),
        ("quality > 0.7 or quality < 0.2", {1, -1}),
        ("live.quality > 0.7 and quality - quality < 1", set()),
    ],
)
def test_which_way_a_condition_wants_a_figure_is_told(text: str, ways: set[int]) -> None:
    """Of the candidate, whichever side it stands on, and turned round by `not`."""
    assert parse(text).wants("quality") == ways
