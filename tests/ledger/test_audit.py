"""The audit trail against someone who writes into the database."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import DamagedStore, PenstockError
from penstock.ledger.audit import Event
from penstock.ledger.ledger import Ledger
from penstock.ledger.wording import Conflict
from penstock.objects.digests import digest_of_json


@pytest.fixture
def ledger(sqlite_ledger: Ledger) -> Ledger:
    """A ledger with five events, in which the database has been made to allow everything."""
    for number in range(1, 6):
        sqlite_ledger.audit.append("deploy", f"bank@{number}", {"passed": False}, who="ada")
    with sqlite_ledger._database.write() as connection:
        connection.execute("DROP TRIGGER events_no_update")
        connection.execute("DROP TRIGGER events_no_delete")
    return sqlite_ledger


def tamper(ledger: Ledger, *statements: str) -> None:
    """Write into the database as its owner can."""
    with ledger._database.write() as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("who", "'eve'"),
        ("what", "'rollback'"),
        ("subject", "'bank@9'"),
        ("at", "'2020-01-01T00:00:00.000000Z'"),
        ("details", "'{\"passed\":true}'"),
    ],
)
def test_a_changed_event_is_named(ledger: Ledger, column: str, value: str) -> None:
    """Whatever of it was changed."""
    tamper(ledger, f"UPDATE events SET {column} = {value} WHERE number = 3")
    with pytest.raises(DamagedStore, match=r"event 3 .* was changed"):
        ledger.audit.verify()


def test_a_changed_event_with_a_fitting_hash_breaks_the_next(ledger: Ledger) -> None:
    """Who recomputes one hash must recompute all that follow ..."""
    head = ledger.audit.head()
    _rewrite(ledger, 3, who="eve")
    with pytest.raises(DamagedStore, match=r"event 4 .* does not follow the one before"):
        ledger.audit.verify()
    for number in (4, 5):
        _rewrite(ledger, number)
    ledger.audit.verify()
    with pytest.raises(DamagedStore, match="rewritten"):  # ... and then no earlier head is contained any more
        ledger.audit.verify(head=head)


def _rewrite(ledger: Ledger, number: int, **changes: str) -> None:
    """Give an event other content, the hash of its predecessor, and a hash that fits."""
    events = ledger.audit.events()
    body = events[number - 1].to_json() | changes | {"previous": events[number - 2].hash}
    del body["hash"]
    who = changes.get("who", events[number - 1].who)
    tamper(
        ledger,
        f"UPDATE events SET who = '{who}', previous = '{body['previous']}', hash = '{digest_of_json(body)}' "
        f"WHERE number = {number}",
    )


def test_a_removed_event_is_named(ledger: Ledger) -> None:
    """Also when the numbers are closed up behind it."""
    tamper(ledger, "DELETE FROM events WHERE number = 2")
    with pytest.raises(DamagedStore, match="event 2 is missing"):
        ledger.audit.verify()
    tamper(ledger, *(f"UPDATE events SET number = {n - 1} WHERE number = {n}" for n in (3, 4, 5)))
    with pytest.raises(DamagedStore, match=r"event 2 .* does not follow the one before"):
        ledger.audit.verify()


def test_reordered_events_are_named(ledger: Ledger) -> None:
    """Swapped numbers do not fit the hashes."""
    tamper(
        ledger,
        "UPDATE events SET number = 99 WHERE number = 2",
        "UPDATE events SET number = 2 WHERE number = 3",
        "UPDATE events SET number = 3 WHERE number = 99",
    )
    with pytest.raises(DamagedStore, match=r"event 2 .* does not follow the one before"):
        ledger.audit.verify()


def test_a_cut_tail_shows_against_a_head_that_was_written_down(ledger: Ledger) -> None:
    """The rest is a valid chain, so only a head in a bundle, card or report can tell."""
    head = ledger.audit.head()
    tamper(ledger, "DELETE FROM events WHERE number >= 4")
    ledger.audit.verify()
    with pytest.raises(DamagedStore, match="cut from its end"):
        ledger.audit.verify(head=head)


@pytest.mark.parametrize("where", ["sqlite_place", "postgres_place"])
@pytest.mark.parametrize("statement", ["UPDATE events SET who = 'eve'", "DELETE FROM events"])
def test_the_database_itself_refuses_to_change_events(
    where: str, statement: str, request: pytest.FixtureRequest, opener: Callable[..., Callable[[], Ledger]]
) -> None:
    """Accidents, and programs that do not know the rules, stop there."""
    ledger = opener(request.getfixturevalue(where))()
    ledger.audit.append("seal", "bank")
    with (
        pytest.raises((PenstockError, Conflict), match="the audit trail is append-only"),
        ledger._database.write() as connection,
    ):
        connection.execute(statement)
    ledger.audit.verify()


@given(
    st.dictionaries(
        st.text(), st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text())
    )
)
def test_the_hash_of_an_event_depends_on_all_of_its_details(details: dict[str, object]) -> None:
    """Adding any detail gives another hash; equal content gives the same."""
    event = Event(1, "", "", "ada", "deploy", "bank", details, "")
    same = Event(1, "", "", "ada", "deploy", "bank", dict(reversed(details.items())), "")
    more = Event(1, "", "", "ada", "deploy", "bank", {**details, "one more": 1}, "")
    assert event.expected_hash() == same.expected_hash()
    if "one more" not in details:
        assert event.expected_hash() != more.expected_hash()
