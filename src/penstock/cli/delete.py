"""`penstock delete RUN`: out of the lists, until it is restored or purged."""

from __future__ import annotations

import click

from penstock.cli.output import emit, json_option


@click.command()
@click.argument("runs", nargs=-1)
@click.option("--filter", "-f", "filter_text", help="All runs that fit, as in `penstock runs`.")
@json_option
def delete(runs: tuple[str, ...], filter_text: str | None, as_json: bool) -> int:
    """Throw runs away, with those inside them. Nothing is lost: `penstock restore` brings them back."""
    from penstock.experiments.keeping.trash import delete_runs
    from penstock.experiments.looking.here import workspace_here

    return emit(delete_runs(workspace_here(), runs, filter_text=filter_text), as_json=as_json)
