"""`penstock predict`: batch, with the same answers as online."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from types import FrameType
from typing import Literal

import click

from penstock.cli.output import PATH, emit, json_option, say


@click.command()
@click.option(
    "--input",
    "source",
    required=True,
    help="A CSV, TSV, JSONL or Parquet file, a folder or glob of them, a bucket (s3://, gs://, az://), or a database "
    "(sqlite:///shop.db?table=orders, postgresql://).",
)
@click.option(
    "--output",
    "output",
    required=True,
    help="A .csv, .csv.gz or .parquet file; or a folder, a prefix of a bucket or a table of a database, where each input is "
    "answered once.",
)
@click.option("--query", "query", default="", help="SQL for a database: its rows are answered.")
@click.option("--version", "version", type=int, help="Default: the live version, or the newest that passed.")
@click.option("--bundle", "bundle", type=PATH, help="A bundle folder, instead of a version of this project.")
@click.option(
    "--unreadable",
    "unreadable",
    type=click.Choice(["refuse", "missing"]),
    default="refuse",
    show_default=True,
    help='A value that cannot be read: "refuse" or "missing".',
)
@click.option("--keep", "keep", help="Columns of the input that go into the output, separated by commas.")
@click.option("--history", "history", type=PATH, help="A file of earlier rows, for the columns of [history].")
@click.option("--again", "again", is_flag=True, help="Answer also what was answered before.")
@click.option(
    "--watch", "watch", is_flag=True, help="Follow a folder: answer whole new files as they come, until SIGTERM."
)
@click.option(
    "--every",
    "every_s",
    type=click.FloatRange(min=0.05),
    default=1.0,
    show_default=True,
    help="With --watch: seconds between two looks.",
)
@click.option(
    "--quiet",
    "quiet_s",
    type=click.FloatRange(min=0),
    default=2.0,
    show_default=True,
    help="With --watch: a file is whole when nobody has written to it for so many seconds.",
)
@click.option("--no-header", "no_header", is_flag=True, help="The file has no header.")
@click.option("--columns", "columns", help="Names of the columns, separated by commas.")
@click.option("--delimiter", "delimiter", help="Default: found.")
@click.option("--quote", "quote", help='The quoting character, or "none".')
@click.option("--encoding", "encoding", default="utf-8", show_default=True, help="Of the input.")
@json_option
def predict(
    source: str,
    output: str,
    query: str,
    version: int | None,
    bundle: Path | None,
    unreadable: Literal["refuse", "missing"],
    keep: str | None,
    history: Path | None,
    again: bool,
    watch: bool,
    every_s: float,
    quiet_s: float,
    no_header: bool,
    columns: str | None,
    delimiter: str | None,
    quote: str | None,
    encoding: str,
    as_json: bool,
) -> int:
    """Answer every row of a source, streamed; columns: row, prediction, decision, novelty, p_<class>."""
    from penstock.lifecycle.predict import Following, predict_files

    with _stopping(watch) as stop:
        result = predict_files(
            source,
            output,
            query=query,
            version=version,
            bundle=bundle,
            on_unreadable=unreadable,
            keep=_names(keep) or (),
            history=history,
            again=again,
            following=Following(stop, every_s, quiet_s, say) if watch else None,
            header=not no_header,
            columns=_names(columns),
            delimiter=delimiter,
            quote=quote,
            encoding=encoding,
        )
    return emit(result, as_json=as_json)


def _names(text: str | None) -> tuple[str, ...] | None:
    return tuple(name.strip() for name in text.split(",")) if text else None


@contextmanager
def _stopping(watch: bool) -> Iterator[Event]:
    """What SIGTERM and Ctrl-C set while a folder is followed, so that the file in hand is finished; a second Ctrl-C ends at once."""
    stop = Event()
    if not watch:
        yield stop
        return

    def said(number: int, _: FrameType | None) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.set()

    numbers = [signal.SIGTERM, signal.SIGINT]
    before = {number: signal.signal(number, said) for number in numbers}
    if hasattr(signal, "SIGIO"):  # whoever opens a file while it is asked whether somebody writes to it
        before[signal.SIGIO] = signal.signal(signal.SIGIO, signal.SIG_IGN)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
