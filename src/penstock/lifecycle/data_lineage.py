"""`penstock data lineage`: everything that used a version of the data, and what a version itself came from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from penstock.data.references import Reference, find_version
from penstock.errors import BadParameter, NotFound
from penstock.ledger.access import READ
from penstock.project.workspace import Workspace

if TYPE_CHECKING:
    from penstock.ledger.record import RunRecord

NOT_SEEN = "sealed or left out"
LOOKS = ("data profile", "data quality", "recipe suggest", "data checkout")
"""Verbs that hand out rows, or tell of them, and record no run."""


@dataclass(frozen=True)
class DataLineage:
    """What a version came from, and what was made of it.

    Attributes
    ----------
    comes_from : its source, its ancestors (newest first), and the run that made it.
    later : versions that came of it. runs : that took it, by operation. models : registered versions that were trained on it.
    reports : of its models, of runs that judged one on it, and of looks at how these models do (`penstock monitor`).
    predictions : per model version that it trained: answered rows, first and last instant, from the journal.
    looks : what was told of its rows without a run, such as a profile: verb, who, how often, when last.
    batches : batch jobs that these models answered in this project: run, rows, files, instant.
    row : of one row, where that was asked: the versions that hold it, in which part, and the models that have seen it. Whether a row that
        none has seen is sealed or left out is not told.
    forgotten : who let go of its rows (`who`, `at`, `why`); None: they are stored.
    """

    version: str
    digest: str
    comes_from: dict[str, Any]
    later: list[dict[str, Any]]
    runs: list[dict[str, Any]]
    models: list[dict[str, Any]]
    reports: list[dict[str, Any]]
    predictions: list[dict[str, Any]]
    batches: list[dict[str, Any]]
    looks: list[dict[str, Any]]
    row: dict[str, Any] | None = None
    notes: list[str] = field(default_factory=list)
    forgotten: dict[str, Any] | None = None

    exit_code = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "version": self.version,
            "digest": self.digest,
            "comes_from": self.comes_from,
            "later": self.later,
            "runs": self.runs,
            "models": self.models,
            "reports": self.reports,
            "predictions": self.predictions,
            "batches": self.batches,
            "looks": self.looks,
            "row": self.row,
            "notes": self.notes,
            "forgotten": self.forgotten,
        }

    def to_text(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield self.version
        if self.forgotten is not None:
            why = f": {self.forgotten['why']}" if self.forgotten["why"] else ""
            yield f"forgotten by {self.forgotten['who']} at {self.forgotten['at'][:19].replace('T', ' ')}{why}"
        source = self.comes_from.get("source") or {}
        where = source.get("path") or source.get("place") or ""
        yield f"comes from {where or 'a source that is not named'}"
        if self.comes_from.get("run"):
            yield f"  made by run {self.comes_from['run']}"
        for one in self.comes_from["versions"]:
            yield f"  after {one['version']} ({one['at'][:19].replace('T', ' ')})"
        yield "went into" if self.later or self.runs or self.models else "went into nothing that is recorded"
        for one in self.later:
            yield f"  version {one['version']} ({one['at'][:19].replace('T', ' ')})"
        for one in self.runs:
            yield f"  {one['operation']} {one['run']} ({one['status']})"
        for one in self.models:
            yield f"  model {one['model']}@{one['version']}" + ("" if one["passed"] else " (did not pass)")
        for one in self.reports:
            yield f"  report {one['digest'][7:19]} of {one['of']}"
        for one in self.looks:
            yield f"  {one['verb']} by {one['who']}, last {one['at'][:19].replace('T', ' ')}"
        for one in self.predictions:
            times = f"{one['first_at'][:19]} to {one['last_at'][:19]}".replace("T", " ")
            yield f"  {one['rows']} predictions of {one['model']}@{one['version']}, {times}"
        for one in self.batches:
            by = one["model"] if one["version"] is None else f"{one['model']}@{one['version']}"
            at = one["at"][:19].replace("T", " ")
            yield f"  {one['rows']} predictions of {by} in {one['files']} file(s), batch job {one['run']}, {at}"
        if self.row is not None:
            yield f"row {self.row['key']}: " + ("" if self.row["versions"] else "in no version")
            for one in self.row["versions"]:
                seen = f", seen by {', '.join(one['models'])}" if one["models"] else ""
                yield f"  version {one['version']}: {one['part']}{seen}"
        yield from self.notes


def lineage_of(workspace: Workspace, version: str, *, row: str | None = None) -> DataLineage:
    """The lineage of a version of the data set or of an item.

    A run has used an item where it took its tree, or read a file with the digest of one of its files.

    Parameters
    ----------
    row : value of the key column: which versions of the lineage hold the row, and in which part.

    Raises
    ------
    NotFound : there is no such version. BadParameter : `row` is asked for where no key is declared. AccessError : it is asked for,
        and a version that holds it is restricted to others.
    """
    found = find_version(workspace, version)
    used = _digests(workspace, found)
    ledger = workspace.ledger
    taken = {r.run for r in ledger.ask("SELECT run FROM run_inputs WHERE digest IN :d", {"d": sorted(used)})}
    where = ("r.id IN :taken", {"taken": sorted(taken)})
    records = ledger.runs(where=where, order="r.id") if taken else []
    runs = [{"run": r.id, "operation": r.operation, "status": r.status, "started_at": r.started_at} for r in records]
    models, reports = [], []
    for row_ in ledger.ask("SELECT name, version, run, passed, bundle, report, dataset FROM model_versions"):
        if row_.dataset == found.digest or row_.run in taken:
            one = {"model": row_.name, "version": row_.version, "passed": bool(row_.passed), "bundle": row_.bundle}
            models.append({**one, "run": row_.run})
            if row_.report:
                reports.append({"digest": row_.report, "of": f"{row_.name}@{row_.version}", "run": row_.run})
    known = {report["digest"] for report in reports}
    for record in records:
        kept = record.artifacts.get("report")
        if kept is not None and kept["digest"] not in known:
            reports.append({"digest": kept["digest"], "of": f"{record.operation} {record.id}", "run": record.id})
    notes: list[str] = []
    batches = []
    for record in _later_use(workspace, {m["bundle"] for m in models}):
        if record.operation == "predict":
            told = {name: record.outputs.get(name) for name in ("model", "version", "rows", "files")}
            batches.append({"run": record.id, **told, "at": record.started_at})
        elif (page := record.artifacts.get("page")) is not None:
            reports.append({"digest": page["digest"], "of": f"{record.operation} {record.id}", "run": record.id})
    return DataLineage(
        found.name,
        found.digest,
        _origin(workspace, found),
        later_versions(workspace, found),
        runs,
        sorted(models, key=lambda m: (m["model"], m["version"])),
        reports,
        _predictions(workspace, {(m["model"], m["version"]) for m in models}, notes),
        batches,
        _looks(workspace, found),
        None if row is None else _row(workspace, found, row),
        notes,
        _forgotten(workspace, found),
    )


def _looks(workspace: Workspace, found: Reference) -> list[dict[str, Any]]:
    """Who was told of the rows by a verb that records no run; by verb and account, in the order of their first look."""
    looks: dict[tuple[str, str], dict[str, Any]] = {}
    for event in reversed(workspace.ledger.access.log(found.digest)):  # oldest first
        verb = event.details.get("verb", "")
        if event.what == READ and event.details.get("run") is None and verb in LOOKS:
            one = looks.setdefault((verb, event.who), {"verb": verb, "who": event.who, "times": 0, "at": event.at})
            one["times"], one["at"] = one["times"] + 1, event.at
    return list(looks.values())


def _forgotten(workspace: Workspace, found: Reference) -> dict[str, Any] | None:
    """Who let go of the rows of a version of the data set, when and why."""
    forgetting = workspace.ledger.access.forgetting(found.digest)
    return None if forgetting is None else forgetting.to_json()


def _later_use(workspace: Workspace, bundles: set[str]) -> list[RunRecord]:
    """The runs that let these bundles answer, or looked at how they do, oldest first."""
    ledger = workspace.ledger
    taken = {r.run for r in ledger.ask("SELECT run FROM run_inputs WHERE digest IN :d", {"d": sorted(bundles)})}
    if not taken:
        return []
    where = ("r.id IN :taken AND r.operation IN :used", {"taken": sorted(taken), "used": ["monitor", "predict"]})
    return ledger.runs(where=where, order="r.id")


def _digests(workspace: Workspace, found: Reference) -> set[str]:
    """By which a run may have taken the version."""
    if found.item is None:
        return {found.digest}
    from penstock.objects.tree import read_tree

    try:
        tree = read_tree(workspace.objects, found.digest)
    except NotFound:  # its list is lost: `data verify` tells
        return {found.digest, found.item.content}
    return {found.digest, found.item.content, *(file.digest for file in tree.files.values())}


def _origin(workspace: Workspace, found: Reference) -> dict[str, Any]:
    ledger = workspace.ledger
    if found.item is not None:
        earlier = [v for v in ledger.items.log(found.item.name) if v.number < found.item.number]
        source = {"place": found.item.place, "who": found.item.who, "host": found.item.host, "at": found.item.at}
        return {
            "source": source,
            "run": None,
            "versions": [{"version": v.reference, "digest": v.digest, "at": v.at} for v in earlier],
        }
    line = ledger.datasets.log(found.digest)
    return {
        "source": line[0].source,
        "run": line[0].run,
        "versions": [{"version": r.digest[7:19], "digest": r.digest, "at": r.created_at} for r in line[1:]],
    }


def later_versions(workspace: Workspace, found: Reference) -> list[dict[str, Any]]:
    """The versions that came of one, oldest first: `version`, `digest`, `at`."""
    ledger = workspace.ledger
    if found.item is not None:
        later = [v for v in ledger.items.log(found.item.name) if v.number > found.item.number]
        return [{"version": v.reference, "digest": v.digest, "at": v.at} for v in later]
    below = {found.digest}
    told = []
    for record in reversed(ledger.datasets.log()):  # oldest first: a parent comes before its children
        if record.parent in below:
            below.add(record.digest)
            told.append({"version": record.digest[7:19], "digest": record.digest, "at": record.created_at})
    return told


def _predictions(workspace: Workspace, models: set[tuple[str, int]], notes: list[str]) -> list[dict[str, Any]]:
    """What the journal of this folder says that these models have answered."""
    from penstock.serving.journal import read

    folder = workspace.state / "serving" / "journal"
    if not models:
        return []
    if not folder.is_dir():
        notes.append("no journal of a server lies here: predictions of servers elsewhere are not known")
        return []
    answered: dict[tuple[str, int], dict[str, Any]] = {}
    for record in read(folder, kinds=("predict",)):
        model = (record.model, record.version)
        if model in models:
            at = record.at.isoformat()
            one = answered.setdefault(
                model,
                {"model": model[0], "version": model[1], "rows": 0, "requests": 0, "first_at": at, "last_at": at},
            )
            one["rows"] += len(record.answers)
            one["requests"] += 1
            one["first_at"], one["last_at"] = min(one["first_at"], at), max(one["last_at"], at)
    return [answered[model] for model in sorted(answered)]


def _ask_for(workspace: Workspace, digest: str, name: str) -> None:
    """Whether who asks may know of a row of a version: of one that is forgotten, too, as keyed fingerprints tell."""
    access = workspace.ledger.access
    if workspace.ledger.datasets.get(digest).forgotten_at is not None:
        access.require(digest, name=name, verb="data lineage")
    else:
        access.read(digest, part="row", rows=1, name=name)


def _row(workspace: Workspace, found: Reference, value: str) -> dict[str, Any]:
    """Which versions of the data set hold a row, by its key, and in which part."""
    from penstock.bundle.specs import EncodedColumn
    from penstock.data import fingerprints as prints
    from penstock.data.keys import is_protected, key_hashes, key_hashes_of_frame
    from penstock.data.split import PARTS, TEST
    from penstock.data.versions import load_memory, load_version

    if found.item is not None:
        raise BadParameter(
            f"rows of {found.name} cannot be named",
            why="an item is files: nothing says which column tells its rows apart",
            way_out="compare its versions with `penstock data diff --key COLUMN`, or name a version of the data set",
        )
    if load_version(workspace.objects, found.digest).row_key is None:
        raise BadParameter(
            f"rows of {found.name} cannot be named",
            why="no [data] key is declared: without one a row is its content, and has no name",
            way_out="declare `key` under [data], or look at whole versions",
        )
    told = []
    ledger = workspace.ledger
    _ask_for(workspace, found.digest, found.name)
    secret = ledger.secret("fingerprints")
    wanted = prints.fingerprints(key_hashes(EncodedColumn.of([value])), secret)
    for record in reversed(ledger.datasets.log()):
        version = load_version(workspace.objects, record.digest) if workspace.objects.has(record.digest) else None
        if version is None or version.row_key is None:
            continue
        memory = load_memory(workspace.objects, version)
        present = (memory.row == wanted).all(axis=1)
        if is_protected(version):  # rows of traffic are known by protected keys
            frame, _ = version.keyed(ledger).decoder.decode_rows([{version.row_key: value}])
            own = key_hashes_of_frame(frame, version.row_key)
            if own is not None:
                present |= (memory.row == prints.fingerprints(own, secret)).all(axis=1)
        present &= memory.count > 0
        if not present.any():
            continue
        if record.digest != found.digest:
            _ask_for(workspace, record.digest, record.digest[7:19])
        part = int(memory.part[present.argmax()])
        seen = 0 <= part < TEST
        name = PARTS[part] if seen else NOT_SEEN
        models = [
            f"{m.name}@{m.version}"
            for m in ledger.ask("SELECT name, version, dataset FROM model_versions")
            if seen and m.dataset == record.digest
        ]
        told.append({"version": record.digest[7:19], "digest": record.digest, "part": name, "models": models})
    return {"key": value, "versions": told}
