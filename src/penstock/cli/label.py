"""`penstock label`: outcomes and corrections come back."""

from __future__ import annotations

from pathlib import Path

import click

from penstock.cli.output import PATH, emit, json_option


@click.group()
def label() -> None:
    """Outcomes and corrections of predictions."""


@label.command("import")
@click.argument("file", type=PATH)  # CSV, JSONL or Parquet
@click.option("--author", "author", help="Who labelled, where the file does not say.")
@json_option
def import_(file: Path, author: str | None, as_json: bool) -> int:
    """Take labels from a table with the columns label and id (of the prediction) or key, and optionally model, author and at.

    The project's own names for target and key column do as well. Importing the same file again changes nothing."""
    from penstock.feedback.labels import import_labels
    from penstock.project.project import Project

    return emit(import_labels(Project.here(), file, author=author), as_json=as_json)


@label.command("status")
@json_option
def status(as_json: bool) -> int:
    """How many predictions have a label, and which ones. How good the answers were is told by `penstock monitor`."""
    from penstock.feedback.labels import label_status
    from penstock.project.project import Project

    return emit(label_status(Project.here()), as_json=as_json)
