"""`penstock watch RUN`: its curves in the terminal, as they grow."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from penstock.cli.output import emit, json_option, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock.experiments.looking.watch import Glance


@click.command()
@click.argument("run", required=False)  # By default the newest that goes on.
@click.option("--once", "once", is_flag=True, help="One look, instead of following it to its end.")
@click.option(
    "--every",
    "every_s",
    type=click.FloatRange(min=0.05),
    default=0.5,
    show_default=True,
    help="Seconds between two looks.",
)
@json_option
def watch(run: str | None, once: bool, every_s: float, as_json: bool) -> int:
    """Follow a run until it ends: its curves, and what they show so far."""
    from penstock.experiments.looking.here import workspace_here
    from penstock.experiments.looking.watch import glances, watched_run

    workspace = workspace_here()
    looks = glances(workspace, watched_run(workspace, run), every_s=every_s, once=once)
    live = sys.stdout.isatty() and not (as_json or once)
    last = _live(looks) if live else _lines(looks, quiet=as_json)
    return 0 if live else emit(last, as_json=as_json)


def _live(looks: Iterator[Glance]) -> Glance:
    """One picture that is drawn again and again. It stays when the run has ended."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console()
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as picture:
        for glance in looks:
            drawn = glance.lines(width=min(console.width, 120) - 1, height=console.height - 1)
            text = Text("\n").join(Text.assemble(*line.pieces) for line in drawn)
            picture.update(text, refresh=True)
    return glance


def _lines(looks: Iterator[Glance], *, quiet: bool) -> Glance:
    """Without a terminal: a line on stderr for each change, and the picture at the end."""
    said = ""
    for glance in looks:
        line = "  ".join(f"{name} {curve.last:.4g} ({curve.count})" for name, curve in list(glance.curves.items())[:6])
        line = glance.waits or line
        if line and line != said and glance.going and (glance.waits or not quiet):
            said = line
            say(line)
    return glance
