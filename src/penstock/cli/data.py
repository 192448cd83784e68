"""`penstock data`: the data set and its versions."""

from __future__ import annotations

import typer

from penstock.cli.output import Json, emit

app = typer.Typer(help="The data set and its versions.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _data() -> None:
    pass


@app.command("log")
def log(as_json: Json = False) -> int:
    """List the versions of the data set, newest first, each with its difference from its parent."""
    from penstock.lifecycle.look import data_log
    from penstock.project.project import Project

    return emit(data_log(Project.here()), as_json=as_json)
