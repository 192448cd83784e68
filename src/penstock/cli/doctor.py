"""`penstock doctor`: is this installation, are these stores, is the audit trail sound?"""

from __future__ import annotations

import click

from penstock.cli.output import emit, json_option


@click.command()
@click.option("--trail", "trail", is_flag=True, help="Show the events of the audit trail, too.")
@json_option
def doctor(trail: bool, as_json: bool) -> int:
    """Verify the audit chain, the stores and the installation. Exit 1 when something is wrong."""
    from penstock.lifecycle.doctor import examine

    return emit(examine(trail=trail), as_json=as_json)
