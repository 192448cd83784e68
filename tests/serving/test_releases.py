"""Shares, and the arms that keys are dealt to."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.bundle.runtime import Bundle
from penstock.errors import BadParameter, ServingError
from penstock.serving.changes import read_changes
from penstock.serving.releases import Dealer, Guards, Release, parse_share
from penstock.serving.slots import SlotState, read_slots
from penstock.serving.switching import end_release, fill_and_switch, prune_bundles, switch_back

KEYS = st.one_of(st.text(), st.integers(), st.floats(allow_nan=False), st.booleans())


@pytest.mark.parametrize(
    ("text", "share"), [("10%", 0.1), (" 0.25 ", 0.25), ("100%", 1.0), ("1", 1.0), ("1e-3", 0.001)]
)
def test_a_share_is_read(text: str, share: float) -> None:
    """In percent or as a part."""
    assert parse_share(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["", "0", "0%", "101%", "1.1", "-5%", "ten", "nan", "%"])
def test_no_share_is_refused(text: str) -> None:
    """And what to write is said."""
    with pytest.raises(BadParameter, match="10%"):
        parse_share(text)


@given(KEYS, st.floats(0.01, 1), st.floats(0.01, 1))
def test_a_key_stays_with_the_candidate_while_the_share_grows(key: object, a: float, b: float) -> None:
    """Its place is one, whatever the share: below the smaller share is below the larger one."""
    small, large = Dealer("sha256:7", min(a, b)), Dealer("sha256:7", max(a, b))
    assert 0 <= small.place(key) < 1
    assert small.place(key) == large.place(key)
    assert large.takes(key) or not small.takes(key)


def test_keys_are_dealt_evenly_and_anew_for_each_candidate() -> None:
    """Within five standard deviations of the share, and two candidates independently."""
    one, other = Dealer("sha256:7", 0.1), Dealer("sha256:8", 0.1)
    first = [one.takes(f"customer-{n}") for n in range(20_000)]
    second = [other.takes(f"customer-{n}") for n in range(20_000)]
    assert abs(sum(first) - 2000) < 5 * (20_000 * 0.1 * 0.9) ** 0.5
    assert abs(sum(a and b for a, b in zip(first, second, strict=True)) - 200) < 5 * (20_000 * 0.01 * 0.99) ** 0.5


def test_a_number_and_its_text_are_one_key() -> None:
    """As JSON has it is chance: 17, 17.0 and "17" are one customer; true and "True" too."""
    dealer = Dealer("sha256:7", 0.5)
    assert dealer.place(17) == dealer.place("17") == dealer.place(17.0)
    assert dealer.place(1) != dealer.place("1.5")
    dealer.place("\ud800 half a pair")


Offer = Callable[..., SlotState]


def test_a_release_leaves_the_live_slot_as_it_is(
    deploy: Callable[..., SlotState], release: Offer, tmp_path: Path
) -> None:
    """The candidate is in the idle slot; what was there comes back when it ends."""
    deploy(1)
    before = deploy(2)
    state = release(3, guards=Guards(("errors > 0.5",), 5.0, 10, ("drift",)))
    assert (state.live, state.live_entry) == (before.live, before.live_entry)
    assert state.candidate is not None
    assert state.candidate.version == 3
    assert state.release is not None
    assert state.release.number == state.epoch == 3
    assert read_slots(tmp_path / "serving") == state
    assert prune_bundles(tmp_path / "serving") == []
    ended = end_release(tmp_path / "serving", state.release.number, by="test")
    assert ended is not None
    assert (ended.epoch, ended.live, ended.slots) == (4, before.live, before.slots)
    assert len(prune_bundles(tmp_path / "serving")) == 1


def test_a_release_ends_once(deploy: Callable[..., SlotState], release: Offer, tmp_path: Path) -> None:
    """Whoever comes second, or means another release, changes nothing."""
    deploy(1)
    number = release(2).epoch
    assert end_release(tmp_path / "serving", number + 1) is None
    assert end_release(tmp_path / "serving", number) is not None
    assert end_release(tmp_path / "serving", number) is None
    assert read_slots(tmp_path / "serving").epoch == 3


def test_another_share_goes_on_with_the_release(deploy: Callable[..., SlotState], release: Offer) -> None:
    """Its number, and so what was counted, stays; another mode is another release. What was displaced is not lost."""
    deploy(1)
    deploy(2)
    first = release(3, "canary", 0.1).release
    second = release(3, "canary", 0.3).release
    third = release(3, "ab", 0.3).release
    assert first is not None
    assert second is not None
    assert third is not None
    assert (second.number, second.started_at, second.share) == (first.number, first.started_at, 0.3)
    assert third.number == 5
    for one in (first, second, third):
        assert one.displaced is not None
        assert one.displaced["version"] == 1


def test_a_candidate_is_promoted_by_a_deploy_of_it(
    deploy: Callable[..., SlotState], release: Offer, tmp_path: Path
) -> None:
    """And going back leads to what was live before."""
    deploy(1)
    release(2)
    state = deploy(2)
    assert state.release is None
    assert state.live_entry is not None
    assert state.live_entry.version == 2
    back = switch_back(tmp_path / "serving")
    assert back.live_entry is not None
    assert back.live_entry.version == 1


def test_going_back_during_a_release_ends_it(deploy: Callable[..., SlotState], release: Offer, tmp_path: Path) -> None:
    """And does not put the candidate live."""
    before = deploy(1)
    release(2)
    back = switch_back(tmp_path / "serving")
    assert (back.live, back.release, back.slots) == (before.live, None, before.slots)


def test_nothing_is_released_beside_nothing(release: Offer) -> None:
    """There must be a live version."""
    with pytest.raises(ServingError, match="no version is live"):
        release(1)


@pytest.mark.parametrize(
    "wrong",
    [
        Release("canary", 0.0),
        Release("ab", 1.5),
        Release("canary", 0.1, ""),
        Release("shadow", guards=Guards(("x > 1",))),
    ],
)
def test_a_release_that_cannot_be_is_refused(wrong: Release) -> None:
    """Share, key and guards."""
    with pytest.raises(BadParameter):
        wrong.check()


def test_slots_of_before_releases_are_read(deploy: Callable[..., SlotState], tmp_path: Path) -> None:
    """Format 1 had no release; the next change writes format 2."""
    state = deploy(1)
    path = tmp_path / "serving/slots.json"
    old = {name: value for name, value in json.loads(path.read_bytes()).items() if name != "release"}
    path.write_text(json.dumps({**old, "format": 1}))
    assert read_slots(tmp_path / "serving") == state
    deploy(2)
    assert json.loads(path.read_bytes())["format"] == 2


def test_every_change_is_written_down(deploy: Callable[..., SlotState], release: Offer, tmp_path: Path) -> None:
    """One line for each epoch, with who answers, at which share; lines that a kill cut off, or that never took effect, do not count."""
    deploy(1, by="deploy a")
    release(2, sticky="id")
    end_release(tmp_path / "serving", by="guard: test")
    path = tmp_path / "serving/changes.jsonl"
    changes = read_changes(tmp_path / "serving", 3)
    assert [(c.epoch, c.by, c.live and c.live["version"]) for c in changes] == [
        (1, "deploy a", 1), (2, "", 1), (3, "guard: test", 1)
    ]  # fmt: skip
    assert changes[0].release is changes[2].release is None
    assert changes[1].release is not None
    assert (changes[1].release["version"], changes[1].release["share"], changes[1].release["sticky"]) == (2, 0.5, "id")
    with path.open("ab") as file:  # killed within the line of epoch 4, and again before slots.json was replaced
        file.write(b'{"epoch":4,"at":"20')
    deploy(3, by="deploy b")
    with path.open("a") as file:
        file.write(json.dumps({**asdict(changes[0]), "epoch": 5}) + "\n")
    changes = read_changes(tmp_path / "serving", read_slots(tmp_path / "serving").epoch)
    assert [c.epoch for c in changes] == [1, 2, 3, 4]
    assert changes[3].by == "deploy b"
    assert read_changes(tmp_path, 9) == []


def test_a_deploy_ends_a_release_of_another(
    deploy: Callable[..., SlotState], release: Offer, toys: Callable[..., Path], tmp_path: Path
) -> None:
    """At this level; the command line asks first."""
    deploy(1)
    release(2)
    state = fill_and_switch(tmp_path / "serving", toys(3), model="toy", version=3, digest=Bundle.load(toys(3)).digest)
    assert state.release is None
