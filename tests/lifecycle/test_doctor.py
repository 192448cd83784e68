"""`penstock doctor`: a sound project has no problem; each kind of damage is found and named."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
    assert [event["what"] for event in events] == ["seal", "open envelope", "deploy"]
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
