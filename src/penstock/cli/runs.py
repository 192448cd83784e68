"""`penstock runs`: what happened."""

from __future__ import annotations

import click

from penstock.cli.output import emit, json_option


@click.command()
@click.option("--filter", "-f", "filter_text", help='Only runs that fit, such as "status=done and lr<0.1".')
@click.option("--sort", "sort", help="By this, least first; -loss for the greatest first. Default: newest first.")
@click.option("--columns", "columns", help="Names with commas between them, instead of the usual columns.")
@click.option("--operation", "operation", help="Only this operation, such as train.py, search or deploy.")
@click.option("--batch", "batch", help="Only the runs inside this batch or pipeline.")
@click.option("--all", "everything", is_flag=True, help="Also the runs inside batches and pipelines.")
@click.option("--deleted", "deleted", is_flag=True, help="Those that were thrown away.")
@click.option(
    "--limit", "limit", type=click.IntRange(min=1), default=30, show_default=True, help="At most so many, newest first."
)
@json_option
def runs(
    filter_text: str | None,
    sort: str | None,
    columns: str | None,
    operation: str | None,
    batch: str | None,
    everything: bool,
    deleted: bool,
    limit: int,
    as_json: bool,
) -> int:
    """List recorded runs, newest first.

    A filter has conditions with and, or, not and brackets: = != < <= > >= ~ (contains), in (a, b), is nan, is missing.
    Names are those of flags, metrics and tags (flag:lr, metric:loss, tag:best where one name is two of these), and
    status, operation, started, seconds, user, host, commit, unsealed, note and others.
    """
    from penstock.experiments.looking.here import workspace_here
    from penstock.experiments.looking.listing import list_runs

    listing = list_runs(
        workspace_here(),
        operation=operation,
        filter_text=filter_text,
        sort=sort,
        columns=[name.strip() for name in (columns or "").split(",") if name.strip()],
        limit=limit,
        deleted=deleted,
        batch=batch,
        everything=everything,
    )
    return emit(listing, as_json=as_json)
