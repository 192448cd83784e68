"""A version that has just gone live is watched: the one before stands by, answers what it fails at, and is live again when a guard trips."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from penstock.bundle.runtime import Bundle
from penstock.errors import ServingError
from penstock.serving import guards as guards_module
from penstock.serving.acknowledgements import wait_for_epoch
from penstock.serving.arm_counts import ArmFile, forget_counts, read_counts
from penstock.serving.changes import read_changes
from penstock.serving.journal import read
from penstock.serving.releases import Guards
from penstock.serving.slots import SlotState, read_slots
from penstock.serving.switching import end_watch, return_from, switch_back

Deploy = Callable[..., SlotState]
ROW = {"age": 30, "income": 20000, "job": "pilot", "member": False}
HOUR = Guards(("errors > 1%", "latency_p50 > 2 * live"), 60.0, 20, watch_s=3600.0)


@pytest.fixture
def watched(deploy: Deploy) -> SlotState:
    """Version 2 is live and watched, version 1 stands by."""
    deploy(1, watch=HOUR)
    return deploy(2, watch=HOUR)


def test_a_first_version_has_nothing_that_could_stand_by(deploy: Deploy) -> None:
    """And without a length nothing is watched."""
    assert deploy(1, watch=HOUR).watch is None
    assert deploy(2, watch=Guards()).watch is None
    assert deploy(1).watch is None


def test_the_new_version_answers_all(watched: SlotState, open_client: Callable[..., Any]) -> None:
    """As it would without a watch; `/model` says that it is watched."""
    client = open_client()
    assert {client.post("/predict", {"rows": [ROW]}).json()["version"] for _ in range(20)} == {2}
    assert {(record.version, record.arm) for record in read(client.journal)} == {(2, "watched")}
    told = client.get("/model").json()
    assert told["version"] == 2
    assert (told["release"]["mode"], told["release"]["candidate"]["version"]) == ("watch", 2)
    assert client.post("/invocations", {"dataframe_records": [ROW]}).json()["predictions"][0].get("version") is None
    assert 'penstock_release{mode="watch",sticky="",version="2"} 1.0' in client.get("/metrics").text


def test_what_it_fails_at_the_version_before_answers(
    watched: SlotState, open_client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names itself, the failure is journalled and counted, and enough of them put it back."""
    client = open_client()
    arms, predict = client.worker.serving.arms, Bundle.predict

    def failing(self: Bundle, *more: Any, **named: Any) -> Any:
        if self is arms.candidate.bundle:
            raise MemoryError("no")
        return predict(self, *more, **named)

    monkeypatch.setattr(Bundle, "predict", failing)
    assert {client.post("/predict", {"rows": [ROW]}).json()["version"] for _ in range(19)} == {1}
    mlflow = client.post("/invocations", {"dataframe_records": [ROW]}).json()["predictions"][0]
    assert (mlflow["version"], mlflow["slot"]) == (1, "blue")
    errors = list(read(client.journal, kinds=("error",)))
    assert {(record.version, record.arm, record.code) for record in errors} == {(2, "watched", "internal")}
    reason = client.worker.guards.look()
    assert reason is not None
    state = read_slots(client.worker.state_dir)
    assert state.live_entry is not None
    assert (state.live_entry.version, state.watch, state.by) == (1, None, f"guard: {reason}")
    monkeypatch.undo()
    assert client.post("/predict", {"rows": [ROW]}).json()["version"] == 1  # before it follows, as well


