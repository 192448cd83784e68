"""`penstock show RUN`: one run as a whole."""

from __future__ import annotations

import click

from penstock.cli.output import emit, json_option


@click.command()
@click.argument("run")  # The run's id, or a beginning of it that is unique.
@json_option
def show(run: str, as_json: bool) -> int:
    """Show inputs, parameters, outputs, files, metrics, environment and cost of a run."""
    from penstock.lifecycle.look import show_run
    from penstock.project.project import Project

    return emit(show_run(Project.here(), run), as_json=as_json)
