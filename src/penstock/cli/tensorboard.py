"""`penstock tensorboard`: the series of runs in TensorBoard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock.cli.output import PATH, emit, json_option, say

if TYPE_CHECKING:
    from penstock.experiments.metrics.tensorboard import Board

EVERY_S = 2.0


@click.command()
@click.argument("runs", nargs=-1)  # By default the newest that have series.
@click.option("--filter", "-f", "filter_text", help="All runs that fit, as in `penstock runs`.")
@click.option(
    "--limit", "limit", type=click.IntRange(min=1), default=100, show_default=True, help="Where no run is named."
)
@click.option("--logdir", "logdir", type=PATH, help="Write the event files there. Default: .penstock/tensorboard.")
@click.option("--no-start", "no_start", is_flag=True, help="Only write the event files.")
@click.option("--host", "host", default="localhost", show_default=True, help="Where TensorBoard listens.")
@click.option(
    "--port", "port", type=click.IntRange(0, 65535), default=6006, show_default=True, help="Where TensorBoard listens."
)
@json_option
def tensorboard(
    runs: tuple[str, ...],
    filter_text: str | None,
    limit: int,
    logdir: Path | None,
    no_start: bool,
    host: str,
    port: int,
    as_json: bool,
) -> int:
    """Write the series of runs as event files and show them in TensorBoard; curves of runs that go on grow there."""
    from contextlib import closing

    from penstock.experiments.keeping.trash import chosen_ids
    from penstock.experiments.looking.here import workspace_here
    from penstock.experiments.metrics.tensorboard import Board
    from penstock.parts import need

    if not no_start:
        need("tensorboard", extra="tensorboard", used_for="`penstock tensorboard` (but with --no-start)")
    workspace = workspace_here()
    named = bool(runs) or filter_text is not None
    ids = chosen_ids(workspace, runs, filter_text=filter_text, deleted=False) if named else []
    with closing(Board(workspace, logdir)) as board:
        events = board.write(ids, limit=limit)
        if no_start:
            return emit(events, as_json=as_json)
        if as_json:
            emit(events, as_json=True)
        else:
            say(events.to_text())
        return _serve(board, host, port)


def _serve(board: Board, host: str, port: int) -> int:
    """Run TensorBoard until it ends or Ctrl-C ends it, and keep the event files up to date meanwhile."""
    import subprocess
    import sys

    command = [
        sys.executable,
        "-m",
        "tensorboard.main",
        "--logdir",
        str(board.folder),
        "--host",
        host,
        "--port",
        str(port),
    ]
    server = subprocess.Popen(command)
    try:
        while True:
            try:
                return server.wait(timeout=EVERY_S)
            except subprocess.TimeoutExpired:
                board.follow()
    except KeyboardInterrupt:
        return 0
    finally:
        server.terminate()
        server.wait()
