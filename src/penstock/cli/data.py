"""`penstock data`: the data set and its versions."""

from __future__ import annotations

import click

from penstock.cli.output import emit, json_option


@click.group()
def data() -> None:
    """The data set and its versions."""


@data.command("log")
@json_option
def log(as_json: bool) -> int:
    """List the versions of the data set, newest first, each with its difference from its parent."""
    from penstock.lifecycle.look import data_log
    from penstock.project.project import Project

    return emit(data_log(Project.here()), as_json=as_json)
