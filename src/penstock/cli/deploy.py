"""`penstock deploy`: open one envelope, judge, fill the idle slot, switch."""

from __future__ import annotations

import click

from penstock.cli.output import emit, json_option


@click.command()
@click.option("--version", "version", type=int, help="Default: the challenger, or the newest that passed.")
@click.option("--override", "override", help="Deploy although a gate said no; the reason is shown for ever.")
@click.option(
    "--accept-spent", "accept_spent", help="Score on an envelope that was opened before, and why that is acceptable."
)
@json_option
def deploy(version: int | None, override: str | None, accept_spent: str | None, as_json: bool) -> int:
    """Score a version on a sealed envelope and, if its gates pass, put it live."""
    from penstock.lifecycle.deploy import deploy_version
    from penstock.project.project import Project

    result = deploy_version(Project.here(), version=version, override=override, accept_spent=accept_spent)
    return emit(result, as_json=as_json)
