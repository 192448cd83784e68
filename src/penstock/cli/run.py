"""`penstock run`: the whole pipeline, as far as it is not known already."""

from __future__ import annotations

from typing import Annotated

import typer

from penstock.cli.output import Json, emit


def run(
    budget: Annotated[str | None, typer.Option(help='For the search: "60s", "5m" or "50 trials".')] = None,
    override: Annotated[
        str | None, typer.Option(help="Go on although a gate said no; the reason is shown for ever.")
    ] = None,
    why: Annotated[bool, typer.Option("--why", help="Say why each stage would run, and run nothing.")] = False,
    as_json: Json = False,
) -> int:
    """Ingest, split, recipe, search, evaluate, judge, package, register."""
    from penstock.lifecycle.pipeline import explain, run_project
    from penstock.project.project import Project

    project = Project.here()
    if why:
        return emit(explain(project, budget=budget, override=override), as_json=as_json)
    from penstock.cli.progress import Progress

    with Progress(quiet=as_json) as progress:
        result = run_project(
            project, budget=budget, override=override, progress=progress.trial, listener=progress.stage
        )
    return emit(result, as_json=as_json)
