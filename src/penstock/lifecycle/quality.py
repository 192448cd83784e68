"""`penstock data quality`: what is wrong with the data itself, before anything is learned from it."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from penstock.errors import DeclarationError, NotFound
from penstock.project.project import Project
from penstock.project.quality import LIMITS

if TYPE_CHECKING:
    from penstock.bundle.frame import Frame
    from penstock.data.quality.report import QualityReport
    from penstock.data.quality.view import View


def check_quality(
    project: Project, only: tuple[str, ...] = (), *, progress: Callable[[str], None] = lambda _: None
) -> QualityReport:
    """Hold the checks against the newest version: training and validation rows, and counts of sealed ones.

    Of parts with more rows than fit into memory (`[search] max_rows`) so many are drawn, always the same, and it is told. Repetitions, conflicts and
    the rows of classes are counted among all.

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
    from penstock.data.origins import origins_of
    from penstock.data.quality.report import QualityReport, judge
    from penstock.data.quality.sealed import count_sealed
    from penstock.data.quality.view import SealedCounts, View
    from penstock.data.together import alike_by_nature
    from penstock.data.versions import draw, load_memory, load_target, load_version
    from penstock.lifecycle.limits import row_limit, told
    from penstock.lifecycle.stages import Context

    version = load_version(project.objects, head)
    limit = row_limit(Context(project), head).get("max_rows")
    train, y = read_part(project.ledger, project.objects, version, "train", limit=limit)
    valid, y_valid = read_part(project.ledger, project.objects, version, "valid", limit=limit)
    sampled = limit is not None and limit < version.rows["train"]
    every_y = load_target(project.objects, version, "train") if sampled else y
    memory = load_memory(project.objects, version)
    counted: list[int] = []

    def count(view: View) -> SealedCounts | None:
        progress("sealed rows")
        counts = count_sealed(project.ledger, project.objects, version, view)
        counted.append(counts.rows if counts is not None else 0)
        return counts

    seed = project.declaration.split.seed
    withheld = frozenset(spec.name for spec in version.decoder.columns if spec.is_withheld)
    view = View(
        train, y, valid, y_valid, version.target, version.split, memory, count, seed, every_y, withheld,
        _time(declared.time, train), origins_of(version.decoder.columns), alike_by_nature(version, train),
    )  # fmt: skip
    found = judge(view, declared.limits, off=off, only=only, progress=progress)
    key = _key(project, view)
    keys = {row: view.train[key][row] for one in found for row in one.rows} if key is not None else {}
    rows = {part: n for part, n in version.rows.items() if part != "left_out"}
    warnings = []
    if withheld:
        names = ", ".join(sorted(withheld))
        warnings.append(f"not judged, as nothing of it is kept, or until it is decided in [privacy.columns]: {names}")
    if sampled and limit is not None:
        places = draw(version.rows["train"], limit)  # findings name the rows of the part, not those of the sample
        found = [replace(one, rows=tuple(int(places[row]) for row in one.rows)) for one in found]
        keys = {int(places[row]): value for row, value in keys.items()}
        warnings.append(told("training", limit, version.rows["train"]))
    if limit is not None and limit < version.rows["valid"]:
        warnings.append(told("validation", limit, version.rows["valid"]))
    return QualityReport(version.digest, rows, tuple(found), sum(counted), off, key, keys, tuple(warnings))


def _key(project: Project, view: View) -> str | None:
    """The column that names rows: the declared key, else the first identifier."""
    from penstock.bundle.kinds import Kind

    identifiers = view.of_kind(Kind.IDENTIFIER)
    declared = project.declaration.data.key
    return declared if declared in identifiers else next(iter(identifiers), None)


def _time(declared: str | None, train: Frame) -> str | None:
    """The column of `[quality] time`. Raises DeclarationError: it is not there, or no column of instants."""
    from penstock.bundle.kinds import Kind

    kind = None if declared is None else train.kinds.get(declared)
    if declared is None or kind is Kind.DATETIME:
        return declared
    instants = [name for name, of in train.kinds.items() if of is Kind.DATETIME]
    raise DeclarationError(
        f"[quality] time names {declared!r}, which is {'not in the data set' if kind is None else f'{kind}'}",
        why=f"it is the instant at which the question is asked of a row; columns of instants are: {', '.join(instants) or 'none'}",
        way_out="name one of them, or remove the key",
    )


def _check_id(check: str) -> None:
    if check not in LIMITS:
        near = difflib.get_close_matches(check, LIMITS, 1, 0.5)
        raise NotFound(
            f"there is no check {check!r}",
            why=f"there are: {', '.join(LIMITS)}",
            way_out=f"write {near[0]!r}" if near else "write one of these",
        )
