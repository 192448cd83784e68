"""`penstock notebook`: the story of the decisions."""

from __future__ import annotations

from pathlib import Path

import click

from penstock.cli.output import PATH, emit, json_option, say


@click.command()
@click.option("--html", "html", type=PATH, help="Write it as one HTML page into this file.")
@click.option("--markdown", "markdown", type=PATH, help="Write it as Markdown into this file.")
@json_option
def notebook(html: Path | None, markdown: Path | None, as_json: bool) -> int:
    """Tell decisions with their runs, metrics and notes, and deployments, in the order of time, as Markdown."""
    from penstock.experiments.lab.notebook import story
    from penstock.objects.files import write_asked
    from penstock.project.workspace import Workspace

    told = story(Workspace.here())
    for file, text in ((html, told.to_html), (markdown, told.to_text)):
        if file is not None:
            write_asked(file, text().rstrip("\n").encode("utf-8", "backslashreplace") + b"\n")
            say(f"written to {file}")
    if as_json or (html is None and markdown is None):
        return emit(told, as_json=as_json)
    return told.exit_code
