"""`penstock monitor`: compare what was asked and answered with the reference. Exit 1 on alarm."""

from __future__ import annotations

import click

from penstock.cli.output import emit, json_option


@click.command()
@click.option(
    "--since", "since", help='An instant (ISO 8601) or a length ("2h", "7d"). Default: the last deploy or monitor.'
)
@click.option("--until", "until", help="An instant (ISO 8601). Default: now.")
@click.option(
    "--model", "model", metavar="MODEL[:VERSION]", help="Of the shelf, or the other slot. Default: what is live."
)
@click.option("--arms", "arms", is_flag=True, help="Compare the arms of the release that goes on.")
@click.option("--guard", "guard", is_flag=True, help="The same, and end the release where its guards or checks say so.")
@json_option
def monitor(since: str | None, until: str | None, model: str | None, arms: bool, guard: bool, as_json: bool) -> int:
    """Check a window of the journal: missing, unknown, drift, novelty, confidence, latency, errors, live quality."""
    from penstock.lifecycle.monitor import monitor_project
    from penstock.project.project import Project

    if arms or guard:
        from penstock.lifecycle.arms import look_at_arms

        if since is not None or until is not None or model is not None:
            raise click.UsageError(
                "--arms and --guard look at all of the release; --since, --until and --model are of a window"
            )
        return emit(look_at_arms(Project.here(), guard=guard), as_json=as_json)
    return emit(monitor_project(Project.here(), since=since, until=until, model=model), as_json=as_json)
