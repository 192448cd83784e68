"""`penstock purge`: thrown-away runs are gone for good."""

from __future__ import annotations

import sys

import click

from penstock.cli.output import emit, json_option, say


@click.command()
@click.argument("runs", nargs=-1)  # By default all that were thrown away.
@click.option("--dry", "dry", is_flag=True, help="Say what would go, and do nothing.")
@click.option("--yes", "-y", "yes", is_flag=True, help="Do not ask.")
@json_option
def purge(runs: tuple[str, ...], dry: bool, yes: bool, as_json: bool) -> int:
    """Remove thrown-away runs for good, and free what nothing else needs. This cannot be undone."""
    from penstock.experiments.keeping.trash import purge_runs
    from penstock.experiments.looking.here import workspace_here

    workspace = workspace_here()
    planned = purge_runs(workspace, runs, dry=True)
    if dry or not planned.runs:
        return emit(planned, as_json=as_json)
    if not yes:
        if as_json or not sys.stdin.isatty():
            raise click.UsageError("purging cannot be undone: give --yes (or --dry to see what would go)")
        say(planned.to_text())
        click.confirm("Go on?", abort=True, err=True)
    return emit(purge_runs(workspace, runs), as_json=as_json)
