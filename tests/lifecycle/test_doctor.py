"""`penstock doctor`: a sound project has no problem; each kind of damage is found and named."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.objects.files import UNFINISHED

Cli = Callable[..., Any]


def problems(outcome: Any) -> dict[str, str]:
    """Check -> why, of those that did not pass."""
    return {check["id"]: check["why"] for check in outcome.body["checks"] if not check["passed"]}


def flip(path: Path) -> None:
    """Flip one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(bytes(data))


def test_a_sound_project_has_no_problem(penstock: Cli, project_at: Cli) -> None:
    """Exit 0."""
    done = penstock(project_at("live"), "doctor")
    assert done.code == 0
    assert problems(done) == {}
    assert {"installation", "ledger", "audit-trail", "objects", "audit-heads", "slots", "journal"} <= {
        check["id"] for check in done.body["checks"]
    }


def test_outside_a_project_the_installation_is_examined(penstock: Cli, tmp_path: Path) -> None:
    """Exit 0, and it says that there is no project."""
    done = penstock(tmp_path, "doctor")
    assert done.code == 0
    assert any("no project here" in check["why"] for check in done.body["checks"])


def test_a_changed_event_of_the_audit_trail_is_found(penstock: Cli, project_at: Cli) -> None:
    """The chain breaks at the event that was changed."""
    project = project_at("live")
    with sqlite3.connect(project / ".penstock/ledger.db") as database:
        unlock(database)
        database.execute("update events set who = 'somebody else' where number = 2")
    done = penstock(project, "doctor")
    assert done.code == 1
    assert "2" in problems(done)["audit-trail"]


def test_a_cut_tail_of_the_audit_trail_is_found(penstock: Cli, project_at: Cli, set_line: Cli) -> None:
    """A bundle carries a head that is no longer in the trail."""
    project = project_at("live")
    set_line(project, "serving", "abstain_below = 0.6")
    assert penstock(project, "run").code == 0
    with sqlite3.connect(project / ".penstock/ledger.db") as database:
        unlock(database)
        database.execute("delete from events where number > 1")
    done = penstock(project, "doctor")
    assert done.code == 1
    assert "audit-heads" in problems(done)


def test_a_damaged_object_is_named(penstock: Cli, project_at: Cli) -> None:
    """By its digest."""
    project = project_at("run")
    damaged = max((project / ".penstock/objects").rglob("??/*"), key=lambda p: p.stat().st_size)
    flip(damaged)
    found = problems(penstock(project, "doctor"))
    assert set(found) == {"objects"}
    assert damaged.name[:8] in found["objects"]


def test_an_object_that_is_gone_is_named(penstock: Cli, project_at: Cli) -> None:
    """Whatever names it: a run, a data set, a model."""
    project = project_at("run")
    [version] = penstock(project, "models").body["versions"]
    objects = project / ".penstock/objects"
    everything = {f"sha256:{path.parent.name}{path.name}": path for path in objects.glob("??/*")}
    manifests = [
        json.loads(path.read_bytes()) for path in everything.values() if b'"kind":"dataset"' in path.read_bytes()
    ]
    [manifest] = manifests
    for digest in (manifest["parts"]["train"][0]["object"], manifest["envelopes"][0]["object"], version["bundle"]):
        everything[digest].rename(project / "kept")
        found = problems(penstock(project, "doctor"))
        assert set(found) == {"lost-objects"}
        assert digest[:19] in found["lost-objects"]
        (project / "kept").rename(everything[digest])


def test_what_killed_processes_left_is_removed(penstock: Cli, project_at: Cli) -> None:
    """Once it is a day old; it says how many files."""
    project = project_at("run")
    folder = next((project / ".penstock/objects").glob("??"))
    old, young = folder / f".a{UNFINISHED}", folder / f".b{UNFINISHED}"
    for left in (old, young):
        left.write_bytes(b"half")
    os.utime(old, (1e9, 1e9))
    done = penstock(project, "doctor")
    assert done.code == 0
    assert {c["id"]: c["why"] for c in done.body["checks"]}["leftovers"].startswith("1 unfinished file")
    assert (old.exists(), young.exists()) == (False, True)


def test_a_champion_that_is_not_live_is_found(penstock: Cli, project_at: Cli) -> None:
    """As a deploy leaves it that is killed at the wrong moment."""
    project = project_at("live")
    with sqlite3.connect(project / ".penstock/ledger.db") as database:
        database.execute("delete from model_aliases where alias = 'champion'")
    found = problems(penstock(project, "doctor"))
    assert set(found) == {"aliases"}
    assert "version 1 is live" in found["aliases"]


