"""`penstock restore RUN`: back into the lists."""

from __future__ import annotations

import click

from penstock.cli.output import emit, json_option


@click.command()
@click.argument("runs", nargs=-1)
@click.option("--filter", "-f", "filter_text", help="All thrown-away runs that fit, as in `penstock runs`.")
@json_option
def restore(runs: tuple[str, ...], filter_text: str | None, as_json: bool) -> int:
    """Bring thrown-away runs back; `penstock runs --deleted` lists them."""
    from penstock.experiments.keeping.trash import restore_runs
    from penstock.experiments.looking.here import workspace_here

    return emit(restore_runs(workspace_here(), runs, filter_text=filter_text), as_json=as_json)