def test_a_watch_ends_with_its_time(
    watched: SlotState, open_client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is live stays so, and the change is written down."""
    client, age_h = open_client(), [0.99]
    monkeypatch.setattr(guards_module, "hours_since", lambda _: age_h[0])
    assert client.worker.guards.look() is None
    assert read_slots(client.worker.state_dir).watch is not None
    age_h[0] = 1.0
    assert client.worker.guards.look() is None
    state = read_slots(client.worker.state_dir)
    assert state.live_entry is not None
    assert (state.live_entry.version, state.watch) == (2, None)
    assert state.by == "watched: nothing was shown against it for 1 h"
    assert client.worker.guards.look() is None  # it still has the arms of the epoch before


def test_it_is_held_to_the_version_before_as_that_was_in_the_release(
    deploy: Deploy, release: Deploy, open_client: Callable[..., Any], tmp_path: Path
) -> None:
    """Counts of the live arm are kept while they are referred to."""
    deploy(1)
    beside = release(2, "canary", 0.5)
    assert beside.release is not None
    before = ArmFile(tmp_path / "serving", beside.release.number, "a")
    for _ in range(400):
        before.live.answered(1, 0, 0, 0.001)
    state = deploy(2, watch=HOUR)
    assert state.watch is not None
    assert state.watch.reference == beside.release.number
    ArmFile(tmp_path / "serving", 99, "a")
    forget_counts(tmp_path / "serving", but=state.counted)
    assert read_counts(tmp_path / "serving", beside.release.number)["live"][0] == 400
    assert not (tmp_path / "serving/arms/99").exists()
    client = open_client()
    counts = ArmFile(tmp_path / "serving", state.watch.number, "another")
    for _ in range(400):
        counts.candidate.answered(1, 0, 0, 0.0015)
    assert client.worker.guards.look() is None
    for _ in range(2000):
        counts.candidate.answered(1, 0, 0, 0.004)
    reason = client.worker.guards.look()
    assert reason is not None
    assert reason.startswith("latency_p50 > 2 * live")


def test_it_is_held_to_the_version_before_as_that_was_when_it_went_live(
    watched: SlotState, deploy: Deploy, release: Deploy, open_client: Callable[..., Any], tmp_path: Path
) -> None:
    """Where no release led there: of a version that was watched itself it is known what is usual."""
    state_dir = tmp_path / "serving"
    assert watched.watch is not None
    assert watched.watch.reference is None  # version 1 was the first, and nobody counted it
    before = ArmFile(state_dir, watched.watch.number, "a")
    for _ in range(400):
        before.candidate.answered(1, 0, 0, 0.001)
    begun = release(1, "canary", 0.5)  # and is given up again
    forget_counts(state_dir, but=begun.counted)
    switch_back(state_dir)
    state = deploy(3, watch=HOUR)
    assert state.watch is not None
    assert state.watch.reference == watched.watch.number
    assert SlotState.from_json(state.to_json()) == state
    forget_counts(state_dir, but=state.counted)
    client = open_client()
    counts = ArmFile(state_dir, state.watch.number, "another")
    for _ in range(2000):
        counts.candidate.answered(1, 0, 0, 0.004)
    reason = client.worker.guards.look()
    assert reason is not None
    assert reason.startswith("latency_p50 > 2 * live")


def test_nobody_goes_back_to_what_a_guard_took_back(watched: SlotState, deploy: Deploy, tmp_path: Path) -> None:
    """By accident: who means it deploys it again."""
    state_dir = tmp_path / "serving"
    assert watched.watch is not None
    returned = return_from(state_dir, watched.watch.number, by="guard: errors > 1% (3% against 1%)")
    assert returned is not None
    assert returned.live_entry == watched.slots[watched.idle]
    with pytest.raises(ServingError, match="version 2 was taken back") as refused:
        switch_back(state_dir)
    assert refused.value.why == "guard: errors > 1% (3% against 1%)"
    assert read_slots(state_dir) == returned
    assert deploy(2).live_entry == replace(watched.live_entry, watched=None)  # type: ignore[type-var]
    again = switch_back(state_dir).live_entry
    assert again is not None
    assert again.version == 1


def test_a_watch_ends_where_what_stands_by_cannot_be_loaded(
    watched: SlotState, open_client: Callable[..., Any], tmp_path: Path
) -> None:
    """Nothing could be gone back to: no file says that something stands by which does not."""
    state_dir = tmp_path / "serving"
    standing_by = watched.slots[watched.idle]
    assert standing_by is not None
    (state_dir / standing_by.path / "graph.onnx").write_bytes(b"damaged")
    client = open_client()
    assert client.post("/predict", {"rows": [ROW]}).json()["version"] == 2
    state = read_slots(state_dir)
    assert (state.watch, state.by) == (None, "watched: version 1, which stood by, cannot be loaded")
    assert client.worker.guards.look() is None


def test_whoever_goes_back_or_releases_another_ends_the_watch(
    watched: SlotState, toys: Callable[..., Path], tmp_path: Path
) -> None:
    """A guard that trips then changes nothing; what stood by goes back to its slot when the release ends."""
    state_dir = tmp_path / "serving"
    assert watched.watch is not None
    assert switch_back(state_dir).watch is None
    for late in (return_from, end_watch):
        assert late(state_dir, watched.watch.number) is None
    assert read_slots(state_dir).live_entry == watched.slots[watched.idle]


def test_a_release_begun_within_a_watch_keeps_what_stood_by(
    deploy: Deploy, release: Deploy, watched: SlotState, tmp_path: Path
) -> None:
    """It comes back when the release ends."""
    from penstock.serving.switching import end_release

    state = release(3, "canary", 0.5)
    assert state.watch is None
    ended = end_release(tmp_path / "serving")
    assert ended is not None
    assert ended.slots == watched.slots


def test_the_slots_tell_of_a_watch(watched: SlotState, tmp_path: Path) -> None:
    """As they are read again, and in the line of the change."""
    assert read_slots(tmp_path / "serving") == watched
    change = read_changes(tmp_path / "serving", watched.epoch)[-1]
    assert change.watch is not None
    assert (change.watch["version"], change.watch["slot"], change.watch["watch_s"]) == (1, "blue", 3600)


def test_servers_go_back_by_themselves(deploy: Deploy, start_server: Callable[..., Any], tmp_path: Path) -> None:
    """Two workers under load: no request is lost when the new version goes live, nor when it is taken back."""
    deploy(1)
    server = start_server("--workers", "2")
    state = deploy(2, watch=Guards(("abstentions > 0.5",), 30.0, 20, watch_s=600.0))
    wait_for_epoch(tmp_path / "serving", state.epoch)
    connection = server.connect()
    versions, ends = [], time.monotonic() + 30
    while read_slots(tmp_path / "serving").watch is not None and time.monotonic() < ends:
        status, body = server.ask("POST", "/predict", {"rows": [{"age": 150}]}, on=connection)
        assert status == 200
        versions.append(body["version"])
    assert set(versions[:-50]) == {2}
    after = read_slots(tmp_path / "serving")
    assert after.by.startswith("guard: abstentions > 0.5")
    wait_for_epoch(tmp_path / "serving", after.epoch)
    assert {server.ask("POST", "/predict", {"rows": [{"age": 150}]})[1]["version"] for _ in range(20)} == {1}