def test_a_surprise_in_one_check_is_a_finding_and_the_others_go_on(
    penstock: Cli, project_at: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its text."""

    def surprise(*_: object) -> None:
        raise RuntimeError("nobody thought of this")

    monkeypatch.setattr("penstock.lifecycle.doctor.named_objects", surprise)
    done = penstock(project_at("run"), "doctor")
    assert done.code == 1
    assert list(problems(done)) == ["lost-objects"]
    assert "nobody thought of this" in problems(done)["lost-objects"]
    assert done.body["checks"][-1]["id"] == "journal"


def test_the_lock_of_a_machine_that_is_gone_can_be_freed(penstock: Cli, project_at: Cli) -> None:
    """As the refusal says; the trail tells of it."""
    project = project_at("run")
    holder = json.dumps({"host": "far", "boot": "", "pid": 1, "ticks": 1})
    with sqlite3.connect(project / ".penstock/ledger.db") as database:
        database.execute("insert into locks values ('run shop', 'x', ?, '2026-11-20T10:00:00.000000Z')", (holder,))
    refused = penstock(project, "run")
    assert "penstock doctor --free-lock 'run shop'" in refused.error["try"]
    assert penstock(project, "doctor", "--free-lock", "run shop").code == 0
    assert penstock(project, "run").code == 0
    assert penstock(project, "doctor", "--trail").body["events"][-1]["what"] == "free lock"
    assert "free-lock" in problems(penstock(project, "doctor", "--free-lock", "run shop"))


def test_a_flipped_bit_in_a_slot_is_found(penstock: Cli, project_at: Cli) -> None:
    """The bundle that is served is checked file by file."""
    project = project_at("live")
    flip(next((project / ".penstock/serving/bundles").rglob("graph.onnx")))
    found = problems(penstock(project, "doctor"))
    assert set(found) == {"slots"}
    assert "graph.onnx" in found["slots"]


def test_a_broken_slots_file_is_found(penstock: Cli, project_at: Cli) -> None:
    """No traceback."""
    project = project_at("live")
    (project / ".penstock/serving/slots.json").write_text("{", encoding="utf-8")
    assert "slots" in problems(penstock(project, "doctor"))


def test_a_damaged_journal_is_found(penstock: Cli, served: Any, rows_of: Cli) -> None:
    """A record whose checksum does not match."""
    served.predict(rows_of(200, seed=50))
    served.close()
    segment = max((served.project / ".penstock/serving/journal").rglob("*"), key=lambda p: p.stat().st_size)
    flip(segment)
    assert "journal" in problems(penstock(served.project, "doctor"))


def test_a_ledger_from_a_newer_release_is_named_and_the_rest_examined(penstock: Cli, project_at: Cli) -> None:
    """Exit 1; slots and journal are looked at all the same."""
    project = project_at("live")
    make_newer(project / ".penstock/ledger.db")
    found = penstock(project, "doctor")
    assert found.code == 1
    assert set(problems(found)) == {"ledger"}
    assert {"slots", "journal"} <= {check["id"] for check in found.body["checks"]}


def test_a_broken_declaration_is_a_finding(penstock: Cli, project_at: Cli) -> None:
    """Not an exception."""
    project = project_at("run")
    (project / "penstock.toml").write_text("[data\n", encoding="utf-8")
    done = penstock(project, "doctor")
    assert done.code == 1
    assert "not valid TOML" in problems(done)["declaration"]


def test_the_trail_is_shown_on_request(penstock: Cli, project_at: Cli) -> None:
    """Who, when, what; the details are JSON."""
    events = penstock(project_at("live"), "doctor", "--trail").body["events"]
    done = [
        event["what"] for event in events if event["what"] != "read data"
    ]  # which every stage that reads rows leaves
    assert done == ["seal", "open envelope", "deploy"]
    assert all(event["at"].endswith("Z") and event["who"] for event in events)
    json.dumps(events)


def unlock(database: sqlite3.Connection) -> None:
    """What a forger would do first: the ledger itself refuses to change an event."""
    for (name,) in database.execute("select name from sqlite_master where type = 'trigger'").fetchall():
        database.execute(f"drop trigger {name}")


def make_newer(ledger: Path) -> None:
    """Say in the ledger that a migration of a later release has run."""
    with sqlite3.connect(ledger) as database:
        database.execute("insert into migrations values ('from_the_future', '2030-01-01T00:00:00.000000Z')")
