"""Labelled rows from traffic join a data set: by the rule of all rows, so that some of them fill new envelopes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from penstock.bundle.decoder import EncodedColumn, Frame
from penstock.bundle.numbers import number_text
from penstock.bundle.values import class_text
from penstock.data import fingerprints as prints
from penstock.data.append_dealing import deal_traffic
from penstock.data.changes import diff_of
from penstock.data.memory import RowMemory, give_back
from penstock.data.relabel import Corrections, Relabelled, relabel
from penstock.data.seal import unsealed
from penstock.data.split import LEFT_OUT, PARTS, TEST, TRAIN, VALID, SplitSettings
from penstock.data.store import finish, first_new_envelope, seal_rows, store_memory, store_part
from penstock.data.versions import DatasetVersion, format_of, load_memory, load_version, tells_parts
from penstock.errors import SchemaMismatch
from penstock.ledger.datasets import DatasetRecord
from penstock.ledger.ledger import Ledger
from penstock.objects.store import ObjectStore


@dataclass(frozen=True)
class AppendResult:
    """What became of the rows.

    Attributes
    ----------
    version : the new data-set version; the parent itself, where no row could be added.
    rows : rows added to each part. left_out : rows without a known target. corrected : rows whose outcome was corrected.
    returned : rows that decode like a test row of the parent; they join the test part (spent ones: validation).
    too_near : rows that lie within the gap between parts, or whose group is on the other side of the seal: left out.
    unplaced : rows that nothing is known of and that do not hold what rows are dealt by, their time or group: left out.
    by_request : rows without a time of their own, that were placed by when they were asked about.
    """

    version: DatasetVersion
    rows: dict[str, int]
    left_out: int
    returned: int
    corrected: int = 0
    too_near: int = 0
    unplaced: int = 0
    by_request: int = 0


def append_rows(
    ledger: Ledger,
    objects: ObjectStore,
    parent: str,
    frame: Frame,
    y: np.ndarray,
    *,
    was: np.ndarray | None = None,
    asked_at: np.ndarray | None = None,
    source: Mapping[str, Any] | None = None,
    project: str = "",
    run: str | None = None,
    again: bool = False,
) -> AppendResult:
    """Add decoded rows with their outcomes to a version.

    Rows like one that is known go to its part, the others where their position places them (by time: those older than the
    newest training row train, of the others the oldest train and the newest test). New test rows are sealed: in the last
    envelope while that is small and sealed, else in new ones; by time always in new ones. Where the column that rows are dealt by
    is not kept, or is kept as something else (hashed, say), nobody can tell on which side of the seal a new row's time or group is:
    it is left out, and may come again with a version that holds the column. So is a row without a time, unless it is dates and known
    when the row was asked about: then that is its time, for where it belongs, not as a value of the column. Where a column or files give the parts, traffic
    is said to be in none but the training part.

    Parameters
    ----------
    parent : digest of the version to add to.
    frame : rows read with the parent's decoder. y : class numbers (-1 unknown) or numbers (NaN unknown), shape (n,).
    was : outcomes that rows were added with before and that are corrected now; unknown for rows that are new. A row that
        the parent does not hold with that outcome counts as new.
    asked_at : when each row was asked about, int64 microseconds since 1970 (UTC), shape (n,); None where that is not known.
    source : where the rows come from; kept in the manifest.
    again : work out again what the same rows became before (to reproduce it); the head stays.

    Raises
    ------
    SchemaMismatch : the frame does not have the parent's columns. AccessError : the parent is restricted to others.
    """
    with ledger.lock(f"ingest {project}", wait_s=3600.0):
        old = load_version(objects, parent)
        kinds = {spec.name: spec.kind for spec in old.decoder.columns}
        if frame.kinds != kinds:
            raise SchemaMismatch(
                "the rows do not have the columns of the data set",
                why=f"they differ in {', '.join(sorted(n for n, _ in set(frame.kinds.items()) ^ set(kinds.items()))[:5])}",
                way_out="decode them with the decoder of the version they are added to",
            )
        labelled = _known(old, y)
        left_out = int((~labelled).sum())
        was = (
            (np.full(len(y), -1) if old.target.task.is_classification else np.full(len(y), np.nan))
            if was is None
            else was
        )
        frame, y, was = frame.take(labelled), y[labelled], was[labelled]
        asked_at = None if asked_at is None else asked_at[labelled]
        if len(y) == 0:
            return AppendResult(old, dict.fromkeys(PARTS, 0), left_out, 0)
        origin = dict(source or {})
        made = _made_of(ledger, parent, origin) if again else None
        ledger.access.read(parent, part="train", rows=old.rows["train"], run=run)
        return _append(
            ledger, objects, old, frame, y, was, asked_at, left_out, origin, None if again else project, run, made
        )


def find_returned(ledger: Ledger, version: DatasetVersion, memory: RowMemory, frame: Frame) -> int:
    """How many of these rows decode like a test row of the version, of which `memory` is what it remembers. Which ones is not told."""
    content = prints.frame_fingerprints(frame, version.inputs, ledger.secret("fingerprints"))
    parts, _ = memory.parts_of_content(content)
    return int((parts == TEST).sum())


def _made_of(ledger: Ledger, parent: str, source: dict[str, Any]) -> DatasetRecord | None:
    """What first came of adding rows of this source to this version; None if they never were added."""
    made = [r for r in ledger.datasets.log() if r.parent == parent and r.source == source]
    return min(made, key=lambda record: record.number, default=None)


def _known(version: DatasetVersion, y: np.ndarray) -> np.ndarray:
    """Which outcomes are known: bool, shape (n,)."""
    return y >= 0 if version.target.task.is_classification else ~np.isnan(y)


def _append(
    ledger: Ledger,
    objects: ObjectStore,
    old: DatasetVersion,
    frame: Frame,
    y: np.ndarray,
    was: np.ndarray,
    asked_at: np.ndarray | None,
    left_out: int,
    source: dict[str, Any],
    project: str | None,
    run: str | None,
    made: DatasetRecord | None,
) -> AppendResult:
    key = ledger.secret("fingerprints")
    memory = load_memory(objects, old)
    first_new = first_new_envelope(
        ledger, old, memory, made=None if made is None else load_version(objects, made.digest)
    )
    as_of = None if made is None else made.created_at
    hashes = prints.frame_hashes(frame, old.inputs)
    content = prints.fingerprints(hashes, key)
    correct = np.flatnonzero(_known(old, was))
    now = Relabelled(old.manifest["parts"], {e.index: e for e in old.envelopes}, memory, np.zeros(0, dtype=bool))
    if len(correct):
        target_of = [prints.value_hashes(_target_texts(old, values[correct]), key) for values in (was, y)]
        corrections = Corrections(content[correct], was[correct], y[correct], *target_of)
        now = relabel(ledger, objects, old, memory, corrections)
        added_rows = np.delete(np.arange(len(y)), correct[now.done])
        frame, y, hashes, content = frame.take(added_rows), y[added_rows], hashes[added_rows], content[added_rows]
        asked_at = None if asked_at is None else asked_at[added_rows]
    dealt = deal_traffic(ledger, objects, old, frame, y, asked_at, hashes, content, memory, key, first_new, as_of)
    memory, now = memory.without_index(), replace(now, memory=now.memory.without_index())
    give_back()
    parts, envelope = dealt.parts, dealt.envelope

    manifest = dict(old.manifest)
    manifest["parts"] = {
        PARTS[part]: [
            *now.parts[PARTS[part]],
            *store_part(objects, frame.take(parts == part), y[parts == part], old.decoder),
        ]
        for part in (TRAIN, VALID)
    }
    sealed = dict(now.envelopes)
    for index in np.unique(envelope[parts == TEST]).tolist():
        rows, labels = frame.take(envelope == index), y[envelope == index]
        if index in sealed:
            inside, inside_y = unsealed(ledger, objects, old, sealed[index])
            rows, labels = Frame.concat([inside, rows]), np.concatenate([inside_y, labels])
        sealed[index] = seal_rows(ledger, objects, old.lineage, index, rows, labels, old.decoder)
    added = {name: int((parts == part).sum()) for part, name in enumerate(PARTS)}
    within_gap, unplaced = int((parts < 0).sum()), 0
    if old.split.how == "time" or not tells_parts(old.decoder, old.split):
        unplaced = int((parts == LEFT_OUT).sum())
        within_gap -= unplaced
    corrected = int(now.done.sum())
    joined = RowMemory.joined(
        now.memory,
        RowMemory.of(
            row=dealt.row,
            content=content,
            target=prints.value_hashes(_target_texts(old, y), key),
            group=dealt.group,
            part=parts,
            envelope=envelope,
        ),
    )
    del now  # it may be another memory of all rows
    give_back()
    remembered = store_memory(objects, joined, old, memory)
    give_back()
    version = DatasetVersion(
        {
            **manifest,
            "format": format_of(sealed.values(), remembered, manifest["parts"]),
            "parent": old.digest,
            "envelopes": [sealed[index].to_json() for index in sorted(sealed)],
            "rows": {name: count + added.get(name, within_gap + unplaced) for name, count in old.rows.items()},
            "fingerprints": remembered,
            "appended": {"rows": old.appended_rows + len(y), "source": source},
        }
    )
    version.save(objects)
    warnings = [f"{left_out} rows have no known target and are left out"] if left_out else []
    if within_gap:
        warnings.append(f"{within_gap} rows lie too near to rows of another part, in time or by their group: left out")
    if unplaced:
        warnings.append(unplaced_told(unplaced, old.split))
    if dealt.by_request:
        warnings.append(by_request_told(dealt.by_request, old.split))
    before = ledger.datasets.get(old.digest).details
    details: dict[str, Any] = {
        **{name: before[name] for name in ("columns", "why_task", "read_why", "base") if name in before},
        "rows": version.rows,
        "diff": diff_of(old, memory, version, joined).to_json(),
        "warnings": warnings,
    }
    finish(
        ledger, objects, version, source=source, details=details, project=project, run=run,
        first_new=None if made is not None else first_new,
    )  # fmt: skip
    return AppendResult(version, added, left_out, dealt.returned, corrected, within_gap, unplaced, dealt.by_request)


def unplaced_told(rows: int, split: SplitSettings) -> str:
    """What a person should know of rows that could not be placed."""
    what = "time" if split.how == "time" else "group"
    return (
        f"{rows} rows are left out: their {what} is not known, so that they cannot be kept on their side of the seal; keep "
        f"{split.column!r} as it is ([data] drop, [privacy.columns]), and send it, for labelled traffic to join"
    )


def by_request_told(rows: int, split: SplitSettings) -> str:
    """What a person should know of rows that were placed by when they were asked about."""
    return (
        f"{rows} rows have no time in {split.column!r}: they are dealt by when they were asked about (the column stays empty); "
        "send it where it is another time"
    )


def _target_texts(old: DatasetVersion, y: np.ndarray) -> EncodedColumn:
    if old.target.task.is_classification:
        return EncodedColumn([class_text(label) for label in old.target.classes], y)
    numbers, codes = np.unique(y, return_inverse=True)
    return EncodedColumn([number_text(number) for number in numbers.tolist()], codes)
