"""`penstock monitor`: compare what was asked and answered with the reference. Exit 1 on alarm."""

from __future__ import annotations

from typing import Annotated

import typer

from penstock.cli.output import Json, emit


def monitor(
    since: Annotated[
        str | None,
        typer.Option(help='An instant (ISO 8601) or a length ("2h", "7d"). Default: the last deploy or monitor.'),
    ] = None,
    until: Annotated[str | None, typer.Option(help="An instant (ISO 8601). Default: now.")] = None,
    as_json: Json = False,
) -> int:
    """Check a window of the journal: missing, unknown, drift, novelty, confidence, latency, errors, live quality."""
    from penstock.lifecycle.monitor import monitor_project
    from penstock.project.project import Project

    return emit(monitor_project(Project.here(), since=since, until=until), as_json=as_json)
