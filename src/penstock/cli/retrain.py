"""`penstock retrain`: a new data-set version from labelled traffic, and a challenger."""

from __future__ import annotations

import click

from penstock.cli.output import emit, json_option


@click.command()
@click.option("--budget", "budget", help='For the search: "60s", "5m" or "50 trials".')
@click.option("--override", "override", help="Go on although a gate said no; the reason is shown for ever.")
@json_option
def retrain(budget: str | None, override: str | None, as_json: bool) -> int:
    """Train a challenger on the data plus labelled traffic and compare it with the champion on the same rows."""
    from penstock.cli.progress import Progress
    from penstock.lifecycle.retrain import retrain_project
    from penstock.project.project import Project

    with Progress(quiet=as_json) as progress:
        result = retrain_project(
            Project.here(), budget=budget, override=override, progress=progress.trial, listener=progress.stage
        )
    return emit(result, as_json=as_json)
