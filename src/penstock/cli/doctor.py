"""`penstock doctor`: is this installation, are these stores, is the audit trail sound?"""

from __future__ import annotations

import click

from penstock.cli.output import emit, json_option


@click.command()
@click.option("--trail", "trail", is_flag=True, help="Show the events of the audit trail, too.")
@click.option("--free-lock", "free_lock", help="Free this lock of a process on another machine that is gone.")
@json_option
def doctor(trail: bool, free_lock: str | None, as_json: bool) -> int:
    """Verify the audit chain, the stores and the installation; remove what killed processes left. Exit 1 when something
    is wrong."""
    from penstock.lifecycle.doctor import examine

    return emit(examine(trail=trail, free_lock=free_lock), as_json=as_json)
