"""Guards: a release that goes wrong ends by itself, within seconds, whoever sees it first."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.serving import guards as guards_module
from penstock.serving.arm_counts import ArmFile
from penstock.serving.releases import Guards
from penstock.serving.slots import SlotState, read_slots

Deploy = Callable[..., SlotState]
ROW = {"age": 30, "income": 20000, "job": "pilot", "member": False}


def watched(
    deploy: Deploy, release: Deploy, open_client: Callable[..., Any], *trip: str, window_s: float = 60.0
) -> tuple[Any, ArmFile]:
    """A worker with a release, and counts as another worker would write them."""
    deploy(1)
    state = release(2, "canary", 0.5, guards=Guards(trip, window_s, 20))
    client = open_client()
    assert state.release is not None
    return client, ArmFile(client.worker._follower.state_dir, state.release.number, "another")


def test_errors_end_a_release(deploy: Deploy, release: Deploy, open_client: Callable[..., Any], tmp_path: Path) -> None:
    """Once enough requests were seen; the live version answers alone, and the file says why."""
    client, counts = watched(deploy, release, open_client, "errors > 1%")
    for _ in range(19):
        counts.candidate.failed()
    assert client.worker.guards.look() is None
    counts.candidate.failed()
    reason = client.worker.guards.look()
    assert reason == "errors > 1% (1 against 0.01, apart by 0.71 or more)"
    state = read_slots(tmp_path / "serving")
    assert (state.release, state.by) == (None, f"guard: {reason}")
    assert state.live_entry is not None
    assert state.live_entry.version == 1
    assert client.post("/predict", {"rows": [ROW]}).json()["version"] == 1
    assert client.worker.guards.look() is None


@pytest.mark.parametrize("is_watch", [False, True])
def test_an_end_that_could_not_be_written_is_tried_again(
    deploy: Deploy,
    release: Deploy,
    open_client: Callable[..., Any],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    is_watch: bool,
) -> None:
    """Else the release goes on for whoever looks at slots.json, and `promote` could still take its candidate."""
    if is_watch:
        deploy(1)
        state = deploy(2, watch=Guards(("errors > 1%",), 60.0, 20, watch_s=3600.0))
        client = open_client()
        assert state.watch is not None
        counts = ArmFile(tmp_path / "serving", state.watch.number, "another")
    else:
        client, counts = watched(deploy, release, open_client, "errors > 1%")
    for _ in range(200):
        counts.candidate.failed()
    changes, kept = tmp_path / "serving" / "changes.jsonl", tmp_path / "kept.jsonl"
    changes.rename(kept)
    changes.mkdir()  # nothing can be appended to it
    assert client.worker.guards.look() is None
    assert client.worker.guards.look() is None
    before = read_slots(tmp_path / "serving")
    assert (before.watch if is_watch else before.release) is not None
    assert caplog.text.count("the guards cannot do their work") == 1
    changes.rmdir()
    kept.rename(changes)
    reason = client.worker.guards.look()
    state = read_slots(tmp_path / "serving")
    assert (state.release, state.watch, state.by) == (None, None, f"guard: {reason}")
    assert state.live_entry is not None
    assert state.live_entry.version == 1
    assert client.worker.guards.look() is None


@pytest.mark.parametrize(
    ("condition", "trips"),
    [
        ("latency_p99 > 50", True),
        ("latency_p99 > 200", False),
        ("latency_p99 > 3 * live", True),
        ("abstentions > live + 0.2", True),
        ("abstentions > 0.9", False),
        ("novelty > 0.4", True),
        ("quality < 0.9", False),
    ],
)
def test_a_release_is_held_to_its_limits(
    deploy: Deploy, release: Deploy, open_client: Callable[..., Any], condition: str, trips: bool
) -> None:
    """Against numbers and against the live version; what a server cannot know trips nothing here."""
    client, counts = watched(deploy, release, open_client, condition)
    for _ in range(2000):
        counts.live.answered(2, 0, 0, 0.005)
        counts.candidate.answered(2, 1, 1, 0.1)
    assert (client.worker.guards.look() is not None) is trips


def test_a_few_bad_requests_are_no_evidence(deploy: Deploy, release: Deploy, open_client: Callable[..., Any]) -> None:
    """2 of 20 are above 1 %, and happen to a version that keeps below it; 8 of 20 hardly ever do."""
    client, counts = watched(deploy, release, open_client, "errors > 1%")
    for n in range(20):
        counts.candidate.failed() if n < 2 else counts.candidate.answered(1, 0, 0, 0.001)
    assert client.worker.guards.look() is None
    for _ in range(8):
        counts.candidate.failed()
    assert client.worker.guards.look() is not None


def look_through(client: Any, age_s: list[float], seconds: int, each: Callable[[int], None]) -> int | None:
    """Look once a second while `each` makes the traffic; gives the second at which the release ended."""
    for second in range(seconds):
        each(second)
        age_s[0] += 1.0
        if client.worker.guards.look() is not None:
            return second
    return None


@pytest.fixture
def age_s(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Of the release, to be set."""
    age = [0.0]
    monkeypatch.setattr(guards_module, "hours_since", lambda _: age[0] / 3600)
    return age


