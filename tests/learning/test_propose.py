"""Proposals: defaults first, then what the strategy makes of the results."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.learning.learner import Choice, Float, Int, Space
from penstock.learning.propose import GIVE_UP_AFTER, STRATEGIES, Proposal, Proposer

SPACES = {
    "a": Space({"x": Float(0.01, 100.0, default=1.0, log=True), "n": Int(1, 9, default=3)}),
    "b": Space({"word": Choice(("red", "blue", "green"), default="red")}),
}


def drive(proposer: Proposer, n: int) -> list[Proposal]:
    """Ask n times and tell a value that is best for a with x near 10."""
    seen = []
    for _ in range(n):
        proposal = proposer.next()
        if proposal is None:
            break
        seen.append(proposal)
        proposer.tell(proposal, -abs(proposal.params["x"] - 10) if proposal.learner == "a" else -60.0)
    return seen


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_begins_with_the_defaults_and_stays_in_bounds(strategy: str) -> None:
    """Whatever follows, all parameters lie in their space."""
    seen = drive(Proposer(strategy, SPACES, seed=0, maximise=True), 12)
    assert [(p.learner, p.params) for p in seen[:2]] == [("a", {"x": 1.0, "n": 3}), ("b", {"word": "red"})]
    for proposal in seen:
        assert SPACES[proposal.learner].complete(proposal.params) == proposal.params
    assert len(seen) == 12 or strategy == "grid"


def test_further_starts_come_before_the_samplers() -> None:
    """A start is given where it differs from the defaults; one that was told already is not repeated."""
    spaces = {**SPACES, "a": Space(SPACES["a"].dimensions, starts=[{"x": 50.0}, {"n": 9}])}
    proposer = Proposer("bayesian", spaces, seed=0, maximise=True)
    proposer.tell(Proposal("a", {"x": 50.0, "n": 3}), 0.1)
    assert [p.params for p in drive(proposer, 3)] == [{"x": 1.0, "n": 3}, {"word": "red"}, {"x": 1.0, "n": 9}]


def test_a_grid_ends() -> None:
    """Three points per number and every word: 9 + 3, with the defaults beside them."""
    seen = drive(Proposer("grid", SPACES, seed=0, maximise=True), 100)
    assert len({str((p.learner, p.params)) for p in seen}) == len(seen)
    assert 12 <= len(seen) <= 14


def test_the_better_learner_is_asked_more_often() -> None:
    """But the other is not forgotten."""
    seen = drive(Proposer("bayesian", SPACES, seed=0, maximise=True), 40)
    asked = [p.learner for p in seen]
    assert asked.count("a") > 1.4 * asked.count("b") > 0


def test_what_is_told_from_an_earlier_process_counts() -> None:
    """Told defaults are not proposed again."""
    proposer = Proposer("bayesian", SPACES, seed=0, maximise=True)
    proposer.tell(Proposal("a", {"x": 1.0, "n": 3}), 0.5)
    proposer.tell(Proposal("a", {"x": 9.0, "n": 2}), 0.9)
    first = proposer.next()
    assert first is not None
    assert (first.learner, first.params) == ("b", {"word": "red"})


def test_a_learner_that_never_works_is_given_up() -> None:
    """After a few failures nothing more is proposed of it."""
    spaces: dict[str, Any] = {"b": SPACES["b"]}
    proposer = Proposer("random", spaces, seed=0, maximise=False)
    for _ in range(GIVE_UP_AFTER):
        proposal = proposer.next()
        assert proposal is not None
        proposer.tell(proposal, None)
    assert proposer.next() is None


def test_the_same_seed_and_results_give_the_same_proposals() -> None:
    """A search of one worker is repeatable."""
    runs = [drive(Proposer("bayesian", SPACES, seed=4, maximise=True), 20) for _ in range(2)]
    assert [p.params for p in runs[0]] == [p.params for p in runs[1]]
