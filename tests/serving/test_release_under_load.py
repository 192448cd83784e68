"""A release begins, grows, is promoted, taken back, shadowed and ended under load, and no request notices."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from penstock.serving.acknowledgements import wait_for_epoch
from penstock.serving.journal import read
from penstock.serving.slots import SlotState
from penstock.serving.switching import end_release, switch_back

Deploy = Callable[..., SlotState]
ROW = {"age": 30, "income": 20000, "job": "pilot", "member": False}
KEYS = [f"customer-{n}" for n in range(20)]


def test_no_request_is_lost_and_no_key_changes_back(
    deploy: Deploy, release: Deploy, start_server: Callable[..., Any], tmp_path: Path
) -> None:
    """Two workers, four clients: each answer is in the journal once, by the version that it names; shares only add keys."""
    state_dir = tmp_path / "serving"
    deploy(1)
    server = start_server("--workers", "2")
    stop = threading.Event()
    told: list[tuple[float, str, int, str]] = []  # when it was asked, key, version, id
    faults: list[Any] = []

    def ask(number: int) -> None:
        connection = server.connect()
        n = number
        while not stop.is_set():
            key, at = KEYS[n % len(KEYS)], time.monotonic()
            try:
                status, body = server.ask("POST", "/predict", {"rows": [{**ROW, "id": key}]}, on=connection)
                assert status == 200, body
                told.append((at, key, body["version"], body["predictions"][0]["id"]))
            except Exception as error:  # noqa: BLE001  # told by the test
                faults.append(error)
                return
            n += 1
        connection.close()

    clients = [threading.Thread(target=ask, args=(5 * n,)) for n in range(4)]
    for client in clients:
        client.start()

    def settled(state: SlotState | None) -> float:
        assert state is not None
        wait_for_epoch(state_dir, state.epoch)
        at = time.monotonic()
        time.sleep(0.5)
        return at

    marks = [
        settled(release(2, "canary", 0.2, sticky="id")),
        settled(release(2, "canary", 0.7, sticky="id")),
        settled(deploy(2)),
        settled(switch_back(state_dir)),
        settled(release(3, "shadow", 0.0)),
        settled(end_release(state_dir)),
    ]
    stop.set()
    for client in clients:
        client.join()
    assert faults == []
    spans = [[one for one in told if a <= one[0] < b - 0.5] for a, b in zip(marks, [*marks[1:], 1e18], strict=True)]
    few, many, promoted, back, shadowed, ended = (
        {key for _, key, version, _ in span if version == 2} for span in spans
    )
    assert few <= many
    assert len(many) > len(few)
    assert {version for _, _, version, _ in spans[2]} == {2}
    assert promoted
    for span in spans[3:]:
        assert {version for _, _, version, _ in span} == {1}
    assert [*back, *shadowed, *ended] == []
    for key in KEYS:
        assert len({version for _, its, version, _ in spans[0] if its == key}) <= 1
        assert len({version for _, its, version, _ in spans[1] if its == key}) <= 1
    server.stop()
    journalled = Counter(
        (a["id"], record.version) for record in read(state_dir / "journal", kinds=("predict",)) for a in record.answers
    )
    assert set(journalled.values()) == {1}
    assert {(prediction, version) for _, _, version, prediction in told} <= set(journalled)
