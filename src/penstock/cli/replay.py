"""`penstock replay`: answer journalled predictions again, and compare."""

from __future__ import annotations

import click

from penstock.cli.output import emit, json_option


@click.command()
@click.argument("ids", nargs=-1)  # Of predictions.
@click.option("--since", "since", help='Instead of ids: from an instant (ISO 8601) or a length ago ("2h", "7d").')
@click.option("--until", "until", help="Up to an instant (ISO 8601). Default: now.")
@click.option("--sample", "sample", type=int, help="So many of these, drawn at random.")
@click.option("--with", "with_version", type=int, help="Another version answers, to be compared.")
@click.option("--trace", "trace", is_flag=True, help="Step by step from the raw values to the decision.")
@json_option
def replay(
    ids: tuple[str, ...],
    since: str | None,
    until: str | None,
    sample: int | None,
    with_version: int | None,
    trace: bool,
    as_json: bool,
) -> int:
    """Answer journalled predictions again with the version of that time, and compare bit for bit."""
    from penstock.lifecycle.replay import replay as replay_predictions
    from penstock.project.project import Project

    result = replay_predictions(
        Project.here(), ids, since=since, until=until, sample=sample, with_version=with_version, trace=trace
    )
    return emit(result, as_json=as_json)
