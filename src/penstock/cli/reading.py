"""The options that say how a file is written, alike for the verbs that look at one file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

_OPTIONS = (
    click.option("--no-header", "no_header", is_flag=True, help="The file has no header."),
    click.option("--columns", "columns", help="Names of its columns, separated by commas."),
    click.option("--delimiter", "delimiter", help="Default: as declared, else found."),
    click.option("--quote", "quote", help='The quoting character, or "none". Default: as declared, else found.'),
    click.option("--encoding", "encoding", help="Of the file. Default: as declared."),
)


def reading_options(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the verb takes them as keywords, for `written_as`."""
    for option in reversed(_OPTIONS):
        verb = option(verb)
    return verb


def written_as(
    no_header: bool, columns: str | None, delimiter: str | None, quote: str | None, encoding: str | None
) -> dict[str, Any]:
    """What was said of how the file is written, and nothing of what was not.

    >>> written_as(True, None, None, None, "latin-1")
    {'header': False, 'encoding': 'latin-1'}
    """
    said = {
        "header": False if no_header else None,
        "columns": tuple(name.strip() for name in columns.split(",")) if columns else None,
        "delimiter": delimiter,
        "quote": quote,
        "encoding": encoding,
    }
    return {name: value for name, value in said.items() if value is not None}
