"""`penstock import`: runs from an archive."""

from __future__ import annotations

from pathlib import Path

import click

from penstock.cli.output import PATH, emit, json_option


@click.command("import")
@click.argument("archive", type=PATH)
@click.option("--mlflow", "mlflow", is_flag=True, help="The file is a database of MLflow (SQLite), often mlflow.db.")
@json_option
def import_(archive: Path, mlflow: bool, as_json: bool) -> int:
    """Take over the runs of an archive. It is checked as a whole first; a run that is here already stays as it is."""
    from penstock.experiments.keeping.archive import import_runs
    from penstock.project.workspace import Workspace

    if mlflow:
        from penstock.experiments.mlflow.import_sqlite import import_mlflow

        return emit(import_mlflow(Workspace.here(), archive), as_json=as_json)
    return emit(import_runs(Workspace.here(), archive), as_json=as_json)
