"""`penstock predict`: batch, with the same answers as online."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from penstock.cli.output import Json, emit


def predict(
    source: Annotated[Path, typer.Option("--input", help="A CSV, TSV, JSONL or Parquet file, or a folder of them.")],
    output: Annotated[Path, typer.Option(help="A .csv or .parquet file; a folder when the input is one.")],
    version: Annotated[int | None, typer.Option(help="Default: the live version, or the newest that passed.")] = None,
    bundle: Annotated[Path | None, typer.Option(help="A bundle folder, instead of a version of this project.")] = None,
    unreadable: Annotated[Literal["refuse", "missing"], typer.Option(help='A value that cannot be read: "refuse" or "missing".')] = "refuse",
    no_header: Annotated[bool, typer.Option("--no-header", help="The file has no header.")] = False,
    columns: Annotated[str | None, typer.Option(help="Names of the columns, separated by commas.")] = None,
    delimiter: Annotated[str | None, typer.Option(help="Default: found.")] = None,
    quote: Annotated[str | None, typer.Option(help='The quoting character, or "none".')] = None,
    encoding: Annotated[str, typer.Option(help="Of the input.")] = "utf-8",
    as_json: Json = False,
) -> int:
    """Answer every row of a file, streamed; columns: row, prediction, decision, novelty, p_<class>."""
    from penstock.lifecycle.predict import predict_files

    result = predict_files(
        source,
        output,
        version=version,
        bundle=bundle,
        on_unreadable=unreadable,
        header=not no_header,
        columns=tuple(c.strip() for c in columns.split(",")) if columns else None,
        delimiter=delimiter,
        quote=quote,
        encoding=encoding,
    )
    return emit(result, as_json=as_json)
