"""Labelled rows from traffic join a data set: by the rule of all rows, so that some of them fill new envelopes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.bundle.decoder import EncodedColumn, Frame
from penstock.bundle.numbers import number_text
from penstock.bundle.values import class_text
from penstock.data import fingerprints as prints
from penstock.data.memory import UNKNOWN, RowMemory
from penstock.data.relabel import Corrections, Relabelled, relabel
from penstock.data.seal import opened_envelopes, unsealed
from penstock.data.split import PARTS, TEST, TRAIN, VALID, place, place_by_time
from penstock.data.store import finish, next_envelopes, seal_rows, store_part
from penstock.data.times import times_of_frame
from penstock.data.versions import DatasetVersion, diff_of, format_of, load_memory, load_part, load_version
from penstock.errors import SchemaMismatch
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
    """

    version: DatasetVersion
    rows: dict[str, int]
    left_out: int
    returned: int
    corrected: int = 0


def append_rows(
    ledger: Ledger,
    objects: ObjectStore,
    parent: str,
    frame: Frame,
    y: np.ndarray,
    *,
    was: np.ndarray | None = None,
    source: Mapping[str, Any] | None = None,
    project: str = "",
    run: str | None = None,
    again: bool = False,
) -> AppendResult:
    """Add decoded rows with their outcomes to a version.

    Rows like one that is known go to its part, the others where their position places them (by time: those older than the
    newest training row train, of the others the oldest train and the newest test). New test rows are sealed: in the last
    envelope while that is small and sealed, else in new ones; by time always in new ones.

    Parameters
    ----------
    parent : digest of the version to add to.
    frame : rows read with the parent's decoder. y : class numbers (-1 unknown) or numbers (NaN unknown), shape (n,).
    was : outcomes that rows were added with before and that are corrected now; unknown for rows that are new. A row that
        the parent does not hold with that outcome counts as new.
    source : where the rows come from; kept in the manifest.
    again : work out again what the same rows became before (to reproduce it); the head stays.

    Raises
    ------
    SchemaMismatch : the frame does not have the parent's columns.
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
        if len(y) == 0:
            return AppendResult(old, dict.fromkeys(PARTS, 0), left_out, 0)
        origin = dict(source or {})
        as_of = _made_at(ledger, parent, origin) if again else None
        return _append(ledger, objects, old, frame, y, was, left_out, origin, None if again else project, run, as_of)


def find_returned(ledger: Ledger, objects: ObjectStore, version: DatasetVersion, frame: Frame) -> int:
    """How many of these rows decode like a test row of the version. Which ones is not told."""
    content = prints.frame_fingerprints(frame, version.inputs, ledger.secret("fingerprints"))
    parts, _ = load_memory(objects, version).parts_of_content(content)
    return int((parts == TEST).sum())


def _made_at(ledger: Ledger, parent: str, source: dict[str, Any]) -> str | None:
    """When rows of this source were first added to this version; None if they never were."""
    made = [r.created_at for r in ledger.datasets.log() if r.parent == parent and r.source == source]
    return min(made, default=None)


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
    left_out: int,
    source: dict[str, Any],
    project: str | None,
    run: str | None,
    as_of: str | None,
) -> AppendResult:
    key = ledger.secret("fingerprints")
    memory = load_memory(objects, old)
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
    group_hashes = _group_hashes(old, frame)
    group = np.zeros_like(content) if group_hashes is None else prints.fingerprints(group_hashes, key)
    parts, place_of = memory.parts_of_content(content)
    returned = int((parts == TEST).sum())
    spent = opened_envelopes(ledger, old.lineage, as_of=as_of)
    parts[(parts == TEST) & np.isin(place_of, spent)] = VALID
    new = np.flatnonzero(parts == UNKNOWN)
    if len(new):
        parts[new] = _place(objects, old, frame, hashes, group_hashes, group, memory, new)
    test = np.flatnonzero(parts == TEST)
    envelope = np.full(len(y), -1, dtype=np.int16)
    if len(test):
        strata = y[test] if old.target.task.is_classification else None
        envelope[test] = next_envelopes(ledger, hashes[test], strata, old.split, old, as_of=as_of)

    manifest = dict(old.manifest)
    manifest["parts"] = {
        PARTS[part]: [
            *now.parts[PARTS[part]],
            *store_part(objects, frame.take(parts == part), y[parts == part], old.decoder),
        ]
        for part in (TRAIN, VALID)
    }
    sealed = dict(now.envelopes)
    for index in np.unique(envelope[test]).tolist():
        rows, labels = frame.take(envelope == index), y[envelope == index]
        if index in sealed:
            inside, inside_y = unsealed(ledger, objects, old, sealed[index])
            rows, labels = Frame.concat([inside, rows]), np.concatenate([inside_y, labels])
        sealed[index] = seal_rows(ledger, objects, old.lineage, index, rows, labels, old.decoder)
    added = {name: int((parts == part).sum()) for part, name in enumerate(PARTS)}
    joined = RowMemory.joined(
        now.memory,
        RowMemory.of(
            row=np.zeros((len(y), 2), dtype=np.uint64),
            content=content,
            target=prints.value_hashes(_target_texts(old, y), key),
            group=group[:, 0],
            part=parts,
            envelope=envelope,
        ),
    )
    version = DatasetVersion(
        {
            **manifest,
            "format": max(old.manifest["format"], format_of(sealed.values())),
            "parent": old.digest,
            "envelopes": [sealed[index].to_json() for index in sorted(sealed)],
            "rows": {name: count + added.get(name, 0) for name, count in old.rows.items()},
            "fingerprints": objects.put(joined.to_bytes()),
            "appended": {"rows": old.appended_rows + len(y), "source": source},
        }
    )
    version.save(objects)
    before = ledger.datasets.get(old.digest).details
    details: dict[str, Any] = {
        **{name: before[name] for name in ("columns", "why_task", "read_why", "base") if name in before},
        "rows": version.rows,
        "diff": diff_of(old, memory, version, joined).to_json(),
        "warnings": [f"{left_out} rows have no known target and are left out"] if left_out else [],
    }
    finish(ledger, objects, version, source=source, details=details, project=project, run=run)
    return AppendResult(version, added, left_out, returned, int(now.done.sum()))


def _place(
    objects: ObjectStore,
    old: DatasetVersion,
    frame: Frame,
    hashes: np.ndarray,
    group_hashes: np.ndarray | None,
    group: np.ndarray,
    memory: RowMemory,
    new: np.ndarray,
) -> np.ndarray:
    """The parts of the rows `new`: int8, one for each."""
    split = old.split
    if split.by.startswith("time:"):
        times = times_of_frame(frame, split.column or "")
        trained = times_of_frame(load_part(objects, old, "train")[0], split.column or "")
        if times is not None and trained is not None:
            return place_by_time(hashes[new], split, times[new], trained.max(initial=-np.inf))
    if group_hashes is not None:
        known = memory.parts_of_groups(group[new, 0])
        return np.where(known == UNKNOWN, place(group_hashes[new], split), known)
    return place(hashes[new], split)


def _group_hashes(old: DatasetVersion, frame: Frame) -> np.ndarray | None:
    column = old.split.column
    if not old.split.by.startswith("group:") or column is None or column not in frame:
        return None
    texts, codes = prints.encode(frame.columns[column], frame.kinds[column])
    return prints.row_hashes({"group": EncodedColumn(texts, codes)}, frame.n_rows)


def _target_texts(old: DatasetVersion, y: np.ndarray) -> EncodedColumn:
    if old.target.task.is_classification:
        return EncodedColumn([class_text(label) for label in old.target.classes], y)
    numbers, codes = np.unique(y, return_inverse=True)
    return EncodedColumn([number_text(number) for number in numbers.tolist()], codes)
