"""Runs that quote rows of a version of the data set though they took none of it: checks of its source, what failed on it, repetitions.

A check against the contract is a run with a source and a text: no data set is in it yet. Which version it was of is told by how the source
was read: by the ingest that read the same source under the same decisions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from penstock.objects.digests import canonical_json

if TYPE_CHECKING:
    from penstock.ledger.datasets import DatasetRecord
    from penstock.ledger.ledger import Ledger
    from penstock.ledger.record import RunRecord


class Readings:
    """How sources were read, for which versions.

    Attributes
    ----------
    source : digest of what the version was read from. projects : that made it. known : readings that a version was made of.
    others : those of versions that stay, and their `sources`.
    """

    def __init__(self, ledger: Ledger, record: DatasetRecord, made: Iterable[RunRecord]) -> None:
        kept = {row.digest for row in ledger.ask("SELECT digest FROM datasets WHERE forgotten_at IS NULL")}
        kept -= {record.digest}
        ingests = ledger.runs("ingest", deleted=None)
        self.record = record
        self.source = record.source.get("digest")
        self.projects = {run.project for run in made}
        self.known = {reading_of(run) for run in ingests if run.outputs.get("dataset")}
        self.others = {reading_of(run) for run in ingests if run.outputs.get("dataset") in kept}
        self.sources = {source for source, _ in self.others}


def reading_of(run: RunRecord) -> tuple[str, bytes]:
    """The source of a run, and what was decided of its personal columns."""
    return str(run.inputs.get("source")), canonical_json(run.params.get("privacy", {}))


def checks_of(ledger: Ledger, readings: Readings, in_use: Collection[str]) -> list[RunRecord]:
    """Checks of its source against a contract, of deliveries that no version was made of, and of whatever with a contract of its rows.

    Such a contract was inferred from its source, or held against its rows before all others. A check that passed quotes nothing: it
    stays as long as its contract is `in_use`.
    """
    taking = "r.id IN (SELECT run FROM run_inputs WHERE name = :name)"
    runs = ledger.runs(deleted=None, where=(taking, {"name": "contract"}), order="r.id")
    texts, seen, gone = set[str](), set[str](), readings.known - readings.others
    for run in runs:
        text, reading = str(run.inputs["contract"]), reading_of(run)
        inferred = run.outputs.get("inferred") and reading[0] == readings.source
        if inferred or (text not in seen and reading in gone):
            texts.add(text)
        if reading in readings.known:
            seen.add(text)
    texts -= set(in_use)
    return [run for run in runs if run.inputs["contract"] in texts or _is_own(run, readings, in_use)]


def _is_own(run: RunRecord, readings: Readings, in_use: Collection[str]) -> bool:
    """Whether a check is of the version, or of a delivery that no version was made of, and says more than that all is well."""
    source, reading = run.inputs.get("source"), reading_of(run)
    if run.project not in readings.projects or (run.outputs.get("passed") and run.inputs["contract"] in in_use):
        return False
    if run.operation == "accept":  # which looks at a file, whatever is decided
        return source == readings.source or source not in readings.sources
    return run.operation in ("contract", "reproduce") and reading not in readings.others


def failures_of(
    ledger: Ledger, readings: Readings, runs: Collection[RunRecord], *, operations: Collection[str], making: Collection[str]
) -> list[RunRecord]:  # fmt: skip
    """Runs that failed on its rows beside `runs`, which are known to have them: their messages may quote some.

    They tried to make it, or a version of a source that none was made of; or a step of theirs is among `runs`, or failed with the
    very message of one.
    """
    record, own = readings.record, {run.id for run in runs}
    where = ("r.error IS NOT NULL AND r.operation IN :own", {"own": sorted(operations)})
    failed = [run for run in ledger.runs(deleted=None, where=where) if run.id not in own]
    bases = {record.digest}
    if record.source.get("kind") == "labelled" and record.parent is not None:  # what was to become it was added to that
        bases.add(record.parent)
        own |= {run for run in (ledger.datasets.get(record.parent).run,) if run}
    found = []
    for run in failed:
        source = run.inputs.get("source")
        new = isinstance(source, str) and reading_of(run) not in readings.others and run.project in readings.projects
        if run.operation in making and (new or bases & {one for one in run.inputs.values() if isinstance(one, str)}):
            found.append(run)
    own |= {run.id for run in found}
    said = {canonical_json(run.error) for run in (*runs, *found) if run.error}
    for run in failed:
        steps = {step["run"] for step in run.outputs.get("steps", ())}
        if run.id not in own and (steps & own or canonical_json(run.error) in said):
            found.append(run)
    return found


def repetitions_of(ledger: Ledger, runs: Iterable[RunRecord]) -> list[RunRecord]:
    """What `reproduce` said of runs, or of pipelines that they are steps of: it quotes outputs that differ."""
    own = {run.id for run in runs}
    whole = [run for run in ledger.runs("reproduce", deleted=None) if run.id not in own]
    ids = sorted({str(run.inputs.get("reproduces")) for run in whole})
    again = ledger.runs(deleted=None, where=("r.id IN :ids", {"ids": ids})) if ids else []
    own |= {run.id for run in again if {step["run"] for step in run.outputs.get("steps", ())} & own}
    return [run for run in whole if run.inputs.get("reproduces") in own]


def unsaid(error: dict[str, Any] | None) -> dict[str, Any] | None:
    """An error of which only the code is told.

    >>> unsaid({"code": "source", "what": "row 3 says 'Anna'", "why": "...", "try": "..."})["code"]
    'source'
    """
    if error is None:
        return None
    return {
        "code": error.get("code"),
        "what": "its message is gone, as it may have quoted rows",
        "why": "the version of the data set that it was about is forgotten",
        "try": "penstock data log",
    }
