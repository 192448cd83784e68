"""`penstock models`: the registry, and the shelf of the server."""

from __future__ import annotations

import click

from penstock.cli.output import emit, json_option


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def models(context: click.Context, as_json: bool) -> int:
    """List the numbered versions, their quality and aliases."""
    if context.invoked_subcommand is not None:
        return 0
    from penstock.lifecycle.look import list_models
    from penstock.project.project import Project

    return emit(list_models(Project.here()), as_json=as_json)


@models.command("shelve")
@click.argument("what")  # A version, DIR[:VERSION] of another project, or a bundle (folder or zip).
@click.option("--as", "name", metavar="MODEL", help="The name under which it is asked. Default: the model's own.")
@click.option(
    "--version", "version", type=click.IntRange(min=1), help="The number of a bundle, which has none by itself."
)
@click.option("--label", "labels", multiple=True, metavar="LABEL", help="A further name of the version.")
@click.option("--override", "override", help="Offer it although a gate said no, or without proof; the reason is kept.")
@json_option
def shelve(
    what: str, name: str | None, version: int | None, labels: tuple[str, ...], override: str | None, as_json: bool
) -> int:
    """Have the server answer for a further version, or another project's model, when it is asked by name.

    WHAT is a version of this project, the folder of another one (its champion, or DIR:VERSION), or a bundle as a folder or zip file."""
    from penstock.lifecycle.shelf import shelve as put
    from penstock.project.project import Project

    result = put(Project.here(), what, name=name, version=version, labels=labels, override=override)
    return emit(result, as_json=as_json)


@models.command("unshelve")
@click.argument("what", metavar="MODEL[:VERSION]")
@json_option
def unshelve(what: str, as_json: bool) -> int:
    """Have the server no longer answer for a model of the shelf, or one version of it."""
    from penstock.lifecycle.shelf import unshelve as take
    from penstock.project.project import Project

    return emit(take(Project.here(), what), as_json=as_json)


@models.command("shelf")
@json_option
def shelf(as_json: bool) -> int:
    """List what the server answers for beside the slots."""
    from penstock.lifecycle.shelf import list_shelf
    from penstock.project.project import Project

    return emit(list_shelf(Project.here()), as_json=as_json)


@models.command("at")
@click.argument("instant")
@json_option
def at(instant: str, as_json: bool) -> int:
    """Say which version was live at an instant, who had put it there, and what answered then.

    INSTANT is "2026-11-24 14:03", "tuesday 14:03" or "14:03" (the last one); UTC unless it names another zone.
    """
    from penstock.lifecycle.at import which_answered
    from penstock.project.project import Project

    return emit(which_answered(Project.here(), instant), as_json=as_json)
