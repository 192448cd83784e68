"""`penstock data add`, `status`, `checkout`, `verify`, `remove`, `restore`, `gc`: files and folders of any kind as versions."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from penstock.cli.output import PATH, emit, json_option, say


@click.command("add")
@click.argument("path", type=PATH)
@click.option("--name", help="Of the item; by default its place in the workspace.")
@click.option("--message", "-m", default="", help="Why there is a new version.")
@json_option
def add(path: Path, name: str | None, message: str, as_json: bool) -> int:
    """Keep a file or folder as the next version of a data item. What an earlier version has is not stored again."""
    from penstock.data.items.scan import scanning

    with _rarely_collected(), scanning(path) as look, _Bytes(quiet=as_json) as told:
        from penstock.data.items.adding import add as add_item
        from penstock.project.workspace import Workspace

        added = add_item(Workspace.here(), path, name=name, message=message, tell=told, look=look)
    return emit(added, as_json=as_json)


@click.command("status")
@click.argument("items", nargs=-1)  # By default all.
@json_option
def status(items: tuple[str, ...], as_json: bool) -> int:
    """Tell which data items have changed on the disk since their newest version. Exit 1 when one has."""
    from penstock.data.items.state import states
    from penstock.experiments.looking.here import workspace_here

    return emit(states(workspace_here(), list(items)), as_json=as_json)


@click.command("checkout")
@click.argument("item")  # NAME, or NAME@VERSION.
@click.option("--to", type=PATH, help="Here instead of at its place.")
@click.option("--force", is_flag=True, help="Also over changes that no version holds.")
@json_option
def checkout(item: str, to: Path | None, force: bool, as_json: bool) -> int:
    """Restore a version of a data item: the same files and bytes, and no others but ignored ones."""
    from penstock.data.items.checkout import checkout as check_out
    from penstock.experiments.looking.here import workspace_here

    with _Bytes(quiet=as_json) as told:
        done = check_out(workspace_here(), item, to=to, force=force, tell=told)
    return emit(done, as_json=as_json)


@click.command("verify")
@click.argument("item", required=False)  # By default everything that is stored.
@click.option("--discard", is_flag=True, help="Remove damaged objects, so that they can be stored anew.")
@json_option
def verify(item: str | None, discard: bool, as_json: bool) -> int:
    """Read all that is stored again and name what is damaged, and what is hurt by it. Exit 1 when something is."""
    from penstock.data.items.verifying import verify as verify_items
    from penstock.experiments.looking.here import workspace_here

    with _Bytes(quiet=as_json) as told:
        found = verify_items(workspace_here(), item, discard=discard, tell=told.objects)
    return emit(found, as_json=as_json)


@click.command("remove")
@click.argument("item")  # NAME with all its versions, or NAME@VERSION.
@click.option("--yes", "-y", "yes", is_flag=True, help="Remove them; without it they are only named.")
@click.option("--why", default="", help="Recorded with your name.")
@json_option
def remove(item: str, yes: bool, why: str, as_json: bool) -> int:
    """Remove a version of a data item, or an item with all its versions; `data restore` brings it back."""
    from penstock.data.items.removing import remove as remove_versions
    from penstock.experiments.looking.here import workspace_here

    return emit(remove_versions(workspace_here(), item, why=why, dry=not yes), as_json=as_json)


@click.command("restore")
@click.argument("item")  # NAME with all that was removed of it, or NAME@VERSION.
@click.option("--why", default="", help="Recorded with your name.")
@json_option
def restore(item: str, why: str, as_json: bool) -> int:
    """Bring a removed version of a data item back, or all of an item; `data log --removed` lists them."""
    from penstock.data.items.removing import restore as restore_versions
    from penstock.experiments.looking.here import workspace_here

    return emit(restore_versions(workspace_here(), item, why=why), as_json=as_json)


@click.command("gc")
@click.option("--yes", "-y", "yes", is_flag=True, help="Remove them; without it they are only counted.")
@click.option(
    "--grace", type=click.FloatRange(min=0), default=24.0, show_default=True, metavar="HOURS", help="Younger ones stay."
)
@click.option(
    "--removed", type=click.FloatRange(min=0), default=30.0, show_default=True, metavar="DAYS",
    help="Versions that were removed longer ago are forgotten.",
)  # fmt: skip
@json_option
def gc(yes: bool, grace: float, removed: float, as_json: bool) -> int:
    """Find objects that nothing in the ledger refers to, and remove them with --yes. Versions that were removed long ago go first."""
    from penstock.data.items.collecting import collect
    from penstock.experiments.looking.here import workspace_here

    return emit(collect(workspace_here(), grace_s=grace * 3600, removed_days=removed, dry=not yes), as_json=as_json)


@contextmanager
def _rarely_collected() -> Iterator[None]:
    """What is known of many files is many tuples, and no cycle among them: looking for some takes 7 % of the time of an add."""
    from gc import get_threshold, set_threshold

    before = get_threshold()
    set_threshold(200_000, *before[1:])
    try:
        yield
    finally:
        set_threshold(*before)


class _Bytes:
    """Progress of long work on stderr: a line that is written over on a terminal, else a line every few seconds."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._live = sys.stderr.isatty()
        self._said_at = time.monotonic()
        self._began = self._said_at
        self._open = False

    def __enter__(self) -> _Bytes:
        return self

    def __exit__(self, *_: object) -> None:
        if self._open:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def __call__(self, files: int, size: int, all_files: int, all_size: int) -> None:
        if self._due():
            from penstock.experiments.looking.run_files import size_text

            share = size / all_size if all_size else files / max(all_files, 1)
            self._say(f"{files} of {all_files} files, {size_text(size)} of {size_text(all_size)}", share)

    def objects(self, done: int, everything: int) -> None:
        """Progress by objects."""
        if self._due():
            self._say(f"{done} of {everything} objects", done / max(everything, 1))

    def _due(self) -> bool:
        now = time.monotonic()
        if self._quiet or now - self._said_at < (0.2 if self._live else 5.0):
            return False
        self._said_at = now
        return True

    def _say(self, text: str, share: float) -> None:
        left = (self._said_at - self._began) * (1 - share) / share if share > 0 else 0.0
        text = f"  {share:.0%}  {text}, {left:.0f} s left"
        if self._live:
            self._open = True
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
        else:
            say(text)
