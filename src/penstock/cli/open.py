"""`penstock open RUN`: the files of a run in a folder, opened with the system's program."""

from __future__ import annotations

from pathlib import Path

import click

from penstock.cli.output import PATH, emit, json_option


@click.command("open")
@click.argument("run")
@click.argument("path", required=False)  # One of its files; by default the folder.
@click.option("--inputs", "inputs", is_flag=True, help="Files that it read and that were kept.")
@click.option("--source", "source", is_flag=True, help="Its source.")
@click.option("--into", "into", type=PATH, help="Lay them out in this folder, which is new or empty.")
@click.option("--no-show", "no_show", is_flag=True, help="Lay them out only.")
@json_option
def open(  # noqa: A001 - the verb's name
    run: str, path: str | None, inputs: bool, source: bool, into: Path | None, no_show: bool, as_json: bool
) -> int:
    """Lay the files of a run out in a folder, and open it, or one of them."""
    from penstock.experiments.looking.here import workspace_here
    from penstock.experiments.looking.open_files import open_files, what_of

    what = what_of(inputs=inputs, source=source)
    opened = open_files(workspace_here(), run, path, what=what, into=into, show=not (no_show or as_json))
    return emit(opened, as_json=as_json)
