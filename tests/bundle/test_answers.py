"""The words in which an answer explains itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from penstock.bundle.answers import ANSWER, LOW_CONFIDENCE, NOVEL, Answerer
from penstock.bundle.signature import DecisionRule
from penstock.testing.toy_bundle import toy_parts

SIGNATURE = toy_parts("binary")[1]
NONE_OUTSIDE = [False] * 6


def reason(decision: int, *, confidence: float = 0.9, outside: list[bool] = NONE_OUTSIDE, limit: float = 0.6) -> str:
    """The reason that the answer gives."""
    signature = replace(SIGNATURE, decision=DecisionRule(0.5, limit, 0.75, True))
    answer = Answerer(signature).classification(
        0, [confidence, 1 - confidence], decision, 0.876543, outside, [], [], None
    )
    return answer["reason"]


def test_an_answer_that_is_given_has_no_reason_and_withholds_nothing() -> None:
    """Null, both."""
    assert reason(ANSWER) is None


@pytest.mark.parametrize(
    ("confidence", "limit", "shown"),
    [
        (0.55, 0.6, "0.55 is below 0.6"),
        (0.5999, 0.6, "0.5999 is below 0.6"),
        (0.59999999, 0.6, "0.59999999 is below 0.6"),
        (0.8, 0.95, "0.8 is below 0.95"),
    ],
)
def test_a_low_confidence_is_never_shown_as_its_limit(confidence: float, limit: float, shown: str) -> None:
    """As many digits as it takes."""
    assert reason(LOW_CONFIDENCE, confidence=confidence, limit=limit) == f"low confidence: {shown}"


def test_novel_columns_are_named_by_what_is_new_about_them() -> None:
    """Ranges and values apart; a long list is cut."""
    age, income, job, member, joined, note = range(6)

    def flags(*flagged: int) -> list[bool]:
        return [i in flagged for i in range(6)]

    assert reason(NOVEL, outside=flags(age)) == "novel: age is outside the range seen in training"
    assert reason(NOVEL, outside=flags(age, income, joined)) == (
        "novel: age, income and joined are outside the range seen in training"
    )
    assert reason(NOVEL, outside=flags(job)) == "novel: job is not among the values seen in training"
    assert reason(NOVEL, outside=flags(age, member)) == (
        "novel: age is outside the range seen in training; member is not among the values seen in training"
    )
    assert reason(NOVEL) == "novel: the row is unlike the training data (novelty 0.877)"
    assert note == 5


def test_a_long_list_of_columns_is_cut() -> None:
    """The first three and a count."""
    many = replace(SIGNATURE, columns=tuple(replace(SIGNATURE.columns[0], name=f"c{i}") for i in range(6)))
    answer = Answerer(many).classification(0, [0.9, 0.1], NOVEL, 0.9, [True] * 6, [], [], None)
    assert answer["reason"] == "novel: c0, c1, c2 and 3 more are outside the range seen in training"
