"""What a version of the data set consists of besides the record that it was: its rows, and what runs have made of them.

Forgetting lets go of the rows, sealed ones too, of what the stages of the pipeline kept of them, and of what records quote. What
stays proves what was: manifest and keyed fingerprints (rows that come again keep their parts), runs with their digests and metrics.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from penstock.data.copies import copies_of_source, copies_read, keeping
from penstock.data.quoting import Readings, checks_of, failures_of, repetitions_of, unsaid
from penstock.data.versions import stays_of, stored_objects
from penstock.errors import NotFound
from penstock.experiments.keeping.needed import needed_objects

if TYPE_CHECKING:
    from penstock.ledger.datasets import DatasetRecord
    from penstock.ledger.ledger import Ledger
    from penstock.ledger.record import RunRecord
    from penstock.objects.store import ObjectStore

MAKING = frozenset({"ingest", "append"})
STAGES = frozenset(
    [
        "recipe",
        "features",
        "search",
        "evaluate",
        "nested",
        "judge",
        "fallback",
        "package",
        "quantised",
        "register",
        "quantise",
        "profile",
        "quality",
        "monitor",
        "deploy",
        "rollback",
        "release",
        "promote",
        "guard",
    ]
)
"""Operations whose artifacts are of the rows that they took, and Penstock's own."""

REPRODUCING = "reproduce"
AROUND = frozenset({"contract", "accept", "privacy", "run", "retrain", "new"})
"""Penstock's other operations on a data set: what they take and make is no script's."""

OWN = STAGES | MAKING | AROUND | {REPRODUCING, "fetch"}
QUOTING = frozenset({"columns", "warnings", "broken", "breaches", "told", "findings", "lines", "differences"})
"""Outputs of runs that may quote values."""


@dataclass
class Held:
    """Where a version is held.

    Attributes
    ----------
    made : runs that made it. used : runs of stages that took it, or what was made of it. scripts : ids of other runs that did.
    fetched : runs that asked a database for it and for no version that stays.
    naming : ids of runs that name what was fetched, and took none of it.
    quoting : runs that hold nothing of it, and whose records may quote it: what failed on it, and repetitions.
    models : (name, version) -> (bundle, report) that were trained on it, and go. kept : of those, the ones that stay.
    """

    made: list[RunRecord] = field(default_factory=list)
    used: list[RunRecord] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    fetched: list[RunRecord] = field(default_factory=list)
    naming: set[str] = field(default_factory=set)
    quoting: list[RunRecord] = field(default_factory=list)
    models: dict[tuple[str, int], tuple[str, str | None]] = field(default_factory=dict)
    kept: dict[tuple[str, int], tuple[str, str | None]] = field(default_factory=dict)

    @property
    def runs(self) -> list[RunRecord]:
        return [*self.made, *self.used, *self.fetched]


def held_in(ledger: Ledger, record: DatasetRecord, *, models: Collection[str], in_use: Collection[str] = ()) -> Held:
    """Every run and model that holds something of a version.

    Parameters
    ----------
    models : names of the models whose versions go, with what was made with them. in_use : digests of texts that are the user's now, as the contract is.
    """
    digest = record.digest
    sets = {row.digest for row in ledger.ask("SELECT digest FROM datasets")}
    held = Held()
    for row in ledger.ask("SELECT * FROM model_versions WHERE dataset = :d", {"d": digest}):
        if row.name in models:
            held.models[row.name, row.version] = (row.bundle, row.report)
        elif not ledger.registry.get(row.name, row.version).is_forgotten:
            held.kept[row.name, row.version] = (row.bundle, row.report)
    beyond = {bundle for bundle, _ in held.kept.values()}
    makers = _ids(ledger, "SELECT run FROM run_outputs WHERE digest IN :d", {digest})
    for run in _records(ledger, makers):
        if run.outputs.get("dataset") == digest and run.operation in (*MAKING, REPRODUCING):
            held.made.append(run)
    known, digests = {run.id for run in held.made}, {digest}
    while digests:
        taking = _ids(ledger, "SELECT run FROM run_inputs WHERE digest IN :d", digests) - known
        before = len(held.used)
        for run in _records(ledger, taking):
            known.add(run.id)
            others = {one for one in run.inputs.values() if isinstance(one, str) and one in sets} - {digest}
            if others or run.operation in MAKING:
                continue  # it is of another version, though it took something that is the same
            if run.operation not in STAGES and run.operation != REPRODUCING:
                held.scripts.append(run.id)
                continue
            held.used.append(run)
        digests = _kept_by(ledger, held.used[before:]) - sets - beyond
    readings = Readings(ledger, record, held.made)
    held.used += [run for run in checks_of(ledger, readings, in_use) if run.id not in known]
    _find_fetched(ledger, held)
    held.quoting = failures_of(ledger, readings, held.runs, operations=OWN, making=MAKING)
    held.quoting += repetitions_of(ledger, [*held.runs, *held.quoting])
    return held


def _find_fetched(ledger: Ledger, held: Held) -> None:
    """Fetches whose answers only these ingests took; that a contract was held against them keeps none."""
    own = {
        digest for run in held.made for digest in (run.inputs.get("fetched") or {}).values() if isinstance(digest, str)
    }
    if not own:
        return
    ours = {run.id for run in held.made}
    taking = _records(ledger, _ids(ledger, "SELECT run FROM run_inputs WHERE digest IN :d", own) - ours)
    for run in taking:
        if run.operation in MAKING:
            own -= set(run.inputs.get("fetched", {}).values())
    held.fetched = [run for run in ledger.runs("fetch", deleted=None) if run.outputs.get("snapshot") in own]
    held.naming = {run.id for run in taking if run.operation not in MAKING}


