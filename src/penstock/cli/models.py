"""`penstock models`: the registry."""

from __future__ import annotations

from penstock.cli.output import Json, emit


def models(as_json: Json = False) -> int:
    """List the numbered versions, their quality and aliases."""
    from penstock.lifecycle.look import list_models
    from penstock.project.project import Project

    return emit(list_models(Project.here()), as_json=as_json)
