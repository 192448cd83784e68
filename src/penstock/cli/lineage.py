"""`penstock lineage`: what something was made of, and what was made of it."""

from __future__ import annotations

import click

from penstock.cli.output import emit, json_option


@click.command()
@click.argument("ref")  # A run's id, a digest, or the number of a model version.
@json_option
def lineage(ref: str, as_json: bool) -> int:
    """Draw the runs and artifacts upstream and downstream."""
    from penstock.experiments.looking.here import workspace_here
    from penstock.lifecycle.look import show_lineage

    return emit(show_lineage(workspace_here(), ref), as_json=as_json)
