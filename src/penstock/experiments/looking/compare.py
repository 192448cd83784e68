"""A comparison with its files: a table (CSV) and a page (HTML)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.experiments.looking.comparison import Comparison, compare_runs

if TYPE_CHECKING:
    from penstock.project.workspace import Workspace


def compare(
    workspace: Workspace,
    references: Sequence[str] = (),
    *,
    filter_text: str | None = None,
    batch: str | None = None,
    sort: str | None = None,
    limit: int | None = None,
    everything: bool = False,
    html: Path | None = None,
    table: Path | None = None,
) -> Comparison:
    """Compare runs, and write what is asked for. Errors: as `compare_runs`, `write_asked`."""
    from penstock.objects.files import asked, write_asked

    for file in (html, table):
        if file is not None:
            asked(file)
    comparison = compare_runs(
        workspace,
        references,
        filter_text=filter_text,
        batch=batch,
        sort=sort,
        limit=limit,
        everything=everything,
        diagnose=False if html is not None else None,
    )
    written = []
    if html is not None:
        written.append(str(html))
        write_asked(html, _page(workspace, comparison).encode("utf-8", "backslashreplace"))
    if table is not None:
        written.append(str(table))
        write_asked(table, comparison.to_csv().encode("utf-8", "backslashreplace"))
    return replace(comparison, written=tuple(written))


def _page(workspace: Workspace, comparison: Comparison) -> str:
    from penstock.experiments.looking.compare_page import page
    from penstock.experiments.looking.show import diagnosed

    ids = [run.id for run in comparison.runs]
    curves = {}
    for record in workspace.ledger.runs(where=("r.id IN :ids", {"ids": ids}), deleted=None):
        curves[record.id], findings = diagnosed(workspace, record)
        if findings:
            comparison.findings[record.id] = findings
    return page(comparison, curves, name=workspace.name)
