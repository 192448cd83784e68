"""`penstock data quality`: what is wrong with the data itself, before anything is learned from it."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import TYPE_CHECKING

from penstock.errors import NotFound
from penstock.project.project import Project
from penstock.project.quality import LIMITS

if TYPE_CHECKING:
    from penstock.data.quality.report import QualityReport
    from penstock.data.quality.view import View


def check_quality(
    project: Project, only: tuple[str, ...] = (), *, progress: Callable[[str], None] = lambda _: None
) -> QualityReport:
    """Hold the checks against the newest version: training and validation rows, and counts of sealed ones.

    Parameters
    ----------
    only : ids of the checks to make, also of those that `[quality] off` names; () makes all others.

    Raises
    ------
    NotFound : nothing was ingested yet, or `only` names no check. DeclarationError : `[quality]` names no check.
    """
    declared = project.declaration.quality
    off = tuple(check for check in declared.off if check not in only)  # what is asked for by name is made
    for check in only:
        _check_id(check)
    head = project.ledger.datasets.head(project.name)
    if head is None:
        raise NotFound("this project has no data set yet", why="nothing was ingested", way_out="run `penstock run`")

    from penstock.data.doors import read_part
    from penstock.data.quality.report import QualityReport, judge
    from penstock.data.quality.sealed import count_sealed
    from penstock.data.quality.view import SealedCounts, View
    from penstock.data.versions import load_memory, load_version

    version = load_version(project.objects, head)
    train, y = read_part(project.ledger, project.objects, version, "train")
    valid, y_valid = read_part(project.ledger, project.objects, version, "valid")
    memory = load_memory(project.objects, version)
    counted: list[int] = []

    def count(view: View) -> SealedCounts | None:
        progress("sealed rows")
        counts = count_sealed(project.ledger, project.objects, version, view)
        counted.append(counts.rows if counts is not None else 0)
        return counts

    seed = project.declaration.split.seed
    view = View(train, y, valid, y_valid, version.target, version.split, memory, count, seed)
    found = judge(view, declared.limits, off=off, only=only, progress=progress)
    key = _key(project, view)
    keys = {row: view.train[key][row] for one in found for row in one.rows} if key is not None else {}
    rows = {part: n for part, n in version.rows.items() if part != "left_out"}
    return QualityReport(version.digest, rows, tuple(found), sum(counted), off, key, keys)


def _key(project: Project, view: View) -> str | None:
    """The column that names rows: the declared key, else the first identifier."""
    from penstock.bundle.kinds import Kind

    identifiers = view.of_kind(Kind.IDENTIFIER)
    declared = project.declaration.data.key
    return declared if declared in identifiers else next(iter(identifiers), None)


def _check_id(check: str) -> None:
    if check not in LIMITS:
        near = difflib.get_close_matches(check, LIMITS, 1, 0.5)
        raise NotFound(
            f"there is no check {check!r}",
            why=f"there are: {', '.join(LIMITS)}",
            way_out=f"write {near[0]!r}" if near else "write one of these",
        )
