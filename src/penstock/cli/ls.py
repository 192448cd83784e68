"""`penstock ls RUN`: the files of a run."""

from __future__ import annotations

import click

from penstock.cli.output import emit, json_option


@click.command()
@click.argument("run")
@click.argument("path", required=False)  # A folder of it.
@click.option("--inputs", "inputs", is_flag=True, help="Files that it read and that were kept.")
@click.option("--source", "source", is_flag=True, help="Its source.")
@json_option
def ls(run: str, path: str | None, inputs: bool, source: bool, as_json: bool) -> int:
    """List the files that a run wrote; what it printed is console.log."""
    from penstock.experiments.looking.here import workspace_here
    from penstock.experiments.looking.open_files import list_files, what_of

    what = what_of(inputs=inputs, source=source)
    return emit(list_files(workspace_here(), run, path, what=what), as_json=as_json)
