"""`penstock export`: runs as one file."""

from __future__ import annotations

from pathlib import Path

import click

from penstock.cli.output import PATH, emit, json_option


@click.command()
@click.argument("archive", type=PATH)  # Such as runs.zip.
@click.argument("runs", nargs=-1)
@click.option("--filter", "-f", "filter_text", help="All runs that fit, as in `penstock runs`.")
@click.option(
    "--mlflow", "mlflow", is_flag=True, help="Into a database of MLflow (SQLite) instead; all runs, if none is named."
)
@json_option
def export(archive: Path, runs: tuple[str, ...], filter_text: str | None, mlflow: bool, as_json: bool) -> int:
    """Write runs, with those inside them and all that they need, into one archive; `penstock import` reads it anywhere."""
    from penstock.experiments.keeping.archive import export_runs
    from penstock.experiments.keeping.trash import chosen_ids
    from penstock.experiments.looking.here import workspace_here
    from penstock.objects.files import asked

    asked(archive)
    workspace = workspace_here()
    if mlflow:
        from penstock.experiments.mlflow.export_sqlite import export_mlflow

        named = runs or filter_text is not None
        ids = chosen_ids(workspace, runs, filter_text=filter_text, deleted=False) if named else []
        return emit(export_mlflow(workspace, ids, archive), as_json=as_json)
    ids = chosen_ids(workspace, runs, filter_text=filter_text, deleted=False)
    return emit(export_runs(workspace, ids, archive), as_json=as_json)
