"""`penstock diff A B`: what tells two runs apart."""

from __future__ import annotations

import click

from penstock.cli.output import emit, json_option

SECTIONS = ("flags", "source", "environment", "data", "metrics", "files")


@click.command()
@click.argument("first")
@click.argument("second")
@click.option("--only", "only", multiple=True, type=click.Choice(SECTIONS), help="This section; may be given again.")
@json_option
def diff(first: str, second: str, only: tuple[str, ...], as_json: bool) -> int:
    """Say what differs between two runs: flags, source line by line, environment, data, metrics, files."""
    from penstock.experiments.looking.diff import diff_runs
    from penstock.experiments.looking.here import workspace_here

    return emit(diff_runs(workspace_here(), first, second, only=only), as_json=as_json)
