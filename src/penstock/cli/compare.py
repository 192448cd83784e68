"""`penstock compare`: runs side by side."""

from __future__ import annotations

from pathlib import Path

import click

from penstock.cli.output import PATH, emit, json_option


@click.command()
@click.argument("runs", nargs=-1)  # Ids; by default the newest ten.
@click.option("--filter", "-f", "filter_text", help="The runs that fit, as in `penstock runs`.")
@click.option("--batch", "batch", help="The runs inside this batch.")
@click.option("--sort", "sort", help="By this, least first; -loss for the greatest first.")
@click.option("--all", "everything", is_flag=True, help="All flags and metrics, not only what tells the runs apart.")
@click.option("--html", "html", type=PATH, help="Write a page with the curves and what they show.")
@click.option("--csv", "table", type=PATH, help="Write a table with everything.")
@click.option(
    "--limit",
    "limit",
    type=click.IntRange(min=1),
    help="At most so many runs. Default: 10 where none are named, 500 of those that fit a filter or are in a batch.",
)
@json_option
def compare(
    runs: tuple[str, ...],
    filter_text: str | None,
    batch: str | None,
    sort: str | None,
    everything: bool,
    html: Path | None,
    table: Path | None,
    limit: int | None,
    as_json: bool,
) -> int:
    """Compare flags and metrics of runs; what differs, and what their curves show."""
    from penstock.experiments.looking.compare import compare as compare_them
    from penstock.experiments.looking.here import workspace_here

    comparison = compare_them(
        workspace_here(),
        runs,
        filter_text=filter_text,
        batch=batch,
        sort=sort,
        limit=limit,
        everything=everything,
        html=html,
        table=table,
    )
    return emit(comparison, as_json=as_json)
