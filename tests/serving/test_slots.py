"""Slots: filled and switched atomically, gone back, and never halfway."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.bundle.runtime import Bundle
from penstock.errors import NewerFormat, ServingError
from penstock.serving.releases import Release
from penstock.serving.slots import SlotState, read_slots
from penstock.serving.switching import end_release, fill_and_switch, offer, prune_bundles, restore, switch_back


def test_a_deployment_fills_the_idle_slot_and_switches(deploy: Callable[..., SlotState], tmp_path: Path) -> None:
    """Blue, green, blue; each raises the epoch."""
    states = [deploy(version) for version in (1, 2, 3)]
    assert [(s.epoch, s.live, s.live_entry.version) for s in states if s.live_entry] == [
        (1, "blue", 1), (2, "green", 2), (3, "blue", 3)
    ]  # fmt: skip
    assert read_slots(tmp_path / "serving") == states[-1]


def test_the_copy_is_the_bundle(deploy: Callable[..., SlotState], tmp_path: Path) -> None:
    """A server never reads from the place that it was deployed from."""
    entry = deploy(1, deployment={"test": {"accuracy": 0.9}}).live_entry
    assert entry is not None
    assert Bundle.load(tmp_path / "serving" / entry.path).digest == entry.bundle
    kept = read_slots(tmp_path / "serving").live_entry
    assert kept is not None
    assert kept.deployment == {"test": {"accuracy": 0.9}}


def test_going_back_makes_the_other_slot_live(deploy: Callable[..., SlotState], tmp_path: Path) -> None:
    """And back again."""
    deploy(1)
    deploy(2)
    back = switch_back(tmp_path / "serving", by="test")
    assert (back.epoch, back.live, back.by) == (3, "blue", "test")
    assert switch_back(tmp_path / "serving").live == "green"


def test_there_is_nothing_to_go_back_to(deploy: Callable[..., SlotState], tmp_path: Path) -> None:
    """After one deployment, or none."""
    with pytest.raises(ServingError, match="no version to go back to"):
        switch_back(tmp_path / "serving")
    deploy(1)
    with pytest.raises(ServingError, match="no version to go back to"):
        switch_back(tmp_path / "serving")


def test_a_refused_deployment_is_undone(deploy: Callable[..., SlotState], tmp_path: Path) -> None:
    """The earlier state under a new epoch, so that workers follow."""
    before = deploy(1)
    after = restore(tmp_path / "serving", before, deploy(2), by="refused")
    assert (after.epoch, after.live, after.slots) == (3, "blue", before.slots)


def test_a_guard_that_trips_while_a_change_is_refused_has_the_last_word(
    deploy: Callable[..., SlotState], toys: Callable[..., Path], tmp_path: Path
) -> None:
    """What was there before that change had a release, and does not come back with it."""
    deploy(1)

    def offered(share: float) -> SlotState:
        digest = Bundle.load(toys(2)).digest
        return offer(tmp_path / "serving", toys(2), Release("canary", share), model="toy", version=2, digest=digest)

    before, refused = offered(0.1), offered(0.5)
    assert before.release is not None
    ended = end_release(tmp_path / "serving", before.release.number, by="guard: errors")
    assert restore(tmp_path / "serving", before, refused, by="refused") == ended
    assert read_slots(tmp_path / "serving").release is None


def test_a_damaged_copy_is_replaced(
    deploy: Callable[..., SlotState], toys: Callable[..., Path], tmp_path: Path
) -> None:
    """Deploying again heals a flipped bit."""
    entry = deploy(1).live_entry
    assert entry is not None
    graph = tmp_path / "serving" / entry.path / "graph.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"?")
    deploy(1)
    assert graph.read_bytes() == (toys(1) / "graph.onnx").read_bytes()


def test_copies_that_no_slot_holds_are_deleted(deploy: Callable[..., SlotState], tmp_path: Path) -> None:
    """The two that are in slots stay."""
    for version in (1, 2, 3):
        deploy(version)
    assert len(prune_bundles(tmp_path / "serving")) == 1
    assert prune_bundles(tmp_path / "serving") == []
    for entry in read_slots(tmp_path / "serving").slots.values():
        assert entry is not None
        Bundle.load(tmp_path / "serving" / entry.path)


def test_changes_at_once_all_count(toys: Callable[..., Path], tmp_path: Path) -> None:
    """Each of ten has an epoch of its own."""
    folder = toys(1)
    digest = Bundle.load(folder).digest
    epochs = []

    def change() -> None:
        state = fill_and_switch(tmp_path, folder, model="toy", version=1, digest=digest)
        epochs.append(state.epoch)

    threads = [threading.Thread(target=change) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(epochs) == list(range(1, 11))


def test_a_file_from_elsewhere_is_told(tmp_path: Path) -> None:
    """Nonsense, and a later format."""
    (tmp_path / "slots.json").write_text("{}")
    with pytest.raises(ServingError, match="cannot be read"):
        read_slots(tmp_path)
    (tmp_path / "slots.json").write_text(json.dumps({**SlotState().to_json(), "format": 3}))
    with pytest.raises(NewerFormat, match="format 3"):
        read_slots(tmp_path)
