"""`penstock status` tells how the server keeps its objectives, also where none runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.lifecycle.levels import objectives_now
from penstock.project.project import Project
from penstock.project.workspace import Workspace
from penstock.serving.tallies import Tallies, Tally

Cli = Callable[..., Any]


def test_status_tells_what_is_left_of_the_error_budgets(
    projects: Any, set_line: Cli, penstock: Cli, tmp_path: Path
) -> None:
    """Nothing before a server has run; then the share, the budget, how fast it burns, and whether that is too fast."""
    project = projects.copy("binary", "run", tmp_path)
    assert penstock(project, "status").body["objectives"] == []
    set_line(project, "serving.objectives", "availability = 0.99")
    assert objectives_now(Workspace(project)) == []
    tallies, now = Tallies(Project(project).serving_state), time.time()
    tallies.note(lambda: Tally(now - 600))  # what is told pages by no less than five minutes
    tallies.note(lambda: Tally(now - 15, answered=995, failed=5))
    told = penstock(project, "status")
    (objective,) = told.body["objectives"]
    assert (objective["objective"], objective["share"]) == ("availability", 0.995)
    assert objective["budget_left"] == pytest.approx(0.5)
    assert (objective["burn"]["1h"], objective["alert"]) == (pytest.approx(0.5), None)
    tallies.note(lambda: Tally(now, answered=1000, failed=505))
    (objective,) = objectives_now(Workspace(project))
    assert objective.to_text().startswith("66.445% of 0.99 wanted (requests that the server answers); -3255.5% of the")
    assert objective.to_text().endswith("of the budget of 30 d left, burning at 33.6 over 1h, 33.6 over 6h: too fast")
