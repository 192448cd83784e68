"""`penstock models`: the registry."""

from __future__ import annotations

import click

from penstock.cli.output import emit, json_option


@click.command()
@json_option
def models(as_json: bool) -> int:
    """List the numbered versions, their quality and aliases."""
    from penstock.lifecycle.look import list_models
    from penstock.project.project import Project

    return emit(list_models(Project.here()), as_json=as_json)
