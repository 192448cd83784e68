"""Deadlines and priorities, as requests say them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from penstock.errors import RequestError
from penstock.serving.heads import noted
from penstock.serving.slots import SlotState
from penstock.serving.urgency import HIGH, NORMAL, Urgency, deadline_of, urgency_of
from penstock.testing.toy_bundle import ROWS

if TYPE_CHECKING:
    from tests.serving.conftest import Client

ROW = ROWS[0]


@pytest.mark.parametrize("text", [b"", b"5,", b"5,soon", b"soon", b"0", b"-5", b"nan", b"inf", b"1e9", b"\xff"])
def test_a_header_that_is_no_deadline_is_refused(text: bytes) -> None:
    """Named, with what it should be."""
    with pytest.raises(RequestError, match="x-deadline-ms") as caught:
        urgency_of({b"x-deadline-ms": text})
    assert (caught.value.code, caught.value.status) == ("bad-deadline", 400)


@pytest.mark.parametrize("value", [0, -1, True, "50", None, [], float("nan"), float("inf"), 86_400_001])
def test_a_value_that_is_no_deadline_is_refused(value: object) -> None:
    """Numbers of milliseconds up to a day are taken, nothing else."""
    with pytest.raises(RequestError, match="deadline_ms"):
        deadline_of(value, "deadline_ms")


def test_priorities_are_read_in_any_case_and_others_are_refused() -> None:
    """high, normal and low."""
    assert urgency_of({b"x-priority": b" High ", b"x-deadline-ms": b"12.5"}) == Urgency(12.5, HIGH)
    assert urgency_of({}).priority == NORMAL
    with pytest.raises(RequestError, match="urgent"):
        urgency_of({b"x-priority": b"urgent"})


def test_of_several_deadlines_the_narrowest_counts() -> None:
    """Header, body, and the protocol's own; of a header that comes twice, as a proxy adds its own."""
    twice = noted([(b"x-deadline-ms", b"0.5"), (b"host", b"x"), (b"x-deadline-ms", b"10000")])
    assert urgency_of(twice) == urgency_of({b"x-deadline-ms": b"20, 0.5,9"}) == Urgency(0.5)
    assert Urgency(50.0).within(20.0) == Urgency(20.0)
    assert Urgency(50.0).within(80.0) == Urgency(50.0)
    assert Urgency(None, HIGH).within(80.0) == Urgency(80.0, HIGH)
    assert Urgency(50.0).within(None) == Urgency(50.0)


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        ({"deadline_ms": "fast"}, {}, "bad-deadline"),
        ({"deadline_ms": 0}, {}, "bad-deadline"),
        ({}, {"x-deadline-ms": "fast"}, "bad-deadline"),
        ({}, {"x-priority": "urgent"}, "bad-priority"),
    ],
)
def test_a_request_with_a_wrong_urgency_is_refused(
    client: Client, body: dict[str, Any], headers: dict[str, str], code: str
) -> None:
    """Status 400, in the one shape of errors."""
    response = client.ask("POST", "/predict", json={"rows": [ROW], **body}, headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (400, code)


def test_the_declared_deadline_holds_for_requests_that_name_none(
    deploy: Callable[..., SlotState], open_client: Callable[..., Client]
) -> None:
    """And a request's own replaces it, be it wider."""
    deploy(1)
    client = open_client(deadline_ms=0.001)
    refused = client.post("/predict", {"rows": [ROW]})
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "too-late")
    assert int(refused.headers["retry-after"]) >= 1
    assert client.post("/predict", {"rows": [ROW], "deadline_ms": 60_000}).status_code == 200
    assert client.ask("POST", "/predict", json={"rows": [ROW]}, headers={"x-deadline-ms": "60000"}).status_code == 200
    both = client.ask(
        "POST", "/predict", json={"rows": [ROW], "deadline_ms": 60_000}, headers={"x-deadline-ms": "0.001"}
    )
    assert (both.status_code, both.json()["error"]["code"]) == (400, "deadline-too-short")
