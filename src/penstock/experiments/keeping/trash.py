"""Throwing runs away, bringing them back, and freeing what only they needed."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.errors import BadParameter, NotFound, ProjectError
from penstock.experiments.keeping.needed import needed_objects, objects_of
from penstock.experiments.looking.run_files import size_text

if TYPE_CHECKING:
    from penstock.ledger.record import RunRecord
    from penstock.project.workspace import Workspace


@dataclass(frozen=True)
class Thrown:
    """What became of some runs: ``deleted`` or ``restored``."""

    what: str
    runs: list[str]

    exit_code = 0

    def to_json(self) -> dict[str, Any]:
        return {self.what: self.runs}

    def to_text(self) -> str:
        many = f"{len(self.runs)} run{'' if len(self.runs) == 1 else 's'}"
        if self.what == "restored":
            return f"{many} brought back" if self.runs else "nothing to bring back: they were not thrown away"
        if not self.runs:
            return "nothing changed: they were thrown away before"
        return f"{many} thrown away; `penstock restore` brings them back, `penstock purge` frees their room for good"


@dataclass(frozen=True)
class Purged:
    """Runs that are gone for good, and the objects that nothing else needed."""

    runs: list[str]
    objects: int
    size_bytes: int
    planned: bool = False

    exit_code = 0

    def to_json(self) -> dict[str, Any]:
        return {"runs": self.runs, "objects": self.objects, "size_bytes": self.size_bytes, "planned": self.planned}

    def to_text(self) -> str:
        if not self.runs:
            return "nothing to purge: no run was thrown away"
        runs = f"{len(self.runs)} run{'' if len(self.runs) == 1 else 's'}"
        if self.planned:
            return f"{runs} would be gone for good, with up to {self.objects} objects ({size_text(self.size_bytes)})"
        return f"{runs} gone for good; {self.objects} objects ({size_text(self.size_bytes)}) freed"


def delete_runs(workspace: Workspace, references: Sequence[str] = (), *, filter_text: str | None = None) -> Thrown:
    """Throw runs away, with those inside them. They keep everything until they are purged.

    Raises
    ------
    NotFound : there is no such run. ProjectError : one of them is running. BadParameter : nothing is named.
    """
    ids = chosen_ids(workspace, references, filter_text=filter_text, deleted=False)
    _refuse_running(workspace, ids)
    return Thrown("deleted", workspace.ledger.delete(ids))


def restore_runs(workspace: Workspace, references: Sequence[str] = (), *, filter_text: str | None = None) -> Thrown:
    """Bring runs back that were thrown away."""
    return Thrown(
        "restored", workspace.ledger.restore(chosen_ids(workspace, references, filter_text=filter_text, deleted=True))
    )


def purge_runs(workspace: Workspace, references: Sequence[str] = (), *, dry: bool = False) -> Purged:
    """Remove thrown-away runs for good, by default all of them, and the objects that nothing else needs.

    Needed are the objects of every other run, also of one that is thrown away, of data sets, envelopes and models. While a run is
    going on nothing is purged: it may be about to use an object that would be freed.

    Raises
    ------
    ProjectError : a run is not thrown away, is the proof of a model or a data set, or some run is going on.
    DamagedStore : what is needed cannot be told, as a list of objects is damaged; nothing was removed.
    """
    ledger = workspace.ledger
    if references:
        chosen = [ledger.get(reference) for reference in references]
        for record in chosen:
            if record.deleted_at is None:
                raise ProjectError(
                    f"run {record.id} is not thrown away",
                    why="purge removes for good what `penstock delete` threw away before",
                    way_out=f"penstock delete {record.id}",
                )
    else:
        chosen = ledger.runs(deleted=True)
    if not chosen:
        return Purged([], 0, 0, planned=dry)
    with ledger.lock("purge"):
        refuse_while_running(workspace, "purged")
        records = _with_inside(workspace, chosen)
        candidates = objects_of(workspace.objects, records.values())
        free = candidates - needed_objects(ledger, workspace.objects, without=set(records)) if candidates else set()
        sizes = {digest: size for digest in free if (size := _size(workspace, digest)) is not None}
        if dry:
            return Purged(sorted(records), len(sizes), sum(sizes.values()), planned=True)
        gone = ledger.forget(records)
        for digest in sizes:
            workspace.objects.delete(digest)
        for run_id in gone:
            shutil.rmtree(workspace.state / "opened" / run_id, ignore_errors=True)
    return Purged(sorted(gone), len(sizes), sum(sizes.values()))


def chosen_ids(workspace: Workspace, references: Sequence[str], *, filter_text: str | None, deleted: bool) -> list[str]:
    """Ids of named runs and of those that fit a filter; BadParameter where neither is given."""
    from penstock.experiments.looking.listing import catalog_of, condition_of, project_of

    if not references and filter_text is None:
        raise BadParameter(
            "no run is named", why="neither an id nor a filter is given", way_out="name runs, or --filter"
        )
    ids = [workspace.ledger.get(reference).id for reference in references]
    if filter_text is not None:
        catalog = catalog_of(workspace)
        condition = condition_of(workspace, filter_text=filter_text, batch=None, everything=True, catalog=catalog)
        found = workspace.ledger.summaries(where=condition, deleted=deleted, project=project_of(workspace), columns=[])
        ids += [run.id for run in found]
    return list(dict.fromkeys(ids))


def _with_inside(workspace: Workspace, records: Iterable[RunRecord]) -> dict[str, RunRecord]:
    found: dict[str, RunRecord] = {}
    waiting = list(records)
    while waiting:
        record = waiting.pop()
        if record.id not in found:
            found[record.id] = record
            waiting += workspace.ledger.children(record.id, deleted=None)
    return found


def _refuse_running(workspace: Workspace, ids: Sequence[str]) -> None:
    running = workspace.ledger.summaries(
        status="running", where=("r.id IN :ids", {"ids": list(ids)}), limit=1, columns=[]
    )
    if running:
        raise ProjectError(
            f"run {running[0].id} is still running",
            why="it would go on unseen",
            way_out="wait for it to end, or end it first (Ctrl-C where it runs)",
        )


def refuse_while_running(workspace: Workspace, done: str) -> None:
    """Refuse what would free objects that a run is about to use; `done` says what is refused, as in "nothing is purged".

    Raises
    ------
    ProjectError : a run is going on.
    """
    running = workspace.ledger.summaries(status="running", deleted=None, limit=1, columns=[])
    if running:
        raise ProjectError(
            f"nothing is {done} while run {running[0].id} is going on",
            why="it may be about to use an object that would be freed",
            way_out="wait for it to end and run the same command again",
        )


def _size(workspace: Workspace, digest: str) -> int | None:
    """Bytes of a stored object; None where it is not stored."""
    try:
        return workspace.objects.stat(digest).size_bytes
    except NotFound:
        return None
