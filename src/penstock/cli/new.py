"""`penstock new`: a project folder from a data file."""

from __future__ import annotations

from pathlib import Path

import click

from penstock.cli.output import PATH, emit, json_option


@click.command()
@click.argument("folder", metavar="DIR", type=PATH)  # The folder to make.
@click.option("--data", "data", type=PATH, required=True, help="CSV, TSV, JSONL or Parquet file, also .gz.")
@click.option("--target", "target", required=True, help="The column to predict.")
@click.option("--task", "task", help="binary, multiclass or regression. Default: inferred.")
@click.option("--positive", "positive", help="The class that counts as positive. Default: the last one.")
@click.option("--drop", "drop", default="", help="Columns to leave out, separated by commas.")
@click.option("--missing", "missing", multiple=True, help="A marker of missing values. Default: found.")
@click.option("--kind", "kind", multiple=True, help="COLUMN=KIND, overrides what is inferred.")
@click.option("--key", "key", help="An identifier column, echoed in answers.")
@click.option("--no-header", "no_header", is_flag=True, help="The file has no header: columns c1, c2, ...")
@click.option("--columns", "columns", help="Names of the columns, separated by commas.")
@click.option("--delimiter", "delimiter", help="Default: found.")
@click.option("--quote", "quote", help='The quoting character, or "none". Default: found.')
@click.option("--encoding", "encoding", default="utf-8", show_default=True, help="Of the file.")
@click.option(
    "--split", "split", default="random", show_default=True, help='"random", "time:COLUMN" or "group:COLUMN".'
)
@click.option("--seed", "seed", type=int, default=0, show_default=True, help="Of the split and of the search.")
@json_option
def new(
    folder: Path,
    data: Path,
    target: str,
    task: str | None,
    positive: str | None,
    drop: str,
    missing: tuple[str, ...],
    kind: tuple[str, ...],
    key: str | None,
    no_header: bool,
    columns: str | None,
    delimiter: str | None,
    quote: str | None,
    encoding: str,
    split: str,
    seed: int,
    as_json: bool,
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
        raise click.BadParameter(f"--kind {text!r}: write COLUMN=KIND")
    return name, value
