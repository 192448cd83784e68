"""`penstock explain-check ID`: what a check of `penstock monitor` does, why it matters, and what to do."""

from __future__ import annotations

from typing import Annotated

import typer

from penstock.cli.output import Json, emit


def explain_check(
    check: Annotated[str | None, typer.Argument(metavar="[ID]", help="The check's id. Default: list them.")] = None,
    as_json: Json = False,
) -> int:
    """Explain a check of the monitor; the same text stands in docs/checks.md."""
    from penstock.lifecycle.look import explain_checks

    return emit(explain_checks(check), as_json=as_json)
