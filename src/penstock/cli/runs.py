"""`penstock runs`: what happened."""

from __future__ import annotations

import click

from penstock.cli.output import emit, json_option


@click.command()
@click.option("--operation", "operation", help="Only this operation, such as search or deploy.")
@click.option(
    "--limit", "limit", type=click.IntRange(min=1), default=30, show_default=True, help="At most so many, newest first."
)
@json_option
def runs(operation: str | None, limit: int, as_json: bool) -> int:
    """List recorded runs, newest first."""
    from penstock.lifecycle.look import list_runs
    from penstock.project.project import Project

    return emit(list_runs(Project.here(), operation=operation, limit=limit), as_json=as_json)
