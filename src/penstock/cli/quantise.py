"""`penstock quantise`: a version in smaller numbers, for small devices."""

from __future__ import annotations

from pathlib import Path

import click

from penstock.cli.output import PATH, emit, json_option


@click.command()
@click.option("--version", "version", type=int, help="Default: the live one, or the newest that passed.")
@click.option(
    "--form",
    "forms",
    multiple=True,
    help="float16, int8-dynamic, int8-static or int4. Default: those of [quantise] forms.",
)
@click.option(
    "--register", "add", is_flag=True, help="Make the best form that passes a new version, to be deployed next."
)
@click.option(
    "--override", "override", help="Choose the one --form although a gate said no; the reason is shown for ever."
)
@click.option("--html", "html", type=PATH, help="Write the table, with what every gate said, as a page into this file.")
@json_option
def quantise(
    version: int | None, forms: tuple[str, ...], add: bool, override: str | None, html: Path | None, as_json: bool
) -> int:
    """Try a version's graph in 16, 8 and 4 bits, and tell size, latency, quality and what of the answers moved."""
    from penstock.cli.progress import Progress
    from penstock.lifecycle.quantise import quantise_version
    from penstock.project.project import Project

    with Progress(quiet=as_json) as progress:
        result = quantise_version(
            Project.here(), version=version, forms=forms, add=add, override=override, listener=progress.stage
        )
    if html is not None:
        from penstock.objects.files import write_asked

        write_asked(html, result.to_html().encode())
    return emit(result, as_json=as_json)
