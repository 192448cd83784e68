"""`penstock show RUN`: one run as a whole."""

from __future__ import annotations

from typing import Annotated

import typer

from penstock.cli.output import Json, emit


def show(
    run: Annotated[str, typer.Argument(help="The run's id, or a beginning of it that is unique.")],
    as_json: Json = False,
) -> int:
    """Show inputs, parameters, outputs, files, metrics, environment and cost of a run."""
    from penstock.lifecycle.look import show_run
    from penstock.project.project import Project

    return emit(show_run(Project.here(), run), as_json=as_json)
