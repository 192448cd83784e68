"""`penstock data profile`: what the training rows look like."""

from __future__ import annotations

from pathlib import Path

from penstock.errors import NotFound
from penstock.experiments.sheets import Listing
from penstock.lifecycle.forgotten_files import PROFILE_PAGE
from penstock.lifecycle.limits import row_limit, told
from penstock.lifecycle.stages import Context
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
    from penstock.data.origins import origins_of
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
    limit = row_limit(Context(project), version.digest).get("max_rows")
    frame, y = read_part(project.ledger, project.objects, version, "train", limit=limit)
    detail = survey(
        frame, y, version.target, seed=project.declaration.split.seed, origins=origins_of(version.decoder.columns)
    )
    found = detail.profile
    sampled = (
        [] if limit is None or limit >= version.rows["train"] else [told("training", limit, version.rows["train"])]
    )
    page = project.root / "reports" / PROFILE_PAGE if html is None else html
    page.parent.mkdir(exist_ok=True)
    text = to_html(detail, name=project.name, target=version.target.name, dataset=version.digest)
    place = page.resolve()
    is_inside = place.is_relative_to(project.root)
    shown = str(place.relative_to(project.root)) if is_inside else str(page)
    event = {"part": "train", "rows": found.rows, "page": shown if is_inside else str(place)}
    project.ledger.audit.append("profile", version.digest, event)  # first, as `data forget` finds the page by it
    write_atomic(page, text.encode("utf-8", "replace"))
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
    body = {"dataset": version.digest, "part": "train", "page": shown, "warnings": sampled, **detail.to_json()}
    header = ("column", "kind", "missing", "distinct", "mean", "values")
    return Listing(body, header, rows, "no columns", below="\n".join([*sampled, f"plots: {shown}"]))
