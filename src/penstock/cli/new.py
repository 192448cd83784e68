"""`penstock new`: a project folder from a data file."""

from __future__ import annotations

from pathlib import Path

import click

from penstock.cli.output import PATH, emit, json_option


@click.command()
@click.argument("folder", metavar="DIR", type=PATH)  # The folder to make.
@click.option(
    "--data",
    "data",
    required=True,
    metavar="PLACE",
    help="File, glob, folder or URL: CSV, JSONL, Parquet, SQL, s3:// ...",
)
@click.option("--target", "target", required=True, help="The column to predict.")
@click.option("--task", "task", help="binary, multiclass or regression. Default: inferred.")
@click.option("--positive", "positive", help="The class that counts as positive. Default: the last one.")
@click.option("--drop", "drop", default="", help="Columns to leave out, separated by commas.")
@click.option("--missing", "missing", multiple=True, help="A marker of missing values. Default: found.")
@click.option("--kind", "kind", multiple=True, help="COLUMN=KIND, overrides what is inferred.")
@click.option(
    "--date-format", "date_format", multiple=True, help="COLUMN=PATTERN, how dates are written, such as %d/%m/%Y."
)
@click.option("--timezone", "timezone", help="Of instants that name none, such as Europe/Berlin. Default: UTC.")
@click.option("--key", "key", help="A column that names the rows: deals them, is echoed in answers.")
@click.option("--no-header", "no_header", is_flag=True, help="The file has no header: columns c1, c2, ...")
@click.option("--columns", "columns", help="Names of the columns, separated by commas.")
@click.option("--delimiter", "delimiter", help="Default: found.")
@click.option("--quote", "quote", help='The quoting character, or "none". Default: found.')
@click.option("--format", "form", help="csv, jsonl, json, parquet, texts or images. Default: found.")
@click.option("--file-column", "file_column", help="A column that tells the file of each row.")
@click.option("--query", "query", help="SQL, where --data is the URL of a database.")
@click.option("--cursor", "cursor", help="A column of the database by which newer rows are asked for.")
@click.option("--encoding", "encoding", default="utf-8", show_default=True, help="Of the file.")
@click.option(
    "--split",
    "split",
    help='"random", "time:COLUMN", "group:COLUMN" or "column:COLUMN". Default: random; else by files.',
)
@click.option("--gap", "gap", help='By time: what is left out between parts. "7d", or a number in the column\'s unit.')
@click.option(
    "--part",
    "part",
    multiple=True,
    help="PART=VALUE, what the column says of train, valid or test. Default: the usual words.",
)
@click.option(
    "--valid-data", "valid_data", type=PATH, help="A file of validation rows; --data then holds training rows."
)
@click.option("--test-data", "test_data", type=PATH, help="A file of test rows, which are sealed at once.")
@click.option(
    "--privacy", "privacy", multiple=True, help='COLUMN=ACTION of a personal column: hash, drop, "keep: REASON", ...'
)
@click.option("--seed", "seed", type=int, default=0, show_default=True, help="Of the split and of the search.")
@json_option
def new(
    folder: Path,
    data: str,
    target: str,
    task: str | None,
    positive: str | None,
    drop: str,
    missing: tuple[str, ...],
    kind: tuple[str, ...],
    date_format: tuple[str, ...],
    timezone: str | None,
    key: str | None,
    no_header: bool,
    columns: str | None,
    delimiter: str | None,
    quote: str | None,
    form: str | None,
    file_column: str | None,
    query: str | None,
    cursor: str | None,
    encoding: str,
    split: str | None,
    gap: str | None,
    part: tuple[str, ...],
    valid_data: Path | None,
    test_data: Path | None,
    privacy: tuple[str, ...],
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
        kinds=dict(_pair("--kind", k) for k in kind or ()),
        formats=_patterns(date_format),
        timezone=timezone,
        key=key,
        header=not no_header,
        columns=_listed(columns) if columns else None,
        delimiter=delimiter,
        quote=quote,
        form=form,
        file_column=file_column,
        query=query,
        cursor=cursor,
        encoding=encoding,
        split=split,
        gap=gap,
        values=_values(part) if part else None,
        files={name: file for name, file in (("valid", valid_data), ("test", test_data)) if file is not None},
        seed=seed,
        privacy=dict(map(_decision, privacy)),
    )
    return emit(result, as_json=as_json)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _values(told: tuple[str, ...]) -> dict[str, list[str]]:
    """The values of each part, of ``PART=VALUE``."""
    values: dict[str, list[str]] = {}
    for text in told:
        name, equals, value = text.partition("=")
        if not equals or name not in ("train", "valid", "test"):
            raise click.BadParameter(f"--part {text!r}: write PART=VALUE, with the part train, valid or test")
        values.setdefault(name, []).append(value)
    return values


def _patterns(told: tuple[str, ...]) -> dict[str, list[str]]:
    """The formats of each column, of ``COLUMN=PATTERN``."""
    patterns: dict[str, list[str]] = {}
    for text in told:
        name, pattern = _pair("--date-format", text, "PATTERN")
        patterns.setdefault(name, []).append(pattern)
    return patterns


def _decision(text: str) -> tuple[str, str]:
    """Of ``COLUMN=ACTION``; a reason may hold the sign, too."""
    column, equals, action = text.partition("=")
    if not equals:
        raise click.BadParameter(f"--privacy {text!r}: write COLUMN=ACTION")
    return column, action


def _pair(option: str, text: str, what: str = "KIND") -> tuple[str, str]:
    name, equals, value = text.rpartition("=")
    if not equals:
        raise click.BadParameter(f"{option} {text!r}: write COLUMN={what}")
    return name, value
