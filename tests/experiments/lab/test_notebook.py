"""The lab notebook: from the command line to the page."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from penstock.experiments.lab.notebook import Decided, decide, story
from penstock.project.workspace import Workspace

Cli = Callable[..., Any]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def finished(workspace: Workspace, operation: str = "train.py", **metrics: float) -> str:
    with workspace.ledger.run(operation, params={"lr": 0.1}, project=workspace.name) as run:
        for name, value in metrics.items():
            run.metric(name, value)
    return run.id


def test_a_decision_is_written_down_revised_and_listed(penstock: Cli, tmp_path: Path) -> None:
    """From the command line, by the beginning of a run's id."""
    run = finished(Workspace(tmp_path))
    first = penstock(tmp_path, "decide", "dropout helps", "--why", "fewer weights", "--runs", run)
    assert first.code == 0
    assert first.body["decision"]["runs"] == [run]
    later = penstock(tmp_path, "decide", "d1", "--outcome", "confirmed", "--why", "loss fell")
    assert [r["outcome"] for r in later.body["revisions"]] == ["open", "confirmed"]
    assert [d["outcome"] for d in penstock(tmp_path, "decide").body["decisions"]] == ["confirmed"]
    assert penstock(tmp_path, "decide", "d1").body == later.body


def test_every_word_is_in_the_audit_trail(workspace: Workspace) -> None:
    """Decision and revision."""
    decide(workspace, "dropout helps")
    decide(workspace, "d1", outcome="refuted")
    events = [(e.what, e.subject, e.details["outcome"]) for e in workspace.ledger.audit.events()]
    assert events == [("decide", "d1", "open"), ("decide", "d1", "refuted")]
    workspace.ledger.audit.verify()


def test_an_unknown_run_writes_nothing_down(penstock: Cli, tmp_path: Path) -> None:
    """The nearest is named; so is what is missing."""
    finished(Workspace(tmp_path))
    assert penstock(tmp_path, "decide", "a", "--runs", "nope").error["code"] == "not-found"
    assert penstock(tmp_path, "decide", "--outcome", "open").error["code"] == "bad-parameter"
    assert penstock(tmp_path, "decide", "d4", "--outcome", "open").error["code"] == "not-found"
    assert penstock(tmp_path, "decide").body["decisions"] == []


def test_looking_at_a_decision_adds_no_revision(workspace: Workspace) -> None:
    """Neither to it nor to the audit trail."""
    decide(workspace, "a")
    shown = decide(workspace, "d1")
    assert isinstance(shown, Decided)
    assert len(shown.revisions) == 1
    assert len(workspace.ledger.audit.events()) == 1


def test_the_story_is_told_in_the_order_of_time(workspace: Workspace) -> None:
    """Decisions with their runs, notes on other runs, deployments."""
    ledger = workspace.ledger
    one, other = finished(workspace, auc=0.81), finished(workspace, "other.py")
    ledger.note(one, "looks | good")
    decide(workspace, "dropout helps", why="fewer weights", runs=[one])
    ledger.note(other, "a bad idea")
    ledger.audit.append("deploy", "shop", {"version": 3, "slot": "blue"})
    decide(workspace, "d1", outcome="confirmed", why="it did")
    told = story(workspace)
    assert [entry.kind for entry in told.entries] == ["decision", "note", "deployment", "revision"]
    text = told.to_text()
    for piece in (
        "dropout helps",
        "| d1 | ✓ confirmed |",
        one,
        "auc 0.81",
        "lr=0.1",
        "looks | good",
        "a bad idea",
        "shop deployed",
    ):
        assert piece in text, piece
    assert text.index("fewer weights") < text.index("a bad idea") < text.index("it did")


def test_a_purged_run_leaves_the_decision(workspace: Workspace) -> None:
    """What was decided does not depend on what is kept."""
    run = finished(workspace)
    decide(workspace, "a", runs=[run])
    workspace.ledger.delete([run])
    workspace.ledger.forget([run])
    assert story(workspace).entries[0].runs[0].status == "purged"


class _Wellformed(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_needs_nothing_and_escapes_everything(penstock: Cli, tmp_path: Path) -> None:
    """Whatever was written."""
    workspace = Workspace(tmp_path)
    run = finished(workspace, "<script>", **{"a<b": float("nan")})
    workspace.ledger.note(run, "<img src=x>")
    decide(workspace, "<b>bold</b>\nand more", why="<i>why</i> & so on", runs=[run])
    assert penstock(tmp_path, "notebook", "--html", "page.html", "--markdown", "page.md").code == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    parser = _Wellformed()
    parser.feed(page)
    assert parser.open == []
    assert "<b>" not in page
    assert "<script" not in page
    assert "<img" not in page
    assert "http" not in page
    assert "&lt;b&gt;bold" in page
    assert "<b>" not in (tmp_path / "page.md").read_text(encoding="utf-8")


def test_an_empty_notebook_says_how_to_begin(workspace: Workspace) -> None:
    """Instead of an empty page."""
    assert "penstock decide" in story(workspace).to_text()
    assert "Nothing is written down yet" in story(workspace).to_html()


def test_reasons_keep_their_lines_and_make_no_chapters(workspace: Workspace) -> None:
    """Neither in Markdown nor in the terminal does what somebody wrote change the form of the rest."""
    decide(workspace, "dropout helps", why="because\n# it fell\n| a | b |\n\n1. twice")
    lines = story(workspace).to_text().splitlines()
    assert [line for line in lines if line.startswith("#")] == [
        line for line in lines if line.startswith(("# Lab notebook", "## 2", "### d1: dropout helps"))
    ]
    at = lines.index("> because\\")
    assert lines[at : at + 5] == ["> because\\", "> \\# it fell\\", "> \\| a | b |", ">", "> 1\\. twice"]
    shown = decide(workspace, "d1").to_text().splitlines()
    assert shown[1].endswith("open: because")
    assert [line.strip() for line in shown[2:5]] == ["# it fell", "| a | b |", ""]
    assert all(line.startswith("      ") for line in shown[2:6])
