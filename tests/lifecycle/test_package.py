"""The stage `package`: what the bundle says about where it comes from."""

from __future__ import annotations

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
