"""From a source to a version of a data set: read, deal, infer, decode, seal, store; recorded in the ledger last of all.

The source is read twice, batch by batch: first what every row is known by, then, when the parts are dealt and the decoder is
inferred, its values. In memory are a batch, some tens of bytes a row, and a sample of rows; where that holds all rows, it
spares the second reading.

Whatever happens before the last step leaves nothing that can be seen: objects without a manifest that names them.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from penstock.bundle.history import Past
from penstock.bundle.kinds import Kind, Task
from penstock.bundle.specs import Label
from penstock.data import fingerprints as prints
from penstock.data import ingest_told
from penstock.data.changes import VersionDiff, diff_of
from penstock.data.dealing import Dealer, Dealt, columns_needed
from penstock.data.gather import Gathered, Gatherer
from penstock.data.growing import CannotGrow, FilesOf, Growth
from penstock.data.history import finding_of, looked_back, needed, thin_past, with_history
from penstock.data.infer import check_names
from penstock.data.infer_gathered import infer_gathered
from penstock.data.lineages import redealt_from
from penstock.data.memory import RowMemory, give_back
from penstock.data.outcomes import leave_out_unknown_classes, outcomes_of
from penstock.data.privacy.applying import (
    NONE,
    Decisions,
    check_decisions,
)
from penstock.data.privacy.survey import refuse_undecided, survey_batches, undecided
from penstock.data.redeal import Earlier
from penstock.data.request import Request
from penstock.data.result import IngestResult
from penstock.data.seal import opened_envelopes, stored_rows
from penstock.data.second_reading import Rows, changed_source, store_rows, writer_like
from penstock.data.source import Source, joined_columns
from penstock.data.split import TEST, SplitSettings, distinct
from penstock.data.store import (
    finish,
    first_new_envelope,
    manifest_of,
    next_envelopes,
    store_memory,
)
from penstock.data.versions import DatasetVersion, load_memory, load_version
from penstock.data.writing import NOT_SAID, Writing
from penstock.errors import Forgotten, NotFound, SourceError
from penstock.ledger.access import MADE_AGAIN
from penstock.ledger.datasets import DatasetRecord
from penstock.ledger.ledger import Ledger
from penstock.objects.store import ObjectStore

LOCK_WAIT_S = 3600.0


def ingest(
    ledger: Ledger,
    objects: ObjectStore,
    *,
    source: Source,
    target: str,
    split: SplitSettings | None = None,
    task: Task | None = None,
    kinds: Mapping[str, Kind] | None = None,
    missing: tuple[str, ...] | None = None,
    drop: tuple[str, ...] = (),
    positive: Label | None = None,
    key: str | None = None,
    history: tuple[Past, ...] = (),
    privacy: Decisions = NONE,
    writing: Writing = NOT_SAID,
    project: str = "",
    run: str | None = None,
    again: bool = False,
    redeals: str | None = None,
    files_of: FilesOf | None = None,
    anew: str | None = None,
) -> IngestResult:
    """Make a data-set version of a source, and let the project be at it.

    The same content and options give the same version (with the labelled rows that were added to it since). Where the
    project is at a version already, and target and split settings are the same, that one becomes the parent: rows that it
    knows keep their parts, its decoder is kept for its columns unless the options changed, and what changed is told. Where
    they are not the same, all rows are dealt anew; none that trained, validated or was opened before is sealed then.

    Parameters
    ----------
    task, kinds, missing, positive : taken instead of what would be inferred. drop : columns that are not kept.
    key : the column that says which row is which: a row keeps its part whatever else of it is corrected.
    history : columns that look back at earlier rows; they stand behind those of the source.
    privacy : what becomes of personal columns; where others are found, no version is made.
    writing : how dates and numbers are written, where the user says it.
    project : whose head moves. run : id of the run that does this.
    again : work it all out again, even where the version is known (to reproduce it); the head stays.
    redeals : with `again`: digest of the version whose rows were dealt anew; else the head tells.
    files_of : which files a version was made of: where a folder has only grown, what it held before is not read again.
    anew : why a version that was forgotten is made again; it goes into the audit trail.

    Raises
    ------
    SourceError, TargetError, SchemaMismatch : the source or what was said about it cannot be used; nothing is recorded.
    PrivacyUndecided : a column is personal and `privacy` says nothing of it; nothing is recorded.
    Forgotten : the same bytes and options made a version that was forgotten, and `anew` does not say why it is made again.
    StoreFull : no space is left; nothing is recorded.
    """
    check_names(source.names, target, (*(kinds or {}), *drop))  # says best what is wrong with a source
    check_names(source.names, target, sorted(writing.names), where="[data] formats, timezone, decimal or thousands")
    check_decisions(source.names, target, privacy)
    digest, split = source.digest(), split or SplitSettings()
    with ledger.lock(f"ingest {project}", wait_s=LOCK_WAIT_S):
        head = ledger.datasets.head(project)
        if not again:
            redeals = redealt_from(objects, head, target, split.to_json())
        request = Request(
            digest,
            source.options,
            target,
            split,
            task,
            kinds or {},
            missing,
            drop,
            positive,
            redeals,
            key,
            history,
            privacy.actions,
            writing,
        )
        record, forgotten = _known(ledger, objects, request), None
        if record is not None and record.forgotten_at is not None:
            _refuse_forgotten(ledger, record, None if again else anew)
            record, forgotten = None, record
        if record is not None and not again:
            current = head if head is not None and _source_version(objects, head) == record.digest else record.digest
            if head != current:
                ledger.datasets.set_head(project, current)
            return IngestResult.of(load_version(objects, current), record.details, known=True)
        parent = (record.parent if again else None) if record is not None else head
        old = load_version(objects, parent).keyed(ledger) if parent is not None else None
        made = load_version(objects, record.digest) if record is not None else None
        as_of = record.created_at if record is not None else None
        work = _Work(ledger, objects, request, source, old, as_of, made, privacy, stops=not again, files_of=files_of)
        version, details = work.do()
        if source.digest() != digest:
            raise changed_source(source)
        finish(
            ledger, objects, version, source={**source.origin, **request.how, "digest": digest},
            details=details, project=None if again else project, run=run,
            replaces=None if again or work.earlier is None else work.earlier.version,
            first_new=None if again else work.first_new or None,  # a first version has none but its own
        )  # fmt: skip
        if forgotten is not None:
            told = {"why": anew, "version": forgotten.digest, "run": run}
            ledger.audit.append(MADE_AGAIN, version.digest, told)
        return IngestResult.of(version, details, known=False)


def _refuse_forgotten(ledger: Ledger, record: DatasetRecord, anew: str | None) -> None:
    """A version that was forgotten is not made again unless somebody says why."""
    if anew:
        return
    try:
        ledger.access.refuse_forgotten(record.digest)
    except Forgotten as error:
        error.why += "; the same source and decisions would make it again"
        error.way_out = (
            "change the source or the decisions, so that they make another version; or, where it is meant to come back, say why: "
            'penstock run --bring-back "REASON"'
        )
        raise


def _known(ledger: Ledger, objects: ObjectStore, request: Request) -> DatasetRecord | None:
    """The newest version of the same bytes and options, if its manifest is still stored; one that is forgotten where all are."""
    found = [r for r in ledger.datasets.log() if r.details.get("request") == request.key and objects.has(r.digest)]
    return next((r for r in found if r.forgotten_at is None), found[0] if found else None)


def _source_version(objects: ObjectStore, digest: str) -> str:
    """The version to which labelled rows were added to make this one; itself, if none were."""
    version = load_version(objects, digest)
    while version.appended_rows and version.parent is not None:
        version = load_version(objects, version.parent)
    return version.digest


@dataclass
class _Work:
    """One ingest, step by step."""

    ledger: Ledger
    objects: ObjectStore
    request: Request
    source: Source
    old: DatasetVersion | None
    as_of: str | None
    made: DatasetVersion | None = None  # the same version as it was made before
    privacy: Decisions = NONE
    stops: bool = True
    files_of: FilesOf | None = None
    warnings: list[str] = field(default_factory=list)
    unreadable: dict[str, int] = field(default_factory=dict)  # column -> training rows with a value that cannot be read
    earlier: Earlier | None = None
    first_new: int = 0  # number of the first envelope that no version of the lineage has had yet

    def do(self) -> tuple[DatasetVersion, dict[str, Any]]:
        parent = self._parent_of_lineage()
        if self.files_of is not None and parent is not None:
            grown = Growth.of(self.ledger, self.objects, parent, self.source, self.request, self.files_of)
            if grown is not None:
                with suppress(CannotGrow, SourceError):  # what is wrong with a file is said best when all are read
                    return self._make(grown)
                self.warnings.clear()
        return self._make(None)

    def _make(self, grown: Growth | None) -> tuple[DatasetVersion, dict[str, Any]]:
        request, source = self.request, self.source if grown is None else grown.source
        names = source.names
        split, keep = request.split, (request.target, *columns_needed(names, request))
        keep = tuple(dict.fromkeys((*keep, *needed(request.history, names, request.drop))))
        no_part_of_rows = {
            request.target,
            *request.drop,
            split.says_part or request.target,
            *joined_columns(self.source),
        }
        groups = {split.column or ""} if split.how == "group" else set()
        key = self.ledger.secret("fingerprints")
        parent = self._parent_of_lineage()
        memory = load_memory(self.objects, parent) if parent else None
        self.first_new = first_new_envelope(self.ledger, parent, memory, made=self.made)
        if self.old is not None and parent is None:
            self.earlier = Earlier.of(self.ledger, self.objects, self.old, as_of=self.as_of)
        opened = frozenset(opened_envelopes(self.ledger, parent.lineage, as_of=self.as_of) if parent else ())
        gatherer = Gatherer(
            source, keep, frozenset(no_part_of_rows - groups), frozenset({*request.kinds, *groups, *request.writing.names}), key,
            parent, memory, self.earlier, request.row_key, None if grown is not None else partial(stored_rows, self.ledger, self.objects),
            opened,
        )  # fmt: skip
        gathered = gatherer.gather()
        remembered = memory
        if (remnants := gathered.remnants) is not None and memory is not None:
            remembered = remnants.joined(memory)
            self.warnings += remnants.told()
            gathered = replace(gathered, remnants=None)
        del remnants  # of many rows it is much
        del gatherer
        give_back()
        personal = self._personal(gathered, grown)
        target = gathered.kept[request.target].encoded()

        if grown is None:
            labelled, outcomes = outcomes_of(target, request, self.warnings)
        else:
            labelled, outcomes = grown.outcomes(target, self.warnings)
        if self.old is not None and self.old.appended_rows:
            self.warnings.append(
                f"{self.old.appended_rows} labelled rows had been added to the version before; the source does not hold them"
            )
        dealt = Dealer(gathered, request, key, parent, memory, self.warnings, opened).deal(labelled, outcomes)
        parts, twins_apart = dealt.part, dealt.twins_apart
        if self.old is not None and parent is None:
            self.warnings += ingest_told.of_redealing(self.old, request, parts)

        # Hints among them: none of their values is told. Of a column that is only said to be kept nothing was found.
        quiet = frozenset(one["column"] for one in personal if one.keys() - {"column", "action"})
        if grown is None:
            found = infer_gathered(self.ledger, request, self.privacy, gathered, target, parts, parent)
            found = replace(found, columns=tuple(one.quiet() if one.name in quiet else one for one in found.columns))
        else:
            found = grown.inference(gathered.sample, parts, gathered.n_rows)
        y, _ = found.decoder.decode_target_columns(target)
        leave_out_unknown_classes(y, parts, found.decoder.target, self.warnings)
        self.warnings += ingest_told.of_empty_parts(split, parts)
        envelope = self._envelopes(dealt, outcomes, parent)
        decoder = with_history(found.decoder, request.history) if request.history else found.decoder
        self.warnings += ingest_told.of_traffic(decoder, split)
        self.warnings += thin_past(request.history, request.split.by, parts)
        behind = looked_back(decoder, gathered.batches_of_kept(), y, parts)
        known_by, columns = {"row": dealt.row, "group": dealt.group[:, 0]}, dealt.columns
        gathered = gathered.dealt()
        del dealt, outcomes, labelled, target  # of many rows each is much
        memory, remembered = _without_index(memory), _without_index(remembered)
        give_back()

        lineage = parent.lineage if parent else request.key
        rows = Rows(y, parts, envelope, behind)
        followed, exactly = self.made or self._parent_of_lineage(), self.made is not None
        writer = writer_like(self.ledger, self.objects, lineage, followed, exactly=exactly)
        if grown is not None:
            grown.give(writer)
        content, unreadable = store_rows(source, gathered, decoder, rows, key, writer)
        unreadable.refuse_lost(quiet)
        self.warnings += unreadable.told(quiet)
        self.unreadable = unreadable.training if grown is None else grown.unreadable(unreadable.training)
        stored = writer.close()
        give_back()
        of_target = [prints.value_hashes(part, key) for part in gathered.kept[request.target].parts()]
        n_rows = gathered.n_rows + (0 if grown is None else grown.n_rows)
        del gathered, behind, y, rows
        known_by |= {"content": content, "target": np.concatenate(of_target), "part": parts, "envelope": envelope}
        del content, of_target, envelope
        now = RowMemory.grouped(known_by)
        if memory is not None and remembered is not None:
            now = now if grown is None else grown.remembering(now, memory)
            now = RowMemory.joined(now, remembered.remembered())
            give_back()
        if self.earlier is not None:
            same_groups = self.earlier.version.split.by == request.split.by
            now = RowMemory.joined(now, self.earlier.seen_beyond(now, same_groups=same_groups))
        version = DatasetVersion(
            manifest_of(
                stored, parts, self._remember(now, parent, memory), more={} if grown is None else grown.rows,
                lineage=lineage, decoder=decoder, split=request.split, fingerprint_columns=columns,
                parent=self.old.digest if self.old else None, redealt_from=request.redeals, row_key=request.row_key, twins_apart=twins_apart,
                source={"digest": request.source, "how": request.how, "rows": n_rows},
            )
        )  # fmt: skip
        version.save(self.objects)
        give_back()
        changes = self._diff(version, now, memory)
        details = {
            "request": request.key,
            "base": request.base,
            "columns": [finding.to_json() for finding in (*found.columns, *map(finding_of, request.history))],
            "why_task": found.why_task,
            "read_why": list(self.source.why),
            "rows": version.rows,
            "diff": None if changes is None else changes.to_json(),
            "warnings": [*found.warnings, *self.warnings],
            "unreadable": self.unreadable,
            **({"personal": personal} if personal else {}),
        }
        return version, details

    def _personal(self, gathered: Gathered, grown: Growth | None) -> list[dict[str, Any]]:
        """What is found of personal data, and what becomes of it; it ends here where that is not decided."""
        request, decided = self.request, self.privacy
        found = survey_batches(self.source.names, gathered.sample.batches, off=decided.off)
        if self.stops:
            refuse_undecided(undecided(found, decided.names, request.drop), request.target)
        told = {one.name: one.to_json() for one in found if one.name not in request.drop}
        told = told if grown is None else grown.personal(told)
        done = {**decided.actions, **dict.fromkeys(decided.kept, "keep")}
        return [
            {**told.get(name, {"column": name}), "action": done.get(name, "")}
            for name in self.source.names
            if name in told or name in done
        ]

    def _remember(
        self, now: RowMemory, parent: DatasetVersion | None, memory: RowMemory | None
    ) -> str | list[dict[str, Any]]:
        """Store what the version remembers, cut as before where it is made again, else like that of its parent."""
        if self.made is not None:
            try:
                before = load_memory(self.objects, self.made)
            except NotFound:  # it is lost, and made again: cut as it was at first
                return store_memory(self.objects, now, parent, memory)
            return store_memory(self.objects, now, self.made, before, exactly=True)
        return store_memory(self.objects, now, parent, memory)

    def _parent_of_lineage(self) -> DatasetVersion | None:
        """The old version, where its rows' parts may be kept."""
        old = self.old
        if old is None:
            return None
        if (old.target.name, old.split) == (self.request.target, self.request.split):
            return old
        return None

    def _envelopes(self, dealt: Dealt, strata: np.ndarray, parent: DatasetVersion | None) -> np.ndarray:
        """The envelope of each test row, -1 for all others: int16, shape (n,)."""
        envelope = np.where(dealt.part == TEST, dealt.envelope, np.int16(-1))
        new = np.flatnonzero((dealt.part == TEST) & (envelope < 0) & (dealt.block < 0))
        if len(new):
            first, codes, _ = distinct(dealt.units[new])  # rows that are alike share one, whatever their strata are
            alike = strata[new][first][codes]
            envelope[new] = next_envelopes(
                self.ledger, dealt.units[new], alike, self.request.split, parent, first=self.first_new, as_of=self.as_of
            )
        in_blocks = (dealt.part == TEST) & (dealt.block >= 0)
        envelope[in_blocks] = self.first_new + dealt.block[in_blocks]
        return envelope

    def _diff(self, version: DatasetVersion, now: RowMemory, memory: RowMemory | None) -> VersionDiff | None:
        if self.old is None:
            return None
        try:
            before = load_memory(self.objects, self.old) if memory is None else memory
            return diff_of(self.old, before, version, now)
        except NotFound:
            self.warnings.append("the fingerprints of the version before are lost: what changed is not known")
            return None


def _without_index(memory: RowMemory | None) -> RowMemory | None:
    return None if memory is None else memory.without_index()
