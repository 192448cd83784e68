"""The stage `package`: what the bundle says about where it comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def test_a_served_model_tells_what_it_is_made_from(served: Any) -> None:
    """Data set, recipe, model and report by their digests, each of which the project still has."""
    from penstock.project.project import Project

    status, body = served.ask("GET", "/model")
    assert status == 200
    made_from = {name: body["lineage"][name] for name in ("dataset", "recipe", "model", "report")}
    assert made_from == body["card"]["lineage"]
    objects = Project(served.project).objects
    assert all(objects.has(digest) for digest in made_from.values())


def test_a_model_for_browsers_that_cannot_answer_there_is_told_when_it_is_made(
    projects: Any, set_line: Any, penstock: Any, tmp_path: Path
) -> None:
    """With the reason for which `export browser` would refuse it; without one, nothing is said."""
    project = projects.copy("binary", "run", tmp_path)
    set_line(project, "scope", 'target = "browser"')
    plain = penstock(project, "run")
    assert plain.code == 0, plain
    assert not [warning for warning in plain.body["warnings"] if "browser" in warning]
    set_line(project, "serving.missing", 'age = "refuse"')
    for _ in range(2):  # when it is made, and when it is known
        (told,) = [warning for warning in penstock(project, "run").body["warnings"] if "browser" in warning]
        assert "rows without age" in told
        assert told.endswith('declare "fill" for them')
    refused = penstock(project, "export", "browser", "page").error
    assert refused["why"] in told
