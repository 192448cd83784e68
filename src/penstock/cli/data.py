"""`penstock data`: the data set and its versions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from penstock.cli import data_access, data_items
from penstock.cli.output import PATH, emit, json_option
from penstock.cli.reading import reading_options, written_as


@click.group()
def data() -> None:
    """The data set and its versions."""


for verb in (
    *(data_items.add, data_items.status, data_items.checkout, data_items.verify),
    *(data_items.remove, data_items.restore, data_items.gc),
    *(data_access.access, data_access.restrict, data_access.unrestrict, data_access.forget),
):
    data.add_command(verb)


@data.command("log")
@click.argument("item", required=False)  # The versions of this data item alone.
@click.option("--removed", is_flag=True, help="Those that were removed, and can be brought back, instead.")
@json_option
def log(item: str | None, removed: bool, as_json: bool) -> int:
    """List the versions of the data set and of data items, newest first, each with what is new in it."""
    from penstock.experiments.looking.here import workspace_here
    from penstock.lifecycle.data_log import data_log

    return emit(data_log(workspace_here(), item, removed=removed), as_json=as_json)


@data.command("diff")
@click.argument("first")
@click.argument("second", required=False)  # By default FIRST is compared with the version before it.
@click.option(
    "--key", metavar="COLUMN", help="Tells the rows of a table that is an item apart; else rows are their content."
)
@json_option
def diff(first: str, second: str | None, key: str | None, as_json: bool) -> int:
    """Say what changed between two versions: files, rows, columns, distributions. Of sealed rows only counts are told."""
    from penstock.experiments.looking.here import workspace_here
    from penstock.lifecycle.data_diff import diff_data

    return emit(diff_data(workspace_here(), first, second, key=key), as_json=as_json)


@data.command("lineage")
@click.argument("version")  # NAME[@VERSION] of an item, the digest of a data set, or `current`.
@click.option(
    "--row", metavar="KEY", help="Also: which versions hold the row of this key, and which models have seen it."
)
@json_option
def lineage(version: str, row: str | None, as_json: bool) -> int:
    """Name every run, model, report and prediction that used a version, the versions that came of it, and its own origin."""
    from penstock.experiments.looking.here import workspace_here
    from penstock.lifecycle.data_lineage import lineage_of

    return emit(lineage_of(workspace_here(), version, row=row), as_json=as_json)


@data.command("profile")
@click.option("--html", type=PATH, help="Write the page of plots here instead of to reports/data-profile.html.")
@json_option
def profile(html: Path | None, as_json: bool) -> int:
    """Show statistics of each column, of training rows alone, and write a page with plots of them."""
    from penstock.lifecycle.data import profile_data
    from penstock.project.project import Project

    return emit(profile_data(Project.here(), html), as_json=as_json)


@data.command("check")
@click.argument("file", type=PATH)
@reading_options
@json_option
def check(file: Path, as_json: bool, **written: Any) -> int:
    """Hold a file against the contract, and tell how many of its rows are sealed test rows. Exit 1 when anything is wrong.

    Nothing of the file is stored. What broke is told with counts, the first rows that may be shown, and the edit that accepts it.
    """
    from penstock.lifecycle.check_file import check_file
    from penstock.project.project import Project

    return emit(check_file(Project.here(), file, **written_as(**written)), as_json=as_json)


@data.command("contract")
@click.option("--infer", "infer", is_flag=True, help="Infer it from the training rows and write it.")
@click.option("--force", "force", is_flag=True, help="With --infer: over one that is there.")
@click.option("--check", "check_only", is_flag=True, help="Only check its text, and its columns against the data set.")
@json_option
def contract(infer: bool, force: bool, check_only: bool, as_json: bool) -> int:
    """Show what a file must be before any row of it is taken in. Exit 1 when it names columns that the data set lacks."""
    from penstock.lifecycle.contracts import show_contract
    from penstock.project.project import Project

    if force and not infer:
        raise click.UsageError("--force is about --infer")
    if infer and check_only:
        raise click.UsageError("--infer writes a contract and --check looks at the one that is there: give one of them")
    return emit(show_contract(Project.here(), infer=infer, force=force, check_only=check_only), as_json=as_json)


@data.command("accept")
@click.argument("file", type=PATH, required=False)  # Default: the declared source.
@click.option("--column", "column", help="Only what broke in this column, or in the comparison of this name.")
@click.option("--reason", "reason", required=True, help="Why this is as it should be; recorded with your name.")
@reading_options
@json_option
def accept(file: Path | None, column: str | None, reason: str, as_json: bool, **written: Any) -> int:
    """Change the contract so that a file keeps it. Comments stay; who accepted what, and why, goes into the ledger."""
    from penstock.lifecycle.contracts import accept as accept_file
    from penstock.project.project import Project

    said = written_as(**written)
    if said and file is None:
        raise click.UsageError("how FILE is written is said and no FILE is named: of the source, [data] says it")
    return emit(accept_file(Project.here(), file, column=column, reason=reason, **said), as_json=as_json)


@data.command("quality")
@click.option("--only", multiple=True, metavar="CHECK", help="Make this check alone.")
@json_option
def quality(only: tuple[str, ...], as_json: bool) -> int:
    """Check the data itself: repetitions, wrong labels, leakage, jumps, parts that differ. Exit 1 when a check fails."""
    from penstock.lifecycle.quality import check_quality
    from penstock.project.project import Project

    return emit(check_quality(Project.here(), only), as_json=as_json)


@data.command("privacy")
@click.option("--accept", is_flag=True, help="Accept what is proposed: write it into penstock.toml as decided.")
@click.option("--file", "file", type=PATH, help="Look through this file instead, before there is a project.")
@click.option("--key", is_flag=True, help="Print the privacy key, for a server elsewhere. Keep it secret.")
@reading_options
@json_option
def privacy(accept: bool, file: Path | None, key: bool, as_json: bool, **written: Any) -> int:
    """Tell what personal data were found, how sure that is, and what becomes of them. Exit 1 when something is undecided."""
    from penstock.lifecycle.privacy import privacy_key_of, privacy_of_file, privacy_of_project
    from penstock.project.project import Project

    said = written_as(**written)
    if file is not None:
        if accept or key:
            raise click.UsageError("--file looks through a file; --accept and --key are of a project")
        return emit(privacy_of_file(file, **said), as_json=as_json)
    if said:
        raise click.UsageError("how a file is written is said and no --file is named: of the source, [data] says it")
    if key:
        return emit(privacy_key_of(Project.here()), as_json=as_json)
    return emit(privacy_of_project(Project.here(), accept=accept), as_json=as_json)
