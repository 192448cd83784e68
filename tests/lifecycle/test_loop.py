"""The loop is closed: traffic, monitor, labels, retrain."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.lifecycle.visible import visible_parts
from penstock.project.project import Project

Cli = Callable[..., Any]


def label(served: Any, rows: list[dict[str, Any]], answers: list[dict[str, Any]]) -> int:
    """Send the truth of each row by prediction id; gives how many were accepted."""
    items = [{"id": a["id"], "label": r["bought"], "author": "shop"} for a, r in zip(answers, rows, strict=True)]
    status, body = served.ask("POST", "/labels", {"labels": items})
    assert status == 200
    accepted: int = body["accepted"]
    return accepted


def test_ordinary_traffic_raises_no_alarm(penstock: Cli, served: Any, rows_of: Cli) -> None:
    """Exit 0."""
    served.predict(rows_of(500, seed=11))
    done = penstock(served.project, "monitor")
    assert done.code == 0
    assert done.body["alarm"] is False
    assert done.body["window"]["rows"] == 500


def test_a_shift_raises_an_alarm_that_names_the_column(penstock: Cli, served: Any, rows_of: Cli) -> None:
    """Exit 1; the page is there for people."""
    served.predict(rows_of(600, seed=12, shift=1.0))
    done = penstock(served.project, "monitor")
    assert done.code == 1
    named = {check["column"] for check in done.body["checks"] if check["alarm"]}
    assert "age" in named
    assert named <= {"age", None, "bought"}
    assert (served.project / done.body["page"]).is_file()


def test_the_next_window_begins_where_the_last_one_ended(penstock: Cli, served: Any, rows_of: Cli) -> None:
    """So that no row is watched twice, and none is missed."""
    served.predict(rows_of(60, seed=13))
    first = penstock(served.project, "monitor").body["window"]
    served.predict(rows_of(70, seed=14))
    second = penstock(served.project, "monitor").body["window"]
    assert (first["rows"], second["rows"]) == (60, 70)
    assert second["from"] == first["to"]


def test_the_first_window_begins_at_the_deploy(penstock: Cli, served: Any, rows_of: Cli) -> None:
    """What another version answered before is not held against this one."""
    served.predict(rows_of(40, seed=15))
    deployed = next(r for r in penstock(served.project, "runs").body["runs"] if r["operation"] == "deploy")
    window = penstock(served.project, "monitor").body["window"]
    assert window["from"][:19] == deployed["started_at"][:19]


def test_since_looks_further_back(penstock: Cli, served: Any, rows_of: Cli) -> None:
    """A length or an instant; both count what an earlier look has counted."""
    served.predict(rows_of(60, seed=16))
    penstock(served.project, "monitor")
    assert penstock(served.project, "monitor").body["window"]["rows"] == 0
    assert penstock(served.project, "monitor", "--since", "2h").body["window"]["rows"] == 60
    assert penstock(served.project, "monitor", "--since", "2020-01-01T00:00:00Z").body["window"]["rows"] == 60
    until = penstock(served.project, "monitor", "--since", "2020-01-01", "--until", "2021-01-01T00:00:00Z")
    assert until.body["window"]["rows"] == 0


@pytest.mark.parametrize("since", ["yesterday", "2x", ""])
def test_an_instant_that_cannot_be_read_is_refused(penstock: Cli, project_at: Cli, since: str) -> None:
    """With an example of one that can."""
    done = penstock(project_at("live"), "monitor", "--since", since)
    assert done.code == 2
    assert "2h" in done.error["try"]


def test_without_a_deploy_there_is_nothing_to_watch(penstock: Cli, project_at: Cli) -> None:
    """The way out is `penstock deploy`."""
    done = penstock(project_at("run"), "monitor")
    assert done.code == 2
    assert "penstock deploy" in done.error["try"]


def test_retrain_needs_labels(penstock: Cli, served: Any, rows_of: Cli) -> None:
    """Too few are refused with the setting that says how many."""
    rows = rows_of(10, seed=17)
    label(served, rows, served.predict(rows))
    done = penstock(served.project, "retrain")
    assert done.code == 2
    assert "10 new labelled predictions" in done.error["what"]
    assert "minimum_labels" in done.error["why"]


def test_retrain_takes_each_label_once_and_refills_an_envelope(penstock: Cli, served: Any, rows_of: Cli) -> None:
    """A new version of the data with the labelled rows, some of them sealed; a second retrain has nothing to do."""
    project = served.project
    rows = rows_of(300, seed=18)
    assert label(served, rows, served.predict(rows)) == 300
    before = penstock(project, "data", "log").body["versions"][0]
    done = penstock(project, "retrain")
    assert done.code == 0
    after = penstock(project, "data", "log").body["versions"][0]
    assert after["parent"] == before["digest"]
    assert after["details"]["diff"]["rows"]["added"] == 300
    refilled = after["details"]["diff"]["rows"]["added_to"]["test"]
    assert 30 < refilled < 90
    again = penstock(project, "retrain")
    assert again.body["model"] == done.body["model"]
    assert {step["status"] for step in again.body["steps"]} == {"known"}
    assert penstock(project, "data", "log").body["versions"][0] == after
    served.close()
    deployed = penstock(project, "deploy")
    assert deployed.code == 0
    assert deployed.body["envelope"]["reused"] is False
    none_left = penstock(project, "retrain")
    assert none_left.code == 2
    assert "0 new labelled predictions" in none_left.error["what"]
    assert done.body["champion"]["rows"] == done.body["rows"]["valid"]


def test_labelled_rows_survive_a_changed_source(penstock: Cli, served: Any, rows_of: Cli, write_rows: Cli) -> None:
    """The next run reads the new source and adds the labelled rows again."""
    project: Path = served.project
    rows = rows_of(60, seed=19)
    label(served, rows, served.predict(rows))
    assert penstock(project, "retrain").code == 0
    write_rows(next((project / "data/raw").glob("*.csv")), rows_of(50, seed=20), "bought", append=True)
    done = penstock(project, "run")
    assert done.code == 0
    versions = penstock(project, "data", "log").body["versions"]
    assert sum(versions[0]["details"]["rows"].values()) == 2200 + 60 + 50
    assert {step["status"] for step in penstock(project, "run").body["steps"]} == {"known"}
    labelled, source = versions[2]["digest"], next((project / "data/raw").glob("*.csv"))
    assert penstock(project, "data", "forget", versions[1]["digest"]).error["code"] == "project", (
        "it is within the newest"
    )
    assert penstock(project, "data", "forget", labelled, "--keep-models", "--yes").code == 0
    write_rows(source, rows_of(40, seed=23), "bought", append=True)
    opened = Project(project)
    visible_parts(opened)
    opened.ledger.close()
    newest = penstock(project, "data", "log").body["versions"][0]
    assert sum(newest["details"]["rows"].values()) == 2200 + 60 + 50 + 40, (
        "later versions have the rows of one that is forgotten"
    )


def test_a_run_that_was_killed_before_it_had_added_the_labelled_rows_adds_them_next_time(
    penstock: Cli, served: Any, rows_of: Cli, write_rows: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new source is in, the labelled rows are not yet: the next `run --why` says so."""
    from penstock.lifecycle import append

    project: Path = served.project
    rows = rows_of(60, seed=19)
    label(served, rows, served.predict(rows))
    assert penstock(project, "retrain").code == 0
    write_rows(next((project / "data/raw").glob("*.csv")), rows_of(50, seed=20), "bought", append=True)
    with monkeypatch.context() as patch:
        patch.setattr(append, "append_labelled", interrupted)
        assert penstock(project, "run").code == 130
    labelled = penstock(project, "data", "log").body["versions"][1]["digest"]
    refused = penstock(project, "data", "forget", labelled, "--keep-models", "--yes")
    assert "in no later version yet" in refused.error["what"], refused
    explained = penstock(project, "run", "--why").body
    assert [step["name"] for step in explained["known"]] == ["contract", "ingest"]
    assert explained["would_run"][0]["name"] == "append"


