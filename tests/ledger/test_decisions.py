"""Decisions: written down once, revised, never changed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from penstock.errors import BadParameter, NotFound
from penstock.ledger.ledger import Ledger
from penstock.objects.local import LocalStore


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(tmp_path / "ledger.db", LocalStore(tmp_path / "objects"))


def test_a_revision_keeps_what_was_written_before(ledger: Ledger) -> None:
    """Outcome and reasons are those of the newest; the runs add up."""
    first = ledger.decisions.add("dropout helps", why="fewer weights", runs=["r1"], who="ada")
    later = ledger.decisions.revise("d1", outcome="confirmed", why="loss fell", runs=["r2"], who="bob")
    assert (first.id, first.number, first.outcome) == ("d1", 1, "open")
    assert ledger.decisions.get("d1") == later
    assert ledger.decisions.history("d1") == [first, later]
    assert (later.hypothesis, later.runs, later.who) == ("dropout helps", ("r1", "r2"), "bob")


def test_the_decisions_of_a_run_are_found(ledger: Ledger) -> None:
    """As they are now, each once."""
    ledger.decisions.add("a", runs=["r1", "r2"])
    ledger.decisions.add("b", runs=["r2"])
    ledger.decisions.revise("d1", outcome="refuted")
    assert [(d.id, d.outcome) for d in ledger.decisions.of_run("r2")] == [("d1", "refuted"), ("d2", "open")]
    assert {run: [d.id for d in found] for run, found in ledger.decisions.of_runs(["r1", "r3"]).items()} == {
        "r1": ["d1"]
    }


def test_decisions_of_another_project_are_left_out(ledger: Ledger) -> None:
    """Where several share a ledger; one without runs is everybody's."""
    with ledger.run("a", project="ours") as ours, ledger.run("b", project="theirs") as theirs:
        pass
    ledger.decisions.add("ours", runs=[ours.id])
    ledger.decisions.add("theirs", runs=[theirs.id])
    ledger.decisions.add("general")
    assert [d.hypothesis for d in ledger.decisions.of_project("ours")] == ["ours", "general"]


def test_writers_at_one_time_get_ids_of_their_own(tmp_path: Path) -> None:
    """Also from several connections."""

    def write(number: int) -> str:
        with Ledger.open(tmp_path / "ledger.db", LocalStore(tmp_path / "objects")) as ledger:
            return ledger.decisions.add(f"hypothesis {number}").id

    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(write, range(12)))
    assert sorted(ids, key=lambda i: int(i[1:])) == [f"d{n}" for n in range(1, 13)]


def test_what_is_wrong_is_refused(ledger: Ledger) -> None:
    """An empty hypothesis, an unknown outcome, an unknown decision."""
    with pytest.raises(BadParameter, match="needs a hypothesis"):
        ledger.decisions.add("  ")
    with pytest.raises(BadParameter, match="'maybe' is no outcome"):
        ledger.decisions.add("a", outcome="maybe")
    with pytest.raises(NotFound, match="there is no decision 'd7'"):
        ledger.decisions.revise("d7", outcome="open")
    assert ledger.decisions.all() == []
