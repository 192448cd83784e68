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

PROFILE_PAGE = "data-profile.html"

Found = tuple[list[Path], list[str]]
"""Files and folders that go, and sentences on what stays."""


def files_made_of(project: Project, record: DatasetRecord, held: Held) -> Found:
    """What Penstock has written of the rows: caches, pages, bundles."""
    reports, stays = project.root / "reports", list[str]()
    places = [project.state / "cache" / "parts"]  # of all versions: they are written again when a script asks for them
    places.append(project.state / COUNTS)  # of the newest one that kept its contract: the next check reads everything
    places += [project.state / "opened" / run.id for run in held.runs]
    places += [reports / f"monitor-{run.id}.html" for run in held.used if run.operation == "monitor"]
    pages, elsewhere = _profile_pages(project, record)
    places += pages
    stays += [f"{page}: a profile of it that was written there by `--html`" for page in elsewhere]
    if held.kept:
        told = ", ".join(f"{name}@{number}" for name, number in sorted(held.kept))
        stays.append(f"bundles and reports of {told}, with a few rows as examples and names of categories")
    for (name, number), (bundle, _) in sorted(held.models.items()):
        places.append(ServingFolder(project.serving_state).bundles / bundle.removeprefix("sha256:"))
        places += [version_folder(project, number), reports / f"{name}-v{number}.html"]
        places += sorted(reports.glob(f"deploy-v{number}-*.html"))
    texts = [path.name for path in (project.recipe_file, project.contract_file) if path.is_file()]
    if texts:
        told = " and ".join(texts)
        stays.append(f"{told}: yours, see whether they quote values of columns that are decided otherwise now")
    return [place for place in places if place.exists()], stays


def other_projects(project: Project, record: DatasetRecord, held: Held) -> list[str]:
    """What is said of other projects of the ledger that took the version: their folders and slots are not to be seen from here."""
    datasets = project.ledger.datasets
    names = {run.project for run in held.runs if run.project} | {name for name, _ in held.kept}
    names |= {
        name for name, head in datasets.heads().items() if record.digest in {r.digest for r in datasets.log(head)}
    }
    told = ", ".join(sorted(names - {project.name}))
    if not told:
        return []
    return [
        f"what lies in the folder of another project that took it ({told}): models, pages, caches, the copy of its source; "
        "the same command there takes it, with its models"
    ]


def _profile_pages(project: Project, record: DatasetRecord) -> Found:
    """The page of `data profile`, and sentences on those that `--html` put elsewhere, as far as they are of this version still: each names its own."""
    own = project.root / "reports" / PROFILE_PAGE
    written = {event.details.get("page") for event in project.ledger.audit.events() if event.what == "profile"}
    others = sorted(page for page in written if page and (project.root / page).resolve() != own.resolve())
    stays = [
        f"{page}: a profile of it, which `--html` put there" for page in others if _names(project.root / page, record)
    ]
    return [own] if _names(own, record) else [], stays


def _names(page: Path, record: DatasetRecord) -> bool:
    """Whether a page is there that says that it is of a version; one that cannot be read may be."""
    try:
        return page.is_file() and record.digest[:19].encode() in page.read_bytes()
    except OSError:
        return True


def copies_of_source(project: Project, record: DatasetRecord, *, copy: bool) -> Found:
    """The copies that `new` has made of its files, where these are still the same. What else lies beside them is told.

    `copy`: also where versions that stay were read from them.
    """
    raw, paths, stays = project.root / "data" / "raw", list[Path](), list[str]()
    for written in _paths(record.source):
        path = (project.root / written).resolve()
        if "://" in written:
            continue
        if not path.is_relative_to(raw):
            stays.append(f"{written}: the source itself, which is no copy of Penstock's")
        elif path.is_file():
            paths.append(path)
    is_same = bool(paths) and _is_the_same(project, record, paths)
    told = ", ".join(path.relative_to(project.root).as_posix() for path in paths)
    if paths and not is_same:
        stays.append(
            f"{told}: in the clear, and not as this version was read from there; see whether rows of it are there still"
        )
    beside = [path for path in _files_in(raw) if path.resolve() not in paths]
    if beside:
        few = ", ".join(path.relative_to(project.root).as_posix() for path in beside[:5])
        more = f" and {len(beside) - 5} more" if len(beside) > 5 else ""
        stays.append(f"{few}{more}: in the clear; yours, see what of it they hold")
    if not is_same:
        return [], stays
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


def _files_in(folder: Path) -> list[Path]:
    """All files below a folder but those that only keep it in git, sorted; none where it is not there."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ".gitkeep")


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
