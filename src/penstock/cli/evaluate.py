"""`penstock evaluate`: nested cross-validation of the whole procedure."""

from __future__ import annotations

import click

from penstock.cli.output import emit, json_option


@click.command()
@click.option("--nested", "nested", type=int, help="How many outer folds. Default: [evaluation] nested, 5.")
@click.option("--budget", "budget", help='For the search in each fold: "60s", "5m" or "50 trials".')
@json_option
def evaluate(nested: int | None, budget: str | None, as_json: bool) -> int:
    """Estimate by nested cross-validation what the whole procedure is worth; sealed rows have no part in it."""
    from penstock.cli.progress import Progress
    from penstock.lifecycle.nested import evaluate_nested
    from penstock.project.project import Project

    with Progress(quiet=as_json) as progress:
        result = evaluate_nested(
            Project.here(), folds=nested, budget=budget, progress=progress.trial, listener=progress.stage
        )
    return emit(result, as_json=as_json)
