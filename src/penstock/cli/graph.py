"""`penstock graph`: the steps as a picture."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from penstock.cli.output import PATH, emit, json_option, say


@click.command()
@click.option("--svg", "svg", type=PATH, help="Draw it into this file instead.")
@json_option
def graph(svg: Path | None, as_json: bool) -> int:
    """Draw the steps, or the stages of the project, with what is stale, in the terminal or as SVG."""
    from penstock.cli.stages import stages_of
    from penstock.experiments.steps.status import look
    from penstock.lifecycle.script import rows_now
    from penstock.objects.files import write_asked
    from penstock.project.workspace import Workspace

    workspace = Workspace.here()
    picture = look(workspace, stages=stages_of(workspace), rows=lambda: rows_now(workspace)).picture(_columns())
    if svg is not None:
        write_asked(svg, picture.to_svg().encode())
        say(f"written to {svg}")
        if not as_json:
            return picture.exit_code
    return emit(picture, as_json=as_json)


def _columns() -> int | None:
    """The width of the terminal; None where the picture goes into a file or a pipe, which are as wide as it takes."""
    import shutil

    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
