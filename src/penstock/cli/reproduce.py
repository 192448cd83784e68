"""`penstock reproduce RUN`: do it again and compare, byte by byte."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from penstock.cli.output import PATH, emit, json_option, say


@click.command()
@click.argument("run")  # The run's id, or a beginning of it that is unique.
@click.option("--env", "env", type=click.Choice(["same", "fresh"]), default="same", show_default=True, help="Of a script: the interpreter that it had, or a virtual environment made from its recorded packages.")  # fmt: skip
@click.option("--into", "into", type=PATH, help="Of a script: do it in this new folder, and keep that.")
@click.option(
    "--set", "given", multiple=True, metavar="FLAG=VALUE", help="A secret flag, whose value was not recorded."
)
@click.option("--timeout", "timeout", metavar="TIME", help="End the script after this time: 90s, 10m, 2h.")
@click.option("--tolerance", "tolerance", type=click.FloatRange(min=0), help="Relative difference of a number that still counts as the same.")  # fmt: skip
@click.option("--markdown", "markdown", is_flag=True, help="Print a summary in Markdown, for a pull request.")
@json_option
def reproduce(
    run: str,
    env: Literal["same", "fresh"],
    into: Path | None,
    given: tuple[str, ...],
    timeout: str | None,
    tolerance: float | None,
    markdown: bool,
    as_json: bool,
) -> int:
    """Do a run again from its record and compare every result. Exit 1 when something differs."""
    from penstock.cli.progress import Progress
    from penstock.experiments.looking.here import workspace_here
    from penstock.lifecycle.repeat import reproduce as reproduce_any

    if markdown and as_json:
        raise click.UsageError("--markdown and --json each are all that is printed; give one of them")
    seconds = None
    if timeout is not None:
        from penstock.experiments.running.durations import seconds as seconds_of

        seconds = seconds_of(timeout, what="--timeout")
    if env == "fresh" and not as_json:
        say("penstock: a fresh environment is made from the recorded packages; that may take minutes")
    with Progress(quiet=as_json) as progress:
        result = reproduce_any(
            workspace_here(),
            run,
            env=env,
            into=into,
            given=dict(_pair(word) for word in given),
            timeout_s=seconds,
            tolerance=tolerance,
            progress=progress.trial,
        )
    if markdown:
        print(result.to_markdown())
        return result.exit_code
    return emit(result, as_json=as_json)


def _pair(word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not equals or not name:
        raise click.UsageError(f"--set {word!r} is no flag with a value; write --set name=value")
    return name, value
