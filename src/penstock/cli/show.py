"""`penstock show RUN`: one run as a whole."""

from __future__ import annotations

import click

from penstock.cli.output import emit, json_option


@click.command()
@click.argument("run")  # The run's id, or a beginning of it that is unique.
@click.argument("path", required=False)  # With --source: one of its files.
@click.option("--source", "source", is_flag=True, help="The files of its source; with PATH, one of them.")
@click.option("--diff", "diff", is_flag=True, help="What was not committed when it began.")
@click.option("--log", "log", is_flag=True, help="What it printed.")
@json_option
def show(run: str, path: str | None, source: bool, diff: bool, log: bool, as_json: bool) -> int:
    """Show flags, inputs, outputs, files, metrics, what its curves say, notes, environment and cost of a run."""
    from penstock.experiments.looking import show as showing
    from penstock.experiments.looking.here import workspace_here

    if source + diff + log > 1:
        raise click.UsageError("--source, --diff and --log show one thing each; name one of them")
    if path is not None and not source:
        raise click.UsageError(
            f"PATH {path!r} goes with --source; a file that the run wrote is shown by `penstock cat`"
        )
    workspace = workspace_here()
    if source:
        return emit(showing.show_source(workspace, run, path), as_json=as_json)
    if diff:
        return emit(showing.show_diff(workspace, run), as_json=as_json)
    if log:
        return emit(showing.show_log(workspace, run), as_json=as_json)
    return emit(showing.show_run(workspace, run), as_json=as_json)