def test_labelled_rows_outlive_the_journal(penstock: Cli, served: Any, rows_of: Cli, write_rows: Cli) -> None:
    """They are kept sealed: a changed source gets them, and their run is done again, when the journal is gone."""
    project: Path = served.project
    rows = rows_of(60, seed=21)
    label(served, rows, served.predict(rows))
    done = penstock(project, "retrain")
    assert done.code == 0
    served.close()
    shutil.rmtree(project / ".penstock" / "serving" / "journal")
    appended = next(step["run"] for step in done.body["steps"] if step["name"] == "append")
    assert penstock(project, "reproduce", appended).body["verdict"] == "identical"
    write_rows(next((project / "data/raw").glob("*.csv")), rows_of(50, seed=22), "bought", append=True)
    assert penstock(project, "run").code == 0
    versions = penstock(project, "data", "log").body["versions"]
    assert sum(versions[0]["details"]["rows"].values()) == 2200 + 60 + 50


def test_no_plain_copy_of_labelled_rows_is_stored(penstock: Cli, served: Any, rows_of: Cli) -> None:
    """Some of them are test rows: what keeps them is encrypted."""
    project: Path = served.project
    rows = rows_of(60, seed=23)
    label(served, rows, served.predict(rows))
    assert penstock(project, "retrain").code == 0
    stored = [p.read_bytes() for p in (project / ".penstock" / "objects").rglob("*") if p.is_file()]
    assert not [row["id"] for row in rows if any(f'"{row["id"]}"'.encode() in data for data in stored)]


def test_a_corrected_label_replaces_the_one_before(penstock: Cli, served: Any, rows_of: Cli, set_line: Cli) -> None:
    """The next retrain takes it in, in place of the other; no row is added."""
    project: Path = served.project
    rows = rows_of(60, seed=24)
    answers = served.predict(rows)
    label(served, rows, answers)
    assert penstock(project, "retrain").code == 0
    before = penstock(project, "data", "log").body["versions"][0]["details"]["rows"]
    wrong = [{**row, "bought": "no" if row["bought"] == "yes" else "yes"} for row in rows[:12]]
    label(served, wrong, answers[:12])
    set_line(project, "retrain", "minimum_labels = 12")
    done = penstock(project, "retrain")
    assert done.code == 0
    after = penstock(project, "data", "log").body["versions"][0]["details"]
    assert after["rows"] == before
    assert (after["diff"]["rows"]["changed"], after["diff"]["rows"]["added"]) == (12, 0)
    assert any("12 rows that were taken in before" in warning for warning in done.body["warnings"])


def interrupted(*_: Any) -> None:
    """Ctrl-C."""
    raise KeyboardInterrupt
