"""`penstock data`: the data set and its versions."""

from __future__ import annotations

from pathlib import Path

import click

from penstock.cli import data_access, data_items
from penstock.cli.output import PATH, emit, json_option


@click.group()
def data() -> None:
    """The data set and its versions."""


for verb in (
    *(data_items.add, data_items.status, data_items.checkout, data_items.verify, data_items.gc),
    *(data_access.access, data_access.restrict, data_access.unrestrict),
):
    data.add_command(verb)


@data.command("log")
@click.argument("item", required=False)  # The versions of this data item alone.
@json_option
def log(item: str | None, as_json: bool) -> int:
    """List the versions of the data set and of data items, newest first, each with what is new in it."""
    from penstock.experiments.looking.here import workspace_here
    from penstock.lifecycle.data_log import data_log

    return emit(data_log(workspace_here(), item), as_json=as_json)


@data.command("profile")
@click.option("--html", type=PATH, help="Write the page of plots here instead of to reports/data-profile.html.")
@json_option
def profile(html: Path | None, as_json: bool) -> int:
    """Show statistics of each column, of training rows alone, and write a page with plots of them."""
    from penstock.lifecycle.data import profile_data
    from penstock.project.project import Project

    return emit(profile_data(Project.here(), html), as_json=as_json)


@data.command("check")
@click.argument("file", type=PATH)
@json_option
def check(file: Path, as_json: bool) -> int:
    """Tell how many rows of a file are sealed test rows of this project. Exit 1 when there are any."""
    from penstock.lifecycle.data import check_file
    from penstock.project.project import Project

    return emit(check_file(Project.here(), file), as_json=as_json)


@data.command("quality")
@click.option("--only", multiple=True, metavar="CHECK", help="Make this check alone.")
@json_option
def quality(only: tuple[str, ...], as_json: bool) -> int:
    """Check the data itself: repetitions, wrong labels, leakage, jumps, parts that differ. Exit 1 when a check fails."""
    from penstock.lifecycle.quality import check_quality
    from penstock.project.project import Project

    return emit(check_quality(Project.here(), only), as_json=as_json)
