"""`penstock lineage`: what something was made of, and what was made of it."""

from __future__ import annotations

from typing import Annotated

import typer

from penstock.cli.output import Json, emit


def lineage(
    ref: Annotated[str, typer.Argument(help="A run's id, a digest, or the number of a model version.")],
    as_json: Json = False,
) -> int:
    """Draw the runs and artifacts upstream and downstream."""
    from penstock.lifecycle.look import show_lineage
    from penstock.project.project import Project

    return emit(show_lineage(Project.here(), ref), as_json=as_json)
