"""`penstock rollback`: back to the version in the other slot, in under a second."""

from __future__ import annotations

import click

from penstock.cli.output import emit, json_option


@click.command()
@json_option
def rollback(as_json: bool) -> int:
    """Put the version that was live before back to live."""
    from penstock.lifecycle.deploy import rollback_project
    from penstock.project.project import Project

    return emit(rollback_project(Project.here()), as_json=as_json)
