"""`penstock predict`: batch, with the same answers as online."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from penstock.cli.output import PATH, emit, json_option


@click.command()
@click.option(
    "--input", "source", type=PATH, required=True, help="A CSV, TSV, JSONL or Parquet file, or a folder of them."
)
@click.option(
    "--output", "output", type=PATH, required=True, help="A .csv or .parquet file; a folder when the input is one."
)
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
@click.option("--history", "history", type=PATH, help="A file of earlier rows, for the columns of [history].")
@click.option("--no-header", "no_header", is_flag=True, help="The file has no header.")
@click.option("--columns", "columns", help="Names of the columns, separated by commas.")
@click.option("--delimiter", "delimiter", help="Default: found.")
@click.option("--quote", "quote", help='The quoting character, or "none".')
@click.option("--encoding", "encoding", default="utf-8", show_default=True, help="Of the input.")
@json_option
def predict(
    source: Path,
    output: Path,
    version: int | None,
    bundle: Path | None,
    unreadable: Literal["refuse", "missing"],
    history: Path | None,
    no_header: bool,
    columns: str | None,
    delimiter: str | None,
    quote: str | None,
    encoding: str,
    as_json: bool,
) -> int:
    """Answer every row of a file, streamed; columns: row, prediction, decision, novelty, p_<class>."""
    from penstock.lifecycle.predict import predict_files

    result = predict_files(
        source,
        output,
        version=version,
        bundle=bundle,
        on_unreadable=unreadable,
        history=history,
        header=not no_header,
        columns=tuple(c.strip() for c in columns.split(",")) if columns else None,
        delimiter=delimiter,
        quote=quote,
        encoding=encoding,
    )
    return emit(result, as_json=as_json)
