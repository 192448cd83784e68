"""`penstock doctor`: is this installation, are these stores, is the audit trail sound?"""

from __future__ import annotations

from typing import Annotated

import typer

from penstock.cli.output import Json, emit


def doctor(
    trail: Annotated[bool, typer.Option("--trail", help="Show the events of the audit trail, too.")] = False,
    as_json: Json = False,
) -> int:
    """Verify the audit chain, the stores and the installation. Exit 1 when something is wrong."""
    from penstock.lifecycle.doctor import examine

    return emit(examine(trail=trail), as_json=as_json)
