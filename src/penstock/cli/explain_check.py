"""`penstock explain-check ID`: what a check of `penstock monitor` or `penstock data quality` does, why it matters, and what to do."""

from __future__ import annotations

import click

from penstock.cli.output import emit, json_option


@click.command()
@click.argument("check", metavar="[ID]", required=False)  # The check's id. Default: list them.
@json_option
def explain_check(check: str | None, as_json: bool) -> int:
    """Explain a check of the monitor or of the data; the same text stands in docs/checks.md."""
    from penstock.lifecycle.look import explain_checks

    return emit(explain_checks(check), as_json=as_json)
