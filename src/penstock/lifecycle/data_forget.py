"""`penstock data forget`: a version of the data set is let go of, with all that holds its rows, at once and for good.

What it was, who forgot it and why, and what used it stay in the ledger. It says first what would go and what stays.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.data.references import find_version
from penstock.errors import BadParameter, ProjectError
from penstock.experiments.looking.run_files import size_text
from penstock.ledger.access import FORGOTTEN
from penstock.lifecycle.forgotten_files import copies_of_source, files_made_of, other_projects
from penstock.project.project import Project

if TYPE_CHECKING:
    from penstock.data.forgetting import Held
    from penstock.ledger.datasets import DatasetRecord

LOCK_WAIT_S = 3600.0


@dataclass(frozen=True)
class ForgottenVersion:
    """What is gone of a version, or would be.

    Attributes
    ----------
    rows : that it had, by part. objects, size_bytes : that nothing else needs. files : of the project's folder, relative to it.
    models : whose bundles and reports are gone with it. emptied : the one of them that stood by for `rollback`. runs : how many runs have no artifacts of it any more.
    stays : what may still hold its values, and what to do about that.
    planned : nothing was done.
    """

    version: str
    digest: str
    rows: dict[str, int]
    objects: int
    size_bytes: int
    runs: int
    models: list[str]
    emptied: str | None
    files: list[str]
    stays: list[str]
    planned: bool

    exit_code = 0

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def to_text(self) -> str:
        rows = sum(self.rows.values())
        lines = [
            f"version {self.version} of the data set {'would be' if self.planned else 'is'} forgotten: {rows} rows, "
            f"{self.objects} objects ({size_text(self.size_bytes)}), and what {self.runs} run{'' if self.runs == 1 else 's'} kept of them"
        ]
        lines += [f"  bundle and report of {model}" for model in self.models]
        if self.emptied is not None:
            lines.append(f"  its place in the slot that `rollback` goes back to: {self.emptied} stands by there")
        lines += [f"  {file}" for file in self.files]
        lines += [f"stays: {one}" for one in self.stays]
        lines.append(
            "the ledger keeps what it was, who used it, and keyed fingerprints by which its rows are known again, but no value"
        )
        if self.planned:
            lines.append("`penstock data forget ... --yes` does it; nothing brings it back")
        return "\n".join(lines)


@dataclass
class _Plan:
    record: DatasetRecord
    held: Held
    going: set[str] = field(default_factory=set)
    size_bytes: int = 0
    files: list[Path] = field(default_factory=list)
    stays: list[str] = field(default_factory=list)
    standing_by: str | None = None


def forget_version(
    project: Project,
    version: str,
    *,
    why: str = "",
    keep_models: bool = False,
    copy: bool = False,
    dry: bool = True,
) -> ForgottenVersion:
    """Let go of a version of the data set for good, unless `dry`. One that is forgotten already is gone through again.

    Parameters
    ----------
    keep_models : models of this project that were trained on it keep their bundles and reports, as those of other projects of the ledger do.
    copy : the copy of its source in ``data/raw`` goes, too, where versions that stay were read from it.

    Raises
    ------
    NotFound : there is no such version. BadParameter : it is one of a data item.
    ProjectError : a project is at it, a model that was trained on it is deployed, or a run is going on. AccessError : it is restricted to others.
    DamagedStore : a list of objects is damaged, so that what others need cannot be told. Nothing is forgotten then.
    ServingError : a server process does not let go of a model that stood by; nothing is forgotten yet.
    StoreError : another process reads the ledger's file all the time: it could not be written anew, and all else is done.
    """
    from penstock.experiments.keeping.trash import refuse_while_running

    found = find_version(project.workspace, version)
    if found.item is not None:
        raise BadParameter(
            f"{found.name} is a version of a data item",
            why="`forget` is about versions of the data set; those of items go through a bin",
            way_out=f"penstock data remove {found.name} --yes, then penstock data gc --removed 0 --yes",
        )
    ledger = project.ledger
    projects = sorted({project.name, *ledger.datasets.heads()})
    with ExitStack() as locks:
        for name in (
            "purge",
            f"run {project.name}",
            f"deploy {project.name}",
            *(f"ingest {name}" for name in projects),
        ):
            locks.enter_context(ledger.lock(name, wait_s=LOCK_WAIT_S if name.startswith("ingest") else 0.0))
        refuse_while_running(project.workspace, "forgotten")
        ledger.access.require(found.digest, name=found.name, verb="forget")
        plan = _planned(project, ledger.datasets.get(found.digest), keep_models=keep_models, copy=copy)
        if not dry:
            _forget(project, plan, why.strip())
    held = plan.held
    return ForgottenVersion(
        version=found.name,
        digest=found.digest,
        rows=plan.record.details.get("rows", {}),
        objects=len(plan.going),
        size_bytes=plan.size_bytes,
        runs=len(held.runs),
        models=[f"{name}@{number}" for name, number in sorted(held.models)],
        emptied=next((f"{n}@{v}" for (n, v), (bundle, _) in held.models.items() if bundle == plan.standing_by), None),
        files=[path.relative_to(project.root).as_posix() for path in plan.files],
        stays=plan.stays,
        planned=dry,
    )


def _planned(project: Project, record: DatasetRecord, *, keep_models: bool, copy: bool) -> _Plan:
    from penstock.data.forgetting import held_in, objects_held, stored_copies
    from penstock.objects.files import sha256_file

    _refuse_in_use(project, record)
    contract = project.contract_file
    in_use = {sha256_file(contract)} if contract.is_file() else set()
    going = (
        () if keep_models else (project.name,)
    )  # what other projects of the ledger deploy is not to be seen from here
    plan = _Plan(record, held_in(project.ledger, record, models=going, in_use=in_use))
    if plan.held.models:
        plan.standing_by = _refuse_deployed(project, plan.held)
    plan.going = objects_held(project.ledger, project.objects, record, plan.held, copy=copy)
    plan.size_bytes = sum(project.objects.stat(digest).size_bytes for digest in plan.going)
    for files, stays in (
        files_made_of(project, record, plan.held),
        copies_of_source(project, record, copy=copy),
        ([], other_projects(project, record, plan.held)),
    ):
        plan.files += files
        plan.stays += stays
    if stored_copies(project.ledger, project.objects, record) - plan.going:
        more = "they or a data item hold it as their own" if copy else "--copy takes it away, unless one wrote it"
        plan.stays.append(f"the file that it was read from, as runs of scripts keep copies of what they take: {more}")
    if plan.held.scripts:
        runs = ", ".join(plan.held.scripts[:5]) + (" ..." if len(plan.held.scripts) > 5 else "")
        plan.stays.append(f"what other runs wrote that took it or its models ({runs}): it is theirs")
    return plan


def _forget(project: Project, plan: _Plan, why: str) -> None:
    """The record first, in one step: killed after it, the same command goes on."""
    from penstock.data.forgetting import plain_details, strip

    ledger, record, held = project.ledger, plan.record, plan.held
    if plan.standing_by is not None:
        _empty_slot(project, plan.standing_by)
    models = sorted(held.models)
    if models:
        _see_it_emptied(project)
    details = {
        "why": why,
        "rows": sum(record.details.get("rows", {}).values()),
        "objects": len(plan.going),
        "models": [f"{name}@{number}" for name, number in models],
        "files": [path.relative_to(project.root).as_posix() for path in plan.files],
    }
    with ledger.together():
        strip(ledger, project.objects, held, plan.going)
        for name, number in models:
            ledger.registry.update(name, number, forgotten=record.digest)
            if ledger.registry.aliases(name).get("challenger") == number:
                ledger.registry.set_alias(name, "challenger", None)
        ledger.datasets.forget(record.digest, plain_details(record))
        ledger.audit.append(FORGOTTEN, record.digest, details)
    for digest in sorted(plan.going):
        project.objects.delete(digest)
    for path in plan.files:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    ledger.scrub()


def _empty_slot(project: Project, bundle: str) -> None:
    """Let `rollback` have nothing to go back to."""
    from penstock.serving.slots import read_slots
    from penstock.serving.switching import empty_idle

    before = read_slots(project.serving_state)
    idle = before.slots[before.idle]
    state = empty_idle(project.serving_state, bundle, by="emptied: the version in it is forgotten")
    if state is None or idle is None:  # a release or a watch has begun since, by a server's or another's hand
        raise ProjectError(
            "the slots have changed meanwhile",
            why="what stood by for `rollback` does something else now",
            way_out="run the same command again",
        )
    told = {"version": idle.version, "slot": state.idle, "epoch": state.epoch, "changed_at": state.changed_at}
    project.ledger.audit.append("emptied", idle.model, told)


def _see_it_emptied(project: Project) -> None:
    """Let every server process let go of what the other slot held, also where an earlier try has emptied it and not all had followed."""
    from penstock.serving.acknowledgements import wait_for_epoch
    from penstock.serving.slots import read_slots
    from penstock.serving.switching import prune_bundles

    state = read_slots(project.serving_state)
    if state.live is not None and state.slots[state.idle] is None:
        wait_for_epoch(project.serving_state, state.epoch, timeout_s=30.0)
        prune_bundles(project.serving_state)


def _refuse_in_use(project: Project, record: DatasetRecord) -> None:
    """A version that a project is at, or that the next step of a project reads."""
    datasets = project.ledger.datasets
    for name, head in datasets.heads().items():
        line = datasets.log(head)
        read = line[: 1 + next((i for i, r in enumerate(line) if r.source.get("kind") != "labelled"), len(line) - 1)]
        if record.digest in {r.digest for r in read}:
            raise ProjectError(
                f"the project {name!r} is at the version {record.digest[7:19]}",
                why="its rows are those that the next run reads"
                if record.digest == head
                else "the version that it is at is this one with labelled rows added",
                way_out="take out of the source what is to be forgotten, or decide on its columns (`[privacy.columns]`), and `penstock run`: "
                "that makes the next version; then forget this one",
            )
        own = record.digest in {r.digest for r in line}
        if own and record.source.get("kind") == "labelled" and all(r.source.get("kind") != "labelled" for r in read):
            raise ProjectError(
                f"labelled rows of the version {record.digest[7:19]} are in no later version yet",
                why="they are added to the version that the project is at by the next run",
                way_out="penstock run, then forget it",
            )


def _refuse_deployed(project: Project, held: Held) -> str | None:
    """Models that answer or are about to. One that only waits for a `rollback` is let go: its bundle is given back, if there is one."""
    from penstock.serving.shelf import read_shelf
    from penstock.serving.slots import read_slots

    deploy = "deploy another version first"
    unshelve = "take it from the shelf first (`penstock models unshelve`)"
    places = {entry.bundle: ("stands on the shelf", unshelve) for entry in read_shelf(project.serving_state).entries}
    state, standing_by = read_slots(project.serving_state), None
    for slot, entry in state.slots.items():
        if entry is None:
            continue
        if slot != state.idle or entry.bundle in places:
            places[entry.bundle] = places.get(entry.bundle, (f"stands in the slot {slot}", deploy))
        elif state.release is not None:
            places[entry.bundle] = (
                "is being released",
                "end the release first (`penstock promote` or `penstock rollback`)",
            )
        elif state.watch is not None:
            by_then = "wait until the server has ended the watch, or deploy another version"
            places[entry.bundle] = "stands by while the live version is watched", by_then
        else:
            standing_by = entry.bundle
    bundles = {bundle for bundle, _ in held.models.values()}
    for (name, number), (bundle, _) in sorted(held.models.items()):
        champion = project.ledger.registry.aliases(name).get("champion") == number
        found = places.get(bundle) or (("is the champion", deploy) if champion else None)
        if found is not None:
            where, way_out = found
            raise ProjectError(
                f"{name}@{number} was trained on this version, and {where}",
                why="its bundle holds rows of the version as examples, and would go with it",
                way_out=f"{way_out}; or let it keep what it holds with --keep-models, and forget the version once more when it is replaced",
            )
    return standing_by if standing_by in bundles else None
