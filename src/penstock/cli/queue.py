"""`penstock queue`: runs and batches that begin later."""

from __future__ import annotations

import click

from penstock.cli.output import emit, json_option


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def queue(context: click.Context, as_json: bool) -> int:
    """What is queued: list it, run it, take entries out. `penstock run SCRIPT --queue` adds to it."""
    if context.invoked_subcommand is not None:
        return 0
    from penstock.experiments.batches.queue import list_queue
    from penstock.project.workspace import Workspace

    return emit(list_queue(Workspace.here()), as_json=as_json)


@queue.command("run")
@click.option("--workers", type=click.IntRange(1, 256), default=1, show_default=True, help="So many at once.")
@click.option("--watch", is_flag=True, help="Wait for more when nothing is left, until Ctrl-C.")
@click.option("--retry", is_flag=True, help="First put runs back that were interrupted, by a crash or by hand.")
@json_option
def run(workers: int, watch: bool, retry: bool, as_json: bool) -> int:
    """Run what is queued, oldest first. Exit 1 when any run failed."""
    from penstock.cli.output import say
    from penstock.experiments.batches.queue_run import Taken, run_queue
    from penstock.experiments.running.interrupts import ended_in_good_order
    from penstock.lifecycle.script import flags_of, with_visible_rows
    from penstock.project.workspace import Workspace

    workspace = Workspace.here()

    def listen(event: str, taken: Taken) -> None:
        if not as_json:
            told = taken.reason if event == "start" else f"{taken.status}{f': {taken.reason}' if taken.reason else ''}"
            say(f"  {taken.run}  {'begins: ' if event == 'start' else ''}{told}")

    with ended_in_good_order():
        result = run_queue(
            workspace,
            flags_of=lambda target, cwd, python: flags_of(workspace, target, cwd, python=python),
            prepare=lambda target, options: with_visible_rows(workspace, options),
            workers=workers,
            watch=watch,
            retry=retry,
            listener=listen,
        )
    return emit(result, as_json=as_json)


@queue.command("remove")
@click.argument("ids", nargs=-1, required=True)
@json_option
def remove(ids: tuple[str, ...], as_json: bool) -> int:
    """Take runs out of the queue, by their ids or the beginnings of these."""
    from penstock.experiments.batches.queue import remove_from_queue
    from penstock.project.workspace import Workspace

    return emit(remove_from_queue(Workspace.here(), ids), as_json=as_json)