def objects_held(
    ledger: Ledger, objects: ObjectStore, record: DatasetRecord, held: Held, *, copy: bool = False
) -> set[str]:
    """Digests of the stored objects that nothing but the version, and what was made of it, needs; those of the models too that go.

    What a script or a batch job took is named by it, and not needed; what it wrote is. `copy`: copies of the files that it was read
    from go, too, where versions that stay were read from them.

    Raises
    ------
    DamagedStore : a list of objects is damaged, so that what others need cannot be told.
    """
    found = stored_objects(objects, record.digest) - stays_of(objects, record.digest)
    if record.source.get("kind") == "labelled":
        found.add(record.source["rows"])
    found |= _kept_by(ledger, [*held.used, *held.fetched])
    for bundle, report in held.models.values():
        found |= {bundle, *_listed(objects, bundle)} | ({report} if report else set())
    trained = ledger.ask("SELECT name, version FROM model_versions WHERE dataset = :d", {"d": record.digest})
    gone = {
        (row.name, row.version) for row in trained
    } - held.kept.keys()  # also those that another project let go of before
    own, scripts = _operations(ledger)
    copies = copies_of_source(ledger, objects, record, own)
    scripts |= set(held.scripts)
    others = needed_objects(
        ledger, objects,
        without={*held.naming, *(run.id for run in held.runs)}, naming=scripts, forgotten=(record.digest,), models=gone,
    )  # fmt: skip
    going = (found | copies) - others
    if copies - going and copy:  # versions name what they were read from, and need nothing of it
        versions = [row.digest for row in ledger.ask("SELECT digest FROM datasets")]
        going |= copies - needed_objects(ledger, objects, without=own, naming=scripts, forgotten=versions)
    going |= copies_read(ledger, objects, going) - others
    return {digest for digest in going if objects.has(digest)}


def stored_copies(ledger: Ledger, objects: ObjectStore, record: DatasetRecord) -> set[str]:
    """Digests of the files that it was read from, as far as they are stored: by runs of scripts, or as data items."""
    return copies_of_source(ledger, objects, record, _operations(ledger)[0])


def _operations(ledger: Ledger) -> tuple[set[str], set[str]]:
    """Ids of the runs that are Penstock's own, and of the others."""
    own, others = set[str](), set[str]()
    for row in ledger.ask("SELECT id, operation FROM runs"):
        (own if row.operation in OWN else others).add(row.id)
    return own, others


def strip(ledger: Ledger, objects: ObjectStore, held: Held, going: Collection[str]) -> None:
    """Let the records of runs say nothing of the rows, and have none of the artifacts that are `going`, or are gone."""
    for run in held.runs:
        outputs = {name: _unquoted(name, value) for name, value in run.outputs.items()}
        outputs.pop("objects", None)
        gone = [n for n, kept in run.artifacts.items() if kept["digest"] in going or not objects.has(kept["digest"])]
        ledger.strip(run.id, artifacts=() if run in held.made else gone, outputs=outputs, error=unsaid(run.error))
    for run in held.quoting:
        outputs = {name: _unquoted(name, value) for name, value in run.outputs.items()}
        ledger.strip(run.id, outputs=outputs, error=unsaid(run.error), key=run.key)
    for run in _records(ledger, keeping(ledger, objects, going)):
        ledger.strip(run.id, artifacts=["inputs"], outputs=run.outputs, error=run.error, key=run.key)


def plain_details(record: DatasetRecord) -> dict[str, Any]:
    """What may still be told of a version: names and kinds of columns, numbers of rows, who decided what; no word that quotes a value."""
    return {name: _unquoted(name, value) for name, value in record.details.items()}


def _unquoted(name: str, value: Any) -> Any:
    if name == "refits":
        return [{**one, "error": ""} for one in value]
    if name not in QUOTING:
        return value
    if name == "columns" and isinstance(value, list):
        return [{**one, "why": "", "warnings": []} if isinstance(one, dict) else one for one in value]
    return type(value)() if isinstance(value, (list, dict, str)) else value


def _listed(objects: ObjectStore, bundle: str) -> set[str]:
    """Digests of the files of a bundle."""
    import json

    try:
        return {entry["digest"] for entry in json.loads(objects.get(bundle))["files"].values()}
    except NotFound:
        return set()


def _kept_by(ledger: Ledger, runs: Iterable[RunRecord]) -> set[str]:
    """Digests of all that runs gave, also of what they have no more."""
    ids = sorted(run.id for run in runs)
    return (
        {row.digest for row in ledger.ask("SELECT digest FROM run_outputs WHERE run IN :d", {"d": ids})}
        if ids
        else set()
    )


def _ids(ledger: Ledger, query: str, digests: set[str]) -> set[str]:
    return {row.run for row in ledger.ask(query, {"d": sorted(digests)})}


def _records(ledger: Ledger, ids: set[str]) -> list[RunRecord]:
    where = ("r.id IN :taken", {"taken": sorted(ids)})
    return ledger.runs(deleted=None, where=where, order="r.id") if ids else []
