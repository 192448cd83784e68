"""`penstock deploy`: open one envelope, judge, fill the idle slot, switch."""

from __future__ import annotations

from typing import Annotated

import typer

from penstock.cli.output import Json, emit


def deploy(
    version: Annotated[int | None, typer.Option(help="Default: the challenger, or the newest that passed.")] = None,
    override: Annotated[
        str | None, typer.Option(help="Deploy although a gate said no; the reason is shown for ever.")
    ] = None,
    accept_spent: Annotated[
        str | None, typer.Option(help="Score on an envelope that was opened before, and why that is acceptable.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Score a version on a sealed envelope and, if its gates pass, put it live."""
    from penstock.lifecycle.deploy import deploy_version
    from penstock.project.project import Project

    result = deploy_version(Project.here(), version=version, override=override, accept_spent=accept_spent)
    return emit(result, as_json=as_json)
