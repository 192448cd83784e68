"""`penstock status`: what would run, and why; and how the server keeps its objectives."""

from __future__ import annotations

import click

from penstock.cli.output import emit, json_option


@click.command()
@click.argument("names", nargs=-1, metavar="[STEP]...")
@json_option
def status(names: tuple[str, ...], as_json: bool) -> int:
    """Say which steps and stages are known, which are stale, and why; and how the server keeps its objectives."""
    from penstock.cli.stages import objectives_of, stages_of
    from penstock.experiments.steps.status import look
    from penstock.lifecycle.script import rows_now
    from penstock.project.workspace import Workspace

    workspace = Workspace.here()
    told = look(
        workspace,
        only=names,
        stages=stages_of(workspace),
        rows=lambda: rows_now(workspace),
        objectives=objectives_of(workspace),
    )
    return emit(told, as_json=as_json)
