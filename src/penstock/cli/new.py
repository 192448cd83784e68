"""`penstock new`: a project folder from a data file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from penstock.cli.output import Json, emit


def new(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make.")],
    data: Annotated[Path, typer.Option(help="CSV, TSV, JSONL or Parquet file, also .gz.")],
    target: Annotated[str, typer.Option(help="The column to predict.")],
    task: Annotated[str | None, typer.Option(help="binary, multiclass or regression. Default: inferred.")] = None,
    positive: Annotated[
        str | None, typer.Option(help="The class that counts as positive. Default: the last one.")
    ] = None,
    drop: Annotated[str, typer.Option(help="Columns to leave out, separated by commas.")] = "",
    missing: Annotated[list[str] | None, typer.Option(help="A marker of missing values. Default: found.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="COLUMN=KIND, overrides what is inferred.")] = None,
    key: Annotated[str | None, typer.Option(help="An identifier column, echoed in answers.")] = None,
    no_header: Annotated[bool, typer.Option("--no-header", help="The file has no header: columns c1, c2, ...")] = False,
    columns: Annotated[str | None, typer.Option(help="Names of the columns, separated by commas.")] = None,
    delimiter: Annotated[str | None, typer.Option(help="Default: found.")] = None,
    quote: Annotated[str | None, typer.Option(help='The quoting character, or "none". Default: found.')] = None,
    encoding: Annotated[str, typer.Option(help="Of the file.")] = "utf-8",
    split: Annotated[str, typer.Option(help='"random", "time:COLUMN" or "group:COLUMN".')] = "random",
    seed: Annotated[int, typer.Option(help="Of the split and of the search.")] = 0,
    as_json: Json = False,
) -> int:
    """Make a project from a data file: kinds, target, sealed split, suggested recipe."""
    from penstock.lifecycle.new import new_project

    result = new_project(
        folder,
        data=data,
        target=target,
        task=task,
        positive=positive,
        drop=_listed(drop),
        missing=tuple(missing) if missing else None,
        kinds=dict(_pair(k) for k in kind or ()),
        key=key,
        header=not no_header,
        columns=_listed(columns) if columns else None,
        delimiter=delimiter,
        quote=quote,
        encoding=encoding,
        split=split,
        seed=seed,
    )
    return emit(result, as_json=as_json)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.rpartition("=")
    if not equals:
        raise typer.BadParameter(f"--kind {text!r}: write COLUMN=KIND")
    return name, value
