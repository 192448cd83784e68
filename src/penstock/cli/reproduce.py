"""`penstock reproduce RUN`: do it again and compare, byte by byte."""

from __future__ import annotations

import click

from penstock.cli.output import emit, json_option


@click.command()
@click.argument("run")  # The run's id, or a beginning of it that is unique.
@json_option
def reproduce(run: str, as_json: bool) -> int:
    """Do a run again from its record, every trial of its search too, and compare. Exit 1 when something differs."""
    from penstock.cli.progress import Progress
    from penstock.lifecycle.reproduce import reproduce_run
    from penstock.project.project import Project

    with Progress(quiet=as_json) as progress:
        result = reproduce_run(Project.here(), run, progress=progress.trial)
    return emit(result, as_json=as_json)
