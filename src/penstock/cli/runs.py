"""`penstock runs`: what happened."""

from __future__ import annotations

from typing import Annotated

import typer

from penstock.cli.output import Json, emit


def runs(
    operation: Annotated[str | None, typer.Option(help="Only this operation, such as search or deploy.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many, newest first.", min=1)] = 30,
    as_json: Json = False,
) -> int:
    """List recorded runs, newest first."""
    from penstock.lifecycle.look import list_runs
    from penstock.project.project import Project

    return emit(list_runs(Project.here(), operation=operation, limit=limit), as_json=as_json)
