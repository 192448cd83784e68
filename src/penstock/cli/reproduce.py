"""`penstock reproduce RUN`: do it again and compare, byte by byte."""

from __future__ import annotations

from typing import Annotated

import typer

from penstock.cli.output import Json, emit


def reproduce(
    run: Annotated[str, typer.Argument(help="The run's id, or a beginning of it that is unique.")],
    as_json: Json = False,
) -> int:
    """Do a run again from its record and compare every output. Exit 1 when something differs."""
    from penstock.cli.progress import Progress
    from penstock.lifecycle.reproduce import reproduce_run
    from penstock.project.project import Project

    with Progress(quiet=as_json) as progress:
        result = reproduce_run(Project.here(), run, progress=progress.trial)
    return emit(result, as_json=as_json)
