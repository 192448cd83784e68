"""`penstock tag` and `note`."""

from __future__ import annotations

from typing import Any


def test_tags_are_set_changed_and_removed(bench: Any, cli: Any) -> None:
    """On several runs at once."""
    first, second = bench.add("x", {}), bench.add("y", {})
    done = cli("tag", f"{first},{second}", "best", "stage=trial")
    assert [run["tags"] for run in done.body["runs"]] == [{"best": "", "stage": "trial"}] * 2
    assert cli("tag", first, "stage=final", "--remove", "best").body["runs"][0]["tags"] == {"stage": "final"}
    assert cli("tag", second).body["runs"][0]["tags"] == {"best": "", "stage": "trial"}
    assert cli("tag", first, "=x").error["code"] == "bad-parameter"
    assert cli("tag", f"{first},nothing", "x").error["code"] == "not-found"
    assert "x" not in cli("tag", first).body["runs"][0]["tags"]


def test_notes_are_added(bench: Any, cli: Any) -> None:
    """With author and time, in their order."""
    run = bench.add("x", {})
    cli("note", run, "first")
    notes = cli("note", run, "second\nline").body["runs"][0]["notes"]
    assert [note["text"] for note in notes] == ["first", "second\nline"]
    assert all(note["who"] and note["at"].endswith("Z") for note in notes)
    assert len(cli("note", run).body["runs"][0]["notes"]) == 2
    assert cli("note", run, " ").error["code"] == "bad-parameter"
