"""`penstock label`: outcomes and corrections come back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from penstock.cli.output import Json, emit

app = typer.Typer(help="Outcomes and corrections of predictions.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _label() -> None:
    pass


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV, JSONL or Parquet with label and id or key; also author, at.")],
    author: Annotated[str | None, typer.Option(help="Who labelled, where the file does not say.")] = None,
    as_json: Json = False,
) -> int:
    """Take labels from a file, by prediction id or key; importing the same file again changes nothing."""
    from penstock.feedback.labels import import_labels
    from penstock.project.project import Project

    return emit(import_labels(Project.here(), file, author=author), as_json=as_json)


@app.command("status")
def status(as_json: Json = False) -> int:
    """How many predictions have a label, and how good the live model is on them."""
    from penstock.feedback.labels import label_status
    from penstock.project.project import Project

    return emit(label_status(Project.here()), as_json=as_json)
