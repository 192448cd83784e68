"""`penstock cat RUN PATH`: one file of a run."""

from __future__ import annotations

import click

from penstock.cli.output import emit, json_option


@click.command()
@click.argument("run")
@click.argument("path")
@click.option("--inputs", "inputs", is_flag=True, help="A file that it read.")
@click.option("--source", "source", is_flag=True, help="A file of its source.")
@json_option
def cat(run: str, path: str, inputs: bool, source: bool, as_json: bool) -> int:
    """Print a file of a run, byte by byte. With --json as text, or as base64 where it is none."""
    from penstock.experiments.looking.here import workspace_here
    from penstock.experiments.looking.open_files import read_file, what_of
    from penstock.experiments.looking.show import text_sheet

    what = what_of(inputs=inputs, source=source)
    run_id, data = read_file(workspace_here(), run, path, what=what)
    if as_json:
        return emit(text_sheet(run_id, path, data), as_json=True)
    click.echo(data, nl=False)
    return 0
