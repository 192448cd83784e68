"""`penstock note RUN TEXT`: what a person says about a run."""

from __future__ import annotations

import click

from penstock.cli.output import emit, json_option


@click.command()
@click.argument("run")
@click.argument("text", required=False)  # Without one, the notes are shown.
@json_option
def note(run: str, text: str | None, as_json: bool) -> int:
    """Write a note on a run. Notes are kept with author and time, and never changed."""
    from penstock.experiments.keeping.marks import note_run
    from penstock.experiments.looking.here import workspace_here

    return emit(note_run(workspace_here(), run, text), as_json=as_json)
