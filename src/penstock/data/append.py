"""Labelled rows from traffic join a data set: by the rule of all rows, so that some of them fill new envelopes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.bundle.decoder import EncodedColumn, Frame
from penstock.bundle.kinds import INPUT_KINDS
from penstock.bundle.numbers import number_text
from penstock.bundle.values import class_text
from penstock.data import fingerprints as prints
from penstock.data.memory import UNKNOWN, RowMemory
from penstock.data.seal import read_sealed
from penstock.data.split import PARTS, TEST, TRAIN, VALID, deal, place
from penstock.data.store import finish, next_envelopes, seal_rows, store_part
from penstock.data.versions import DatasetVersion, diff_of, load_memory, load_version
from penstock.errors import SchemaMismatch
from penstock.ledger.ledger import Ledger
from penstock.objects.store import ObjectStore


@dataclass(frozen=True)
class AppendResult:
    """What became of the rows.

    Attributes
    ----------
    version : the new data-set version; the parent itself, where no row could be added.
    rows : rows added to each part. left_out : rows without a known target.
    returned : rows that decode like a test row of the parent; they join the test part (spent ones: validation).
    """

    version: DatasetVersion
    rows: dict[str, int]
    left_out: int
    returned: int


def append_rows(
    ledger: Ledger,
    objects: ObjectStore,
    parent: str,
    frame: Frame,
    y: np.ndarray,
    *,
    source: Mapping[str, Any] | None = None,
    project: str = "",
    run: str | None = None,
    again: bool = False,
) -> AppendResult:
    """Add decoded rows with their outcomes to a version.

    Rows like one that is known go to its part, the others where their position places them (by time: the oldest of them
    train, the newest test). New test rows are sealed: in the last envelope while that is small and sealed, else in new ones.

    Parameters
    ----------
    parent : digest of the version to add to.
    frame : rows read with the parent's decoder. y : class numbers (-1 unknown) or numbers (NaN unknown), shape (n,).
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
        labelled = y >= 0 if old.target.task.is_classification else ~np.isnan(y)
        left_out = int((~labelled).sum())
        frame, y = frame.take(labelled), y[labelled]
        if len(y) == 0:
            return AppendResult(old, dict.fromkeys(PARTS, 0), left_out, 0)
        origin = dict(source or {})
        as_of = _made_at(ledger, parent, origin) if again else None
        return _append(ledger, objects, old, frame, y, left_out, origin, None if again else project, run, as_of)


def find_returned(ledger: Ledger, objects: ObjectStore, version: DatasetVersion, frame: Frame) -> int:
    """How many of these rows decode like a test row of the version. Which ones is not told."""
    parts, _ = load_memory(objects, version).parts_of_content(_content(ledger, version, frame))
    return int((parts == TEST).sum())


def _made_at(ledger: Ledger, parent: str, source: dict[str, Any]) -> str | None:
    """When rows of this source were first added to this version; None if they never were."""
    made = [r.created_at for r in ledger.datasets.log() if r.parent == parent and r.source == source]
    return min(made, default=None)


def _content(ledger: Ledger, version: DatasetVersion, frame: Frame) -> np.ndarray:
    inputs = [spec.name for spec in version.decoder.columns if spec.kind in INPUT_KINDS]
    return prints.frame_fingerprints(frame, inputs, ledger.secret("fingerprints"))


def _append(
    ledger: Ledger,
    objects: ObjectStore,
    old: DatasetVersion,
    frame: Frame,
    y: np.ndarray,
    left_out: int,
    source: dict[str, Any],
    project: str | None,
    run: str | None,
    as_of: str | None,
) -> AppendResult:
    key = ledger.secret("fingerprints")
    memory = load_memory(objects, old)
    content = _content(ledger, old, frame)
    group = _groups(old, frame, key)
    parts, place_of = memory.parts_of_content(content)
    returned = int((parts == TEST).sum())
    spent = [r.index for r in ledger.seal.spent(old.lineage) if as_of is None or (r.opened_at or "") < as_of]
    parts[(parts == TEST) & np.isin(place_of, spent)] = VALID
    new = np.flatnonzero(parts == UNKNOWN)
    parts[new] = _place(old, frame.take(new), content[new], group[new], memory, key)
    test = np.flatnonzero(parts == TEST)
    envelope = np.full(len(y), -1, dtype=np.int16)
    if len(test):
        strata = y[test] if old.target.task.is_classification else None
        envelope[test] = next_envelopes(ledger, content[test], strata, old.split, key, old, as_of=as_of)

    manifest = dict(old.manifest)
    manifest["parts"] = {
        PARTS[part]: [
            *old.manifest["parts"][PARTS[part]],
            *store_part(objects, frame.take(parts == part), y[parts == part], old.decoder),
        ]
        for part in (TRAIN, VALID)
    }
    sealed = {one.index: one for one in old.envelopes}
    for index in np.unique(envelope[test]).tolist():
        rows, labels = frame.take(envelope == index), y[envelope == index]
        if index in sealed:
            inside, inside_y = read_sealed(ledger, objects, old, index)
            rows, labels = Frame.concat([inside, rows]), np.concatenate([inside_y, labels])
        sealed[index] = seal_rows(ledger, objects, old.lineage, index, rows, labels, old.decoder)
    added = {name: int((parts == part).sum()) for part, name in enumerate(PARTS)}
    joined = RowMemory.joined(
        memory,
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
    return AppendResult(version, added, left_out, returned)


def _place(
    old: DatasetVersion, frame: Frame, content: np.ndarray, group: np.ndarray, memory: RowMemory, key: bytes
) -> np.ndarray:
    split = old.split
    if len(content) == 0:
        return np.empty(0, dtype=np.int8)
    column = split.column
    if split.by.startswith("time:") and column is not None and column in frame:
        return deal(content, split, key, times=frame.columns[column])
    if split.by.startswith("group:"):
        known = memory.parts_of_groups(group[:, 0])
        return np.where(known == UNKNOWN, place(group, split, key), known)
    return place(content, split, key)


def _groups(old: DatasetVersion, frame: Frame, key: bytes) -> np.ndarray:
    column = old.split.column
    if not old.split.by.startswith("group:") or column is None or column not in frame:
        return np.zeros((frame.n_rows, 2), dtype=np.uint64)
    texts, codes = prints.encode(frame.columns[column], frame.kinds[column])
    return prints.row_fingerprints({"group": EncodedColumn(texts, codes)}, frame.n_rows, key)


def _target_texts(old: DatasetVersion, y: np.ndarray) -> EncodedColumn:
    if old.target.task.is_classification:
        return EncodedColumn([class_text(label) for label in old.target.classes], y)
    numbers, codes = np.unique(y, return_inverse=True)
    return EncodedColumn([number_text(number) for number in numbers.tolist()], codes)
