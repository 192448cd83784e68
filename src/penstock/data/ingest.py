"""From a file to a version of a data set: read, deal, infer, decode, seal, store; recorded in the ledger last of all.

Whatever happens before the last step leaves nothing that can be seen: objects without a manifest that names them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from penstock.bundle.decoder import ColumnSpec, Decoder, Problem, TargetSpec
from penstock.bundle.kinds import INPUT_KINDS, Kind, Task
from penstock.bundle.specs import Label
from penstock.data import fingerprints as prints
from penstock.data.dealing import Dealer, Dealt
from penstock.data.evidence import Evidence
from penstock.data.infer import Inference, check_names, infer
from penstock.data.kinds import ColumnFinding
from penstock.data.lineages import redealt_from
from penstock.data.memory import RowMemory
from penstock.data.redeal import Earlier
from penstock.data.request import Request
from penstock.data.sources import SourceTable, read
from penstock.data.split import LEFT_OUT, PARTS, TEST, TRAIN, VALID, SplitSettings, distinct
from penstock.data.store import finish, next_envelopes, store_rows
from penstock.data.target import infer_target
from penstock.data.versions import DatasetVersion, VersionDiff, diff_of, load_memory, load_version
from penstock.errors import NotFound
from penstock.ledger.datasets import DatasetRecord
from penstock.ledger.ledger import Ledger
from penstock.objects.files import sha256_file
from penstock.objects.store import ObjectStore
from penstock.objects.tabular import DEFAULTS, ReadOptions, changed_while_read, detect

STRATA_OF_NUMBERS = 10
LOCK_WAIT_S = 3600.0


@dataclass(frozen=True)
class IngestResult:
    """What came of reading a source.

    Attributes
    ----------
    version : the data-set version. known : it was there already, from the same bytes and options.
    columns : what was found of each column, and why. task, why_task : what is predicted, and why so.
    read_why : what was detected of the file's form.
    diff : what changed from the parent; None without one.
    warnings : what a person should look at.
    """

    version: DatasetVersion
    columns: tuple[ColumnFinding, ...]
    task: Task
    why_task: str
    read_why: tuple[str, ...]
    diff: dict[str, Any] | None
    warnings: tuple[str, ...]
    known: bool = False

    @property
    def rows(self) -> dict[str, int]:
        """Rows of each part."""
        return {part: self.version.rows[part] for part in PARTS}


def ingest(
    ledger: Ledger,
    objects: ObjectStore,
    *,
    path: str | Path,
    target: str,
    options: ReadOptions = DEFAULTS,
    split: SplitSettings | None = None,
    task: Task | None = None,
    kinds: Mapping[str, Kind] | None = None,
    missing: tuple[str, ...] | None = None,
    drop: tuple[str, ...] = (),
    positive: Label | None = None,
    project: str = "",
    run: str | None = None,
    again: bool = False,
    redeals: str | None = None,
) -> IngestResult:
    """Make a data-set version of a file, and let the project be at it.

    The same bytes and options give the same version (with the labelled rows that were added to it since). Where the
    project is at a version already, and target and split settings are the same, that one becomes the parent: rows that it
    knows keep their parts, its decoder is kept for its columns unless the options changed, and what changed is told. Where
    they are not the same, all rows are dealt anew; none that trained, validated or was opened before is sealed then.

    Parameters
    ----------
    task, kinds, missing, positive : taken instead of what would be inferred. drop : columns that are not kept.
    project : whose head moves. run : id of the run that does this.
    again : work it all out again, even where the version is known (to reproduce it); the head stays.
    redeals : with `again`: digest of the version whose rows were dealt anew; else the head tells.

    Raises
    ------
    SourceError, TargetError, SchemaMismatch : the file or what was said about it cannot be used; nothing is recorded.
    StoreFull : no space is left; nothing is recorded.
    """
    path = Path(path)
    detect(path, options)  # says best what is wrong with a path
    source, split = sha256_file(path), split or SplitSettings()
    with ledger.lock(f"ingest {project}", wait_s=LOCK_WAIT_S):
        head = ledger.datasets.head(project)
        if not again:
            redeals = redealt_from(objects, head, target, split.to_json())
        request = Request(source, options, target, split, task, kinds or {}, missing, drop, positive, redeals)
        record = _known(ledger, objects, request)
        if record is not None and not again:
            current = head if head is not None and _source_version(objects, head) == record.digest else record.digest
            if head != current:
                ledger.datasets.set_head(project, current)
            return _result(load_version(objects, current), record.details, known=True)
        parent = (record.parent if again else None) if record is not None else head
        old = load_version(objects, parent) if parent is not None else None
        table = read(path, options)
        if table.digest != request.source:
            raise changed_while_read(path)
        work = _Work(ledger, objects, request, table, old, record.created_at if record is not None else None)
        version, details = work.do()
        finish(
            ledger, objects, version, source={"path": str(path), **request.how, "digest": request.source},
            details=details, project=None if again else project, run=run,
            replaces=None if again or work.earlier is None else work.earlier.version,
        )  # fmt: skip
        return _result(version, details, known=False)


def _known(ledger: Ledger, objects: ObjectStore, request: Request) -> DatasetRecord | None:
    """The newest version of the same bytes and options, if its manifest is still stored."""
    for record in ledger.datasets.log():
        if record.details.get("request") == request.key and objects.has(record.digest):
            return record
    return None


def _source_version(objects: ObjectStore, digest: str) -> str:
    """The version to which labelled rows were added to make this one; itself, if none were."""
    version = load_version(objects, digest)
    while version.appended_rows and version.parent is not None:
        version = load_version(objects, version.parent)
    return version.digest


def _result(version: DatasetVersion, details: Mapping[str, Any], *, known: bool) -> IngestResult:
    columns = tuple(
        ColumnFinding(c["name"], Kind(c["kind"]), c["why"], tuple(c["warnings"])) for c in details["columns"]
    )
    return IngestResult(
        version,
        columns,
        version.target.task,
        details["why_task"],
        tuple(details["read_why"]),
        details["diff"],
        tuple(details["warnings"]),
        known,
    )


@dataclass
class _Work:
    """One ingest, step by step."""

    ledger: Ledger
    objects: ObjectStore
    request: Request
    table: SourceTable
    old: DatasetVersion | None
    as_of: str | None
    warnings: list[str] = field(default_factory=list)
    earlier: Earlier | None = None

    def do(self) -> tuple[DatasetVersion, dict[str, Any]]:
        request, table = self.request, self.table
        check_names(table.columns, request.target, (*request.kinds, *request.drop))
        key = self.ledger.secret("fingerprints")
        parent = self._parent_of_lineage()
        labelled, outcomes = self._outcomes()
        if self.old is not None and self.old.appended_rows:
            self.warnings.append(
                f"{self.old.appended_rows} labelled rows had been added to the version before; the source does not hold them"
            )
        memory = load_memory(self.objects, parent) if parent else None
        if self.old is not None and parent is None:
            self.earlier = Earlier.of(self.ledger, self.objects, self.old, as_of=self.as_of)
        dealt = Dealer(table, request, key, parent, memory, self.earlier, self.warnings).deal(labelled, outcomes)
        parts = dealt.part
        if self.old is not None and parent is None:
            self._warn_of_redealing(self.old, parts)

        found = self._infer(parts, parent)
        frame, problems = found.decoder.decode_columns(table.columns)
        target_column = table.columns[request.target]
        y, _ = found.decoder.decode_target_columns(target_column)
        self._leave_out_unknown_classes(y, parts, found.decoder.target)
        self._count_unreadable(problems, parts)

        inputs = [spec.name for spec in found.decoder.columns if spec.kind in INPUT_KINDS]
        content = prints.frame_fingerprints(frame, inputs, key)
        envelope = self._envelopes(dealt, outcomes, parent)
        now = RowMemory.of(
            row=dealt.row,
            content=content,
            target=prints.value_hashes(target_column, key),
            group=dealt.group[:, 0],
            part=parts,
            envelope=envelope,
        )
        if memory is not None:
            now = RowMemory.joined(now, memory.remembered())
        if self.earlier is not None:
            same_groups = self.earlier.version.split.by == request.split.by
            now = RowMemory.joined(now, self.earlier.seen_beyond(now, same_groups=same_groups))
        lineage = parent.lineage if parent else request.key
        version = store_rows(
            self.ledger, self.objects, frame, y, parts, envelope, now,
            lineage=lineage, decoder=found.decoder, split=request.split, fingerprint_columns=dealt.columns,
            parent=self.old.digest if self.old else None, redealt_from=request.redeals,
            source={"digest": request.source, "how": request.how, "rows": table.n_rows},
        )  # fmt: skip
        changes = self._diff(version, now)
        details = {
            "request": request.key,
            "base": request.base,
            "columns": [finding.to_json() for finding in found.columns],
            "why_task": found.why_task,
            "read_why": list(table.detected.why),
            "rows": version.rows,
            "diff": None if changes is None else changes.to_json(),
            "warnings": [*found.warnings, *self.warnings],
        }
        return version, details

    def _parent_of_lineage(self) -> DatasetVersion | None:
        """The old version, where its rows' parts may be kept."""
        old = self.old
        if old is None:
            return None
        if (old.target.name, old.split) == (self.request.target, self.request.split):
            return old
        return None

    def _warn_of_redealing(self, old: DatasetVersion, parts: np.ndarray) -> None:
        what = "target" if old.target.name != self.request.target else "split settings"
        self.warnings.append(
            f"the {what} changed: all rows are dealt anew, and scores of earlier versions are not comparable. Rows that "
            "trained, validated or were opened before are not sealed; the envelopes that were still sealed are retired"
        )
        sealed, dealt = int((parts == TEST).sum()), int((parts != LEFT_OUT).sum())
        asked = self.request.split.test * dealt
        if sealed < asked / 2:
            self.warnings.append(
                f"{sealed} rows are sealed for tests, [split] test asks for {round(asked)}: the others have been seen "
                "already; bring new rows to fill envelopes with"
            )

    def _outcomes(self) -> tuple[np.ndarray, np.ndarray]:
        """Which rows have a target, and the stratum of each: class, or tenth of the numbers. Shapes (n,).

        This looks at the target of all rows, to refuse a hopeless one early and to deal the rows evenly.
        """
        request, column = self.request, self.table.columns[self.request.target]
        everything = np.arange(self.table.n_rows)
        found = infer_target(
            request.target,
            Evidence.of(column, everything),
            task=request.task,
            positive=request.positive,
            missing=request.missing,
        )
        y, _ = Decoder((), found.spec).decode_target_columns(column)
        labelled = ~np.isnan(y) if found.spec.task is Task.REGRESSION else y >= 0
        left_out = int((~labelled).sum())
        if left_out:
            self.warnings.append(f"{left_out} of {self.table.n_rows} rows have no target and are left out")
        if found.spec.task is not Task.REGRESSION:
            return labelled, y
        edges = np.quantile(y[labelled], np.arange(1, STRATA_OF_NUMBERS) / STRATA_OF_NUMBERS)
        return labelled, np.searchsorted(edges, np.where(labelled, y, 0.0), side="right").astype(np.int64)

    def _infer(self, parts: np.ndarray, parent: DatasetVersion | None) -> Inference:
        request = self.request
        train = np.flatnonzero(parts == TRAIN)
        known: dict[str, ColumnSpec] = {}
        if parent is not None and parent.manifest["source"]["how"] == request.how:
            settled = set(Kind) - {Kind.CONSTANT, Kind.BINARY}  # one or two values may have become more
            known = {spec.name: spec for spec in parent.decoder.columns if spec.kind in settled}
        return infer(
            self.table.columns, request.target, train,
            task=request.task, kinds=request.kinds, missing=request.missing, positive=request.positive,
            drop=request.drop, known=known,
        )  # fmt: skip

    def _leave_out_unknown_classes(self, y: np.ndarray, parts: np.ndarray, target: TargetSpec | None) -> None:
        """Rows of a class that no training row has: no model can answer it, so it is told, and they are left out."""
        if target is None or target.task is Task.REGRESSION:
            unread = np.isnan(y) & (parts != LEFT_OUT)
        else:
            unread = (y < 0) & (parts != LEFT_OUT)
        if not unread.any():
            return
        where = ", ".join(f"{int((unread & (parts == part)).sum())} in {PARTS[part]}" for part in (VALID, TEST))
        self.warnings.append(
            f"{int(unread.sum())} rows have a target that no training row has ({where}); they are left out: "
            "add training rows of it, or leave those outcomes out of the question"
        )
        parts[unread] = LEFT_OUT

    def _count_unreadable(self, problems: list[Problem], parts: np.ndarray) -> None:
        by_column: dict[str, list[Problem]] = {}
        for problem in problems:
            by_column.setdefault(problem.column, []).append(problem)
        for name, found in by_column.items():
            seen = next((p for p in found if parts[p.row] == TRAIN), None)
            example = f" (row {seen.row + 1}: {seen.why})" if seen is not None else ""
            values = "value cannot" if len(found) == 1 else "values cannot"
            self.warnings.append(f"column {name!r}: {len(found)} {values} be read and count as missing{example}")

    def _envelopes(self, dealt: Dealt, strata: np.ndarray, parent: DatasetVersion | None) -> np.ndarray:
        """The envelope of each test row, -1 for all others: int16, shape (n,)."""
        envelope = np.where(dealt.part == TEST, dealt.envelope, np.int16(-1))
        new = np.flatnonzero((dealt.part == TEST) & (envelope < 0))
        if len(new):
            first, codes, _ = distinct(dealt.hashes[new])  # rows that are alike share one, whatever their strata are
            alike = strata[new][first][codes]
            envelope[new] = next_envelopes(
                self.ledger, dealt.hashes[new], alike, self.request.split, parent, as_of=self.as_of
            )
        return envelope

    def _diff(self, version: DatasetVersion, now: RowMemory) -> VersionDiff | None:
        if self.old is None:
            return None
        try:
            return diff_of(self.old, load_memory(self.objects, self.old), version, now)
        except NotFound:
            self.warnings.append("the fingerprints of the version before are lost: what changed is not known")
            return None
