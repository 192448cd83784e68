"""`penstock data access`, `restrict`, `unrestrict`, `forget`: who read which version, who may, and that nobody can any more."""

from __future__ import annotations

import click

from penstock.cli.output import emit, json_option


@click.command("access")
@click.argument("version", required=False)  # Of an item or of the data set; by default all.
@json_option
def access(version: str | None, as_json: bool) -> int:
    """List who read which version when, through which verb, and who was refused; newest first."""
    from penstock.experiments.looking.here import workspace_here
    from penstock.lifecycle.data_access import list_access

    return emit(list_access(workspace_here(), version), as_json=as_json)


@click.command("restrict")
@click.argument("version")
@click.option(
    "--to", "users", multiple=True, required=True, metavar="USER", help="Who may read it; may be given again."
)
@click.option("--why", required=True, help="The reason; those who are refused read it.")
@json_option
def restrict(version: str, users: tuple[str, ...], why: str, as_json: bool) -> int:
    """Let only some users read a version, and those that will come of it. All others are refused at every door."""
    from penstock.experiments.looking.here import workspace_here
    from penstock.lifecycle.data_access import restrict_version

    return emit(restrict_version(workspace_here(), version, users, why=why), as_json=as_json)


@click.command("unrestrict")
@click.argument("version")
@click.option("--why", required=True, help="The reason, for the audit trail.")
@json_option
def unrestrict(version: str, why: str, as_json: bool) -> int:
    """Let everybody read a version again. Only who may read it, or has restricted it, may say so."""
    from penstock.experiments.looking.here import workspace_here
    from penstock.lifecycle.data_access import unrestrict_version

    return emit(unrestrict_version(workspace_here(), version, why=why), as_json=as_json)


@click.command("forget")
@click.argument("version")  # The digest of a version of the data set, or the beginning of one; `data log` lists them.
@click.option(
    "--yes", "-y", "yes", is_flag=True, help="Forget it; without it what would go and what stays is only told."
)
@click.option("--why", default="", help="Recorded with your name.")
@click.option("--keep-models", is_flag=True, help="Models that were trained on it keep their bundles and reports.")
@click.option(
    "--copy", "copy", is_flag=True, help="Also the copy of its source in data/raw that other versions were read from."
)
@json_option
def forget(version: str, yes: bool, why: str, keep_models: bool, copy: bool, as_json: bool) -> int:
    """Let go of a version of the data set for good, with all that holds its rows. What it was and what used it stays known."""
    from penstock.lifecycle.data_forget import forget_version
    from penstock.project.project import Project

    done = forget_version(Project.here(), version, why=why, keep_models=keep_models, copy=copy, dry=not yes)
    return emit(done, as_json=as_json)
