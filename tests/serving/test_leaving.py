"""Answers that leave: what is made ready in a thread are the bytes that are written in one go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.serving.journal import find, read
from penstock.serving.leaving import Ready, counted, leaving
from penstock.testing.toy_bundle import ROWS

if TYPE_CHECKING:
    from tests.serving.conftest import Client

PREFIX = "01J0000000000000000000"
ANSWERS = st.fixed_dictionaries(
    {
        "prediction": st.text() | st.floats(allow_nan=False),
        "decision": st.sampled_from(["answer", "abstain"]),
        "novelty": st.floats(0, 1),
        "missing": st.lists(st.text(), max_size=2),
        "unknown": st.lists(st.text(), max_size=2),
    },
    optional={"withheld": st.none() | st.text(), "fallback": st.sampled_from(["late", "missing"])},
)


@given(st.lists(ANSWERS, min_size=1, max_size=300))
@settings(max_examples=50, deadline=None)
def test_made_ready_they_are_the_same_bytes(answers: list[dict[str, Any]]) -> None:
    """With what is withheld taken out, and nothing of the answers changed."""
    before = [dict(answer) for answer in answers]
    made = Ready.of(answers, counted(answers, 0.5), b"")
    assert answers == before
    assert made.leaving(PREFIX) == leaving(PREFIX, answers)


def test_many_answers_are_journalled_and_counted_as_few_are(client: Client) -> None:
    """Each id leads to its own row and answer."""
    rows = [{**ROWS[0], "age": age} for age in range(300)]
    few = [client.predict(row)[0] for row in rows[:3]]
    many = client.predict(*rows)
    assert [{**one, "id": ""} for one in many[:3]] == [{**one, "id": ""} for one in few]
    assert len({one["id"] for one in many}) == 300
    for place in (0, 255, 256, 299):
        record, row = find(client.journal, many[place]["id"])
        told = {name: value for name, value in record.answers[row].items() if name != "withheld"}
        assert (record.rows[row]["age"], told) == (place, many[place])
    assert [len(record.answers) for record in read(client.journal, kinds=["predict"])] == [1, 1, 1, 300]
    text = client.get("/metrics").text
    assert "penstock_rows_total 303.0" in text
    assert 'penstock_requests_total{route="predict",status="200"} 4.0' in text
