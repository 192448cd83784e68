"""`penstock decide`: the lab notebook's entries."""

from __future__ import annotations

import click

from penstock.cli.output import emit, json_option


@click.command()
@click.argument("decision", required=False)  # The hypothesis of a new one, or the id of one.
@click.option("--why", "why", help="The reasons, in a sentence or more.")
@click.option("--runs", "runs", multiple=True, help="Runs that it rests on: ids with commas between them.")
@click.option("--outcome", "outcome", type=click.Choice(["open", "confirmed", "refuted"]), help="What came of it.")
@json_option
def decide(decision: str | None, why: str | None, runs: tuple[str, ...], outcome: str | None, as_json: bool) -> int:
    """Write down what you suppose, with its runs; later, what came of it. Without an argument, list all.

    `penstock decide "dropout helps" --why ... --runs RUN,RUN`, and later `penstock decide d1 --outcome confirmed`.
    """
    from penstock.experiments.lab.notebook import decide as write_down
    from penstock.project.workspace import Workspace

    named = [run.strip() for words in runs for run in words.split(",") if run.strip()]
    return emit(write_down(Workspace.here(), decision, why=why, runs=named, outcome=outcome), as_json=as_json)
