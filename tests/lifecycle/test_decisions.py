"""Decisions of the lab notebook on the model's report and card."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]


@pytest.fixture
def decided(project_at: Cli, penstock: Cli) -> Path:
    """A project that has run, and a decision that rests on that run."""
    project: Path = project_at("run")
    run = penstock(project, "runs").body["runs"][-1]["id"]
    assert penstock(project, "decide", "age <matters> most", "--why", "it leads", "--runs", run).code == 0
    return project


def test_a_new_decision_enters_the_report_and_nothing_else(decided: Path, penstock: Cli) -> None:
    """No stage runs again, no version is made."""
    again = penstock(decided, "run")
    assert {step["status"] for step in again.body["steps"]} == {"known"}
    assert again.body["model"]["version"] == 1
    page = (decided / again.body["report"]).read_text(encoding="utf-8")
    assert "decision d1, open" in page
    assert "age &lt;matters&gt; most (it leads)" in page


def test_the_next_card_has_the_decision_and_is_reproduced_with_it(decided: Path, penstock: Cli, set_line: Cli) -> None:
    """Whatever is decided later."""
    set_line(decided, "serving", "abstain_below = 0.55")
    made = penstock(decided, "run").body
    card = json.loads((decided / made["bundle"] / "card.json").read_text(encoding="utf-8"))
    assert [(d["id"], d["outcome"]) for d in card["decisions"]] == [("d1", "open")]
    assert "- **open** d1: age <matters> most (it leads)" in (decided / made["bundle"] / "card.md").read_text(
        encoding="utf-8"
    )
    penstock(decided, "decide", "d1", "--outcome", "confirmed")
    package = next(step["run"] for step in made["steps"] if step["name"] == "package")
    assert penstock(decided, "reproduce", package).body["verdict"] == "identical"
