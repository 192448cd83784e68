"""`penstock promote`: put what is released beside the live version live, at once or when a condition holds."""

from __future__ import annotations

import click

from penstock.cli.output import emit, json_option, say


@click.command()
@click.option(
    "--when",
    "when",
    metavar="CONDITION",
    help='Only if it holds: "errors < 0.01 and rows >= 1000 and quality >= live".',
)
@click.option("--within", "within", metavar="TIME", help="Look again and again for so long (2h), and not only once.")
@click.option("--check", "check", is_flag=True, help="Look once, and change nothing.")
@click.option("--override", "override", help="Promote although a gate said no; the reason is shown for ever.")
@click.option(
    "--accept-spent", "accept_spent", help="Score on an envelope that was opened before, and why that is acceptable."
)
@json_option
def promote(
    when: str | None, within: str | None, check: bool, override: str | None, accept_spent: str | None, as_json: bool
) -> int:
    """Put the candidate of the release live: opens an envelope and judges, as deploy does. Exit 1: not yet, or not passed."""
    from penstock.lifecycle.promote import promote_release
    from penstock.project.project import Project

    if when is None and (within is not None or check):
        raise click.UsageError("--within and --check need --when, which says what is waited for")
    if check and within is not None:
        raise click.UsageError("--check looks once; --within looks until it holds")
    result = promote_release(
        Project.here(),
        when=when,
        within=within,
        check=check,
        override=override,
        accept_spent=accept_spent,
        told=None if as_json else say,
    )
    return emit(result, as_json=as_json)
