"""What `penstock run` shows before it runs a script, and what it asks."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from penstock.cli.output import say

if TYPE_CHECKING:
    from penstock.lifecycle.script import Prepared

NOT_RUN = 130
"""Exit code where a person says no: as after Ctrl-C, so that ``penstock run ... && deploy`` does not go on."""


def agreed(prepared: Prepared, *, sure: bool) -> bool:
    """Show what will be run and, unless `sure`, ask; where nobody sits in front of it, say that nobody was asked."""
    shown = prepared.table(width=_columns() - 2)
    say(f"run {prepared.target.name}" + (" as a batch" if prepared.is_batch else ""))
    if shown:
        say("\n".join(f"  {line}" for line in shown.splitlines()))
    if sure:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        say("not asked: no terminal (-y says that it need not be)")
        return True
    try:
        yes = click.confirm("continue?", default=True, err=True)
    except click.Abort:  # Ctrl-D or Ctrl-C
        say("")
        yes = False
    if not yes:
        say("not run")
    return yes


def _columns() -> int:
    """Letters in a line of the terminal; 120 where there is none. (`shutil` has it too, and takes longer to load than a run may.)"""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 120
    except (OSError, ValueError):
        return 120


def no_such_option(error: click.NoSuchOption, args: list[str]) -> click.UsageError:
    """What is wrong with ``--lr 0.2`` behind a script: its flags are written without dashes.

    >>> no_such_option(click.NoSuchOption("--lr"), ["train.py", "--lr", "0.2"]).message
    "there is no option --lr of `penstock run`; where a flag of the script is meant, write lr=0.2"
    >>> no_such_option(click.NoSuchOption("--timout", possibilities=["--timeout"]), ["--timout=3s"]).message
    "there is no option --timout of `penstock run`; did you mean --timeout? Where a flag of the script is meant, write timout=3s"
    """
    import difflib

    option = error.option_name
    at = next(i for i, word in enumerate(args) if word.partition("=")[0] == option)
    _, equals, value = args[at].partition("=")
    if not equals:
        value = args[at + 1] if at + 1 < len(args) and not args[at + 1].startswith("--") else "..."
    near = difflib.get_close_matches(option, error.possibilities or [], 1, 0.75)
    told = f"there is no option {option} of `penstock run`; "
    told += f"did you mean {near[0]}? Where" if near else "where"
    return click.UsageError(f"{told} a flag of the script is meant, write {option.lstrip('-')}={value}", error.ctx)
