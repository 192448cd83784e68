"""`penstock data profile` and `data check`: what the training rows look like, and whether a file holds rows that are sealed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.errors import NotFound
from penstock.experiments.sheets import Listing
from penstock.lifecycle.ingest import declared_ingest
from penstock.project.project import Project


def _head(project: Project) -> str:
    head = project.ledger.datasets.head(project.name)
    if head is None:
        raise NotFound("this project has no data set yet", why="nothing was ingested", way_out="run `penstock run`")
    return head


def profile_data(project: Project, html: Path | None = None) -> Listing:
    """Statistics of each column, of training rows alone, and a page of plots in `html` (default: under ``reports/``).

    Raises
    ------
    NotFound : nothing was ingested yet, or the page's folder is not there.
    """
    from penstock.data.doors import read_part
    from penstock.data.profiling.survey import survey
    from penstock.data.versions import load_version
    from penstock.evaluation.profile_page import to_html
    from penstock.objects.files import write_atomic

    version = load_version(project.objects, _head(project))
    if html is not None and not html.resolve().parent.is_dir():
        raise NotFound(
            f"there is no folder {html.resolve().parent}",
            why="the page is to be written there",
            way_out="make it first",
        )
    frame, y = read_part(project.ledger, project.objects, version, "train")
    detail = survey(frame, y, version.target, seed=project.declaration.split.seed)
    found = detail.profile
    page = project.root / "reports" / "data-profile.html" if html is None else html
    page.parent.mkdir(exist_ok=True)
    text = to_html(detail, name=project.name, target=version.target.name, dataset=version.digest)
    write_atomic(page, text.encode("utf-8", "replace"))
    project.ledger.audit.append("profile", version.digest, {"part": "train", "rows": found.rows})
    shown = str(page.resolve().relative_to(project.root)) if page.resolve().is_relative_to(project.root) else str(page)
    rows = [
        (
            c.name,
            c.kind.value,
            f"{c.missing_share:.1%}" if c.missing else "",
            str(c.distinct),
            "" if c.mean is None else f"{c.mean:.4g} ± {c.std:.4g}",
            f"{c.low} to {c.high}" if c.low is not None else ", ".join(f"{v} ({n})" for v, n in c.top[:3])[:60],
        )
        for c in found.columns
    ]
    body = {"dataset": version.digest, "part": "train", "page": shown, **detail.to_json()}
    header = ("column", "kind", "missing", "distinct", "mean", "values")
    return Listing(body, header, rows, "no columns", below=f"plots: {shown}")


@dataclass(frozen=True)
class FileCheck:
    """How many rows of a file this project knows as test rows. Which ones is not told."""

    file: str
    rows: int
    test_rows: int
    unreadable: int

    @property
    def exit_code(self) -> int:
        return 1 if self.test_rows else 0

    def to_json(self) -> dict[str, Any]:
        return {"file": self.file, "rows": self.rows, "test_rows": self.test_rows, "unreadable": self.unreadable}

    def to_text(self) -> str:
        lines = [f"{self.file}: {self.rows} rows"]
        if self.test_rows:
            lines.append(
                f"  {self.test_rows} of them are test rows of this project: a model trained on this file has seen its exam"
            )
        else:
            lines.append("  none of them is a test row of this project")
        if self.unreadable:
            lines.append(f"  {self.unreadable} values cannot be read as the data set declares them")
        return "\n".join(lines)


def check_file(project: Project, file: Path | str) -> FileCheck:
    """Hold a file, written as the declared source is, against the keyed fingerprints of the sealed rows.

    Raises
    ------
    SourceError : the file cannot be read. NotFound : nothing was ingested yet.
    """
    from penstock.data.append import find_returned
    from penstock.data.sources.file import read
    from penstock.data.versions import load_version
    from penstock.objects.tabular import ReadOptions

    version = load_version(project.objects, _head(project))
    path = Path(file)
    declared = declared_ingest(project)["options"]
    columns = None if declared["columns"] is None else tuple(declared["columns"])
    table = read(path, ReadOptions(**{**declared, "columns": columns}))
    frame, unreadable = version.decoder.decode_columns(table.columns)
    returned = find_returned(project.ledger, project.objects, version, frame)
    project.ledger.audit.append("check file", path.name, {"rows": len(frame), "test_rows": returned})
    return FileCheck(path.name, len(frame), returned, len(unreadable))
