"""`penstock tag RUN best stage=final`: tags of runs."""

from __future__ import annotations

import click

from penstock.cli.output import emit, json_option


@click.command()
@click.argument("runs")  # Ids with commas between them.
@click.argument("tags", nargs=-1)  # NAME or NAME=TEXT; without any, the tags are shown.
@click.option("--remove", "remove", multiple=True, help="Take this tag away; may be given again.")
@json_option
def tag(runs: str, tags: tuple[str, ...], remove: tuple[str, ...], as_json: bool) -> int:
    """Set tags of runs, such as `penstock tag RUN,RUN best stage=final`; filters find them as tag:best."""
    from penstock.experiments.keeping.marks import tag_runs
    from penstock.experiments.looking.here import workspace_here

    named = [run.strip() for run in runs.split(",") if run.strip()]
    return emit(tag_runs(workspace_here(), named, tags, remove=remove), as_json=as_json)
