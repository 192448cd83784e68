"""Conditions: read, refused with the column and the nearest name, and judged with what is unknown left unknown."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import BadParameter
from penstock.serving.conditions import NAMES, SLOW_NAMES, parse

CANDIDATE = {"errors": 0.02, "rows": 2000.0, "latency_p99": 12.0, "abstentions": 0.2}
LIVE = {"errors": 0.0, "rows": 9000.0, "latency_p99": 10.0, "abstentions": 0.1, "quality": 0.8}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("errors < 0.01", False),
        ("errors < 3%", True),
        ("errors <= 2 % or rows > 1e6", True),
        ("latency_p99 > 1.5 * live", False),
        ("latency_p99 > 1.1 * live", True),
        ("abstentions > live + 0.05", True),
        ("abstentions - live > 0.05", True),
        ("rows * 2 < live.rows", True),
        ("not (errors < 0.01 and rows >= 1000)", True),
        ("errors < 0.01 or not rows < 10", True),
        ("ERRORS < .5 AND rows = 2000", True),
        ("errors != 0.02", False),
        ("-rows < -1000", True),
    ],
)
def test_a_condition_is_judged(text: str, holds: bool) -> None:
    """With shares, sums, products and the live version's figures."""
    assert parse(text).judge(CANDIDATE, LIVE).holds is holds


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("quality >= live - 0.01", None),
        ("quality >= 0.7 and rows > 10", None),
        ("quality >= 0.7 and rows < 10", False),
        ("quality >= 0.7 or rows > 10", True),
        ("not quality > 0.5", None),
    ],
)
def test_what_is_unknown_decides_nothing(text: str, holds: bool | None) -> None:
    """Three values: and, or and not go on where the known part decides."""
    assert parse(text).judge({**CANDIDATE, "quality": math.nan}, LIVE).holds is holds


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
    assert set(NAMES) >= SLOW_NAMES


def test_what_was_found_is_told_beside_the_figures() -> None:
    """One line for each comparison, as it was written."""
    verdict = parse("errors < 1% and  quality>=live-0.01").judge(CANDIDATE, LIVE)
    assert [str(one) for one in verdict.findings] == [
        "errors < 1%: 0.02 against 0.01, no",
        "quality>=live-0.01: not known yet",
    ]


@given(st.text(max_size=40))
def test_no_text_is_worse_than_refused(text: str) -> None:
    """Whatever it is."""
    with contextlib.suppress(BadParameter):
        parse(text).judge({}, {})


@given(st.text("()<>=+-*.%0123456789 \teEerorslivandt", max_size=60))
def test_no_near_text_is_worse_than_refused(text: str) -> None:
    """Of the characters of the language."""
    with contextlib.suppress(BadParameter):
        parse(text).judge({}, {})
