"""Files of a project's folder that hold rows of a version of the data set, and what is said of those that stay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.errors import PenstockError
from penstock.lifecycle.bundles import version_folder
from penstock.lifecycle.contract import COUNTS
from penstock.project.project import Project
from penstock.serving.folder import ServingFolder

if TYPE_CHECKING:
    from penstock.data.forgetting import Held
    from penstock.ledger.datasets import DatasetRecord

Found = tuple[list[Path], list[str]]
"""Files and folders that go, and sentences on what stays."""


def files_made_of(project: Project, record: DatasetRecord, held: Held, *, keep_models: bool) -> Found:
    """What Penstock has written of the rows: caches, pages, bundles."""
    reports, stays = project.root / "reports", list[str]()
    places = [project.state / "cache" / "parts"]  # of all versions: they are written again when a script asks for them
    places.append(project.state / COUNTS)  # of the newest one that kept its contract: the next check reads everything
    places += [project.state / "opened" / run.id for run in held.runs]
    places += [reports / f"monitor-{run.id}.html" for run in held.used if run.operation == "monitor"]
    profiled = [event.subject for event in project.ledger.audit.events() if event.what == "profile"]
    if profiled and profiled[-1] == record.digest:
        places.append(reports / "data-profile.html")
    if keep_models and held.models:
        told = ", ".join(f"{name}@{number}" for name, number in sorted(held.models))
        stays.append(f"bundles and reports of {told}, with a few rows as examples and names of categories")
    for (name, number), (bundle, _) in sorted(held.models.items()) if not keep_models else ():
        places.append(ServingFolder(project.serving_state).bundles / bundle.removeprefix("sha256:"))
        if name == project.name:
            places += [version_folder(project, number), reports / f"{name}-v{number}.html"]
            places += sorted(reports.glob(f"deploy-v{number}-*.html"))
    texts = [path.name for path in (project.recipe_file, project.contract_file) if path.is_file()]
    if texts:
        told = " and ".join(texts)
        stays.append(f"{told}: yours, see whether they quote values of columns that are decided otherwise now")
    return [place for place in places if place.exists()], stays


def copies_of_source(project: Project, record: DatasetRecord, *, copy: bool) -> Found:
    """The copies that `new` has made of its files, where these are still the same.

    `copy`: also where versions that stay were read from them.
    """
    paths, stays = [], list[str]()
    for written in _paths(record.source):
        path = (project.root / written).resolve()
        if "://" in written:
            continue
        if not path.is_relative_to(project.root / "data" / "raw"):
            stays.append(f"{written}: the source itself, which is no copy of Penstock's")
        elif path.is_file():
            paths.append(path)
    if not paths or not _is_the_same(project, record, paths):
        return [], stays
    told = ", ".join(path.relative_to(project.root).as_posix() for path in paths)
    read = [
        other.digest[7:19]
        for other in project.ledger.datasets.log()
        if other.source.get("digest") == record.source.get("digest")
        and other.forgotten_at is None
        and other.digest != record.digest
    ]
    if read and not copy:
        return [], [
            *stays,
            f"{told}: in the clear with all columns, as version {read[0]} was read from there, too; --copy takes this copy away, and "
            "penstock.toml then has to name the source elsewhere",
        ]
    if read:
        stays.append(
            f"penstock.toml, which names {told}: let it name the source where that lies now, before the next run"
        )
    return paths, stays


def _paths(origin: Mapping[str, Any]) -> Iterator[str]:
    """The places that a source was read from: its own, those of other parts, and of what is joined."""
    if isinstance(path := origin.get("path"), str):
        yield path
    others = origin.get("files")
    for other in (*(others.values() if isinstance(others, dict) else ()), *origin.get("joined", ())):
        yield from _paths(other)


def _is_the_same(project: Project, record: DatasetRecord, paths: list[Path]) -> bool:
    """Whether the files are still those that the version was read from: a source of several files is asked as it is declared."""
    from penstock.lifecycle.ingest import declared_ingest
    from penstock.lifecycle.source import open_declared
    from penstock.lifecycle.stages import Context
    from penstock.objects.files import sha256_file

    digest = record.source.get("digest")
    if len(paths) == 1 and sha256_file(paths[0]) == digest:
        return True
    if not record.source.get("files") and not record.source.get("joined"):
        return False
    try:
        opened = open_declared(Context(project), declared_ingest(project, look=True), look=True)
    except PenstockError:  # a file is gone, or the declaration is of something else: then it is another source
        return False
    return opened.whole.digest() == digest
