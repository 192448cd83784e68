"""`penstock run`: the whole pipeline, as far as it is not known already."""

from __future__ import annotations

import click

from penstock.cli.output import emit, json_option


@click.command()
@click.option("--budget", "budget", help='For the search: "60s", "5m" or "50 trials".')
@click.option("--override", "override", help="Go on although a gate said no; the reason is shown for ever.")
@click.option("--why", "why", is_flag=True, help="Say why each stage would run, and run nothing.")
@json_option
def run(budget: str | None, override: str | None, why: bool, as_json: bool) -> int:
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