def test_a_version_that_keeps_its_limits_is_not_ended_by_chance(
    deploy: Deploy, release: Deploy, open_client: Callable[..., Any], age_s: list[float]
) -> None:
    """Twenty minutes of looks each second at shares that lie on their limits, a hundred windows: plain thresholds would end it within the first."""
    chance = random.Random(11)
    client, counts = watched(deploy, release, open_client, "errors > 2%", "abstentions > 0.1", window_s=12.0)

    def traffic(_: int) -> None:
        for _ in range(10):
            if chance.random() < 0.02:
                counts.candidate.failed()
            else:
                counts.candidate.answered(1, chance.random() < 0.1, 0, 0.001)

    assert look_through(client, age_s, 1200, traffic) is None


def test_what_goes_wrong_late_is_not_hidden_by_hours_that_went_well(
    deploy: Deploy, release: Deploy, open_client: Callable[..., Any], age_s: list[float]
) -> None:
    """Each window is looked at by itself, and the release as a whole as well."""
    client, counts = watched(deploy, release, open_client, "errors > 2%", window_s=60.0)
    for _ in range(100_000):
        counts.candidate.answered(1, 0, 0, 0.001)
    age_s[0] = 24 * 3600.0
    assert client.worker.guards.look() is None

    def traffic(_: int) -> None:
        for n in range(10):
            counts.candidate.failed() if n < 3 else counts.candidate.answered(1, 0, 0, 0.001)

    ended = look_through(client, age_s, 60, traffic)
    assert ended is not None
    assert ended < 30


def test_a_worker_that_begins_within_a_release_judges_what_all_have_counted(
    deploy: Deploy, release: Deploy, open_client: Callable[..., Any], age_s: list[float]
) -> None:
    """Since the release began; of the windows those that it has seen begin."""
    client, counts = watched(deploy, release, open_client, "errors > 50%")
    for n in range(100):
        counts.candidate.failed() if n < 40 else counts.candidate.answered(1, 0, 0, 0.001)
    age_s[0] = 3600.0
    assert client.worker.guards.look() is None
    for _ in range(60):
        counts.candidate.failed()
    assert client.worker.guards.look() is not None


def test_a_guard_that_cannot_write_still_keeps_this_worker_from_asking(
    deploy: Deploy,
    release: Deploy,
    open_client: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A full or read-only disk must not keep a bad candidate answering."""
    client, counts = watched(deploy, release, open_client, "errors > 1%")

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(guards_module, "end_release", refuse)
    for _ in range(50):
        counts.candidate.failed()
    assert client.worker.guards.look() is None
    assert "Permission denied" in caplog.text
    assert {client.post("/predict", {"rows": [ROW]}).json()["version"] for _ in range(30)} == {1}


def test_servers_follow_a_release_and_return_by_themselves(
    deploy: Deploy, release: Deploy, start_server: Callable[..., Any], tmp_path: Path
) -> None:
    """Two workers under load: no request is lost when the release begins, nor when it trips within seconds of the fault."""
    from penstock.serving.acknowledgements import wait_for_epoch

    deploy(1)
    server = start_server("--workers", "2")
    state = release(2, "canary", 0.5, guards=Guards(("abstentions > 0.5",), 30.0, 20))
    wait_for_epoch(tmp_path / "serving", state.epoch)
    connection = server.connect()
    versions, ends = [], time.monotonic() + 30
    while read_slots(tmp_path / "serving").release is not None and time.monotonic() < ends:
        status, body = server.ask("POST", "/predict", {"rows": [{"age": 150}]}, on=connection)
        assert status == 200
        versions.append(body["version"])
    assert set(versions) == {1, 2}
    after = read_slots(tmp_path / "serving")
    assert after.by.startswith("guard: abstentions > 0.5")
    wait_for_epoch(tmp_path / "serving", after.epoch)
    assert {server.ask("POST", "/predict", {"rows": [{"age": 150}]})[1]["version"] for _ in range(20)} == {1}
