"""`penstock tokens`: who may ask the server."""

from __future__ import annotations

import click

from penstock.cli.output import emit, json_option


@click.group()
def tokens() -> None:
    """Who may ask the server: named consumers, their scopes and rates, and their tokens."""


@tokens.command("create")
@click.argument("name")  # Of the consumer: a program, a team.
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(["predict", "label", "metrics", "admin"]),
    help="What it may do; may be given again.",
)
@click.option(
    "--expires", metavar="LENGTH", help='How long the token counts, such as "90d" or "12h". Default: for ever.'
)
@click.option(
    "--rate",
    metavar="RATE",
    help='How many rows it may send, such as "100/s" or "600/min". Default: as many as it likes.',
)
@click.option(
    "--priority",
    "priority",
    type=click.Choice(["high", "normal", "low"]),
    default="normal",
    show_default=True,
    help="The highest priority that its requests may ask for; those that ask for more have this one.",
)
@json_option
def create(
    name: str, scopes: tuple[str, ...], expires: str | None, rate: str | None, priority: str, as_json: bool
) -> int:
    """Declare a consumer and show its token, this once."""
    from penstock.lifecycle.tokens import create_token
    from penstock.project.project import Project

    made = create_token(Project.here(), name, scopes, expires=expires, rate=rate, priority=priority)
    return emit(made, as_json=as_json)


@tokens.command("list")
@json_option
def list_(as_json: bool) -> int:
    """List the consumers and their tokens, which are named by the first digits of their digests."""
    from penstock.lifecycle.tokens import list_tokens
    from penstock.project.project import Project

    return emit(list_tokens(Project.here()), as_json=as_json)


@tokens.command("rotate")
@click.argument("name")
@click.option("--keep", metavar="LENGTH", help="How long its earlier tokens still count. Default: they end at once.")
@click.option(
    "--expires", metavar="LENGTH", help='How long the new token counts, or "never". Default: as the last one.'
)
@json_option
def rotate(name: str, keep: str | None, expires: str | None, as_json: bool) -> int:
    """Give a consumer another token, with the scopes, the rate and the priority that it has."""
    from penstock.lifecycle.tokens import rotate_token
    from penstock.project.project import Project

    return emit(rotate_token(Project.here(), name, keep=keep, expires=expires), as_json=as_json)


@tokens.command("revoke")
@click.argument("name")
@json_option
def revoke(name: str, as_json: bool) -> int:
    """End all tokens of a consumer. Running servers follow within a second."""
    from penstock.lifecycle.tokens import revoke_tokens
    from penstock.project.project import Project

    return emit(revoke_tokens(Project.here(), name), as_json=as_json)
