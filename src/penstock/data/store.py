"""Writing a version: chunks, envelopes, fingerprints, manifest; then, and only then, its entry in the ledger."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.bundle.decoder import Decoder, Frame
from penstock.data import chunks
from penstock.data.memory import RowMemory
from penstock.data.seal import encrypt, key_id, opened_envelopes, retire
from penstock.data.split import LEFT_OUT, MIN_ENVELOPE_ROWS, PARTS, TEST, TRAIN, VALID, SplitSettings, envelopes_of
from penstock.data.versions import FORMAT, DatasetVersion, Envelope
from penstock.ledger.ledger import Ledger
from penstock.objects.store import ObjectStore

LEFT_OUT_NAME = "left_out"


def store_rows(
    ledger: Ledger,
    objects: ObjectStore,
    frame: Frame,
    y: np.ndarray,
    parts: np.ndarray,
    envelope: np.ndarray,
    memory: RowMemory,
    *,
    lineage: str,
    decoder: Decoder,
    split: SplitSettings,
    fingerprint_columns: tuple[str, ...],
    parent: str | None,
    redealt_from: str | None,
    source: dict[str, Any],
) -> DatasetVersion:
    """Store all rows of a version and its manifest; nothing is in the ledger yet.

    Raises
    ------
    StoreFull : no space is left. What was stored before that is named by nothing.
    """
    kept = {
        PARTS[part]: store_part(objects, frame.take(parts == part), y[parts == part], decoder)
        for part in (TRAIN, VALID)
    }
    sealed = [
        seal_rows(ledger, objects, lineage, int(index), frame.take(envelope == index), y[envelope == index], decoder)
        for index in np.unique(envelope[parts == TEST])
    ]
    rows = {name: int((parts == part).sum()) for part, name in enumerate(PARTS)}
    version = DatasetVersion(
        {
            "format": FORMAT,
            "kind": "dataset",
            "lineage": lineage,
            "parent": parent,
            "source": source,
            "decoder": decoder.to_json(),
            "split": split.to_json(),
            "parts": kept,
            "envelopes": [one.to_json() for one in sealed],
            "rows": {**rows, LEFT_OUT_NAME: int((parts == LEFT_OUT).sum())},
            "fingerprints": objects.put(memory.to_bytes()),
            "fingerprint_columns": list(fingerprint_columns),
            **({} if redealt_from is None else {"redealt": True, "redealt_from": redealt_from}),
        }
    )
    version.save(objects)
    return version


def store_part(objects: ObjectStore, frame: Frame, y: np.ndarray, decoder: Decoder) -> list[dict[str, Any]]:
    """Store rows in chunks; what a manifest says of them."""
    return [
        {"object": objects.put(chunks.to_bytes(rows, labels, decoder.columns)), "rows": rows.n_rows}
        for rows, labels in chunks.split_rows(frame, y)
    ]


def seal_rows(
    ledger: Ledger, objects: ObjectStore, lineage: str, index: int, frame: Frame, y: np.ndarray, decoder: Decoder
) -> Envelope:
    """Store rows encrypted. Their plain form is never written anywhere."""
    plain = chunks.to_bytes(frame, y, decoder.columns)
    return Envelope(index, frame.n_rows, objects.put(encrypt(ledger, lineage, index, plain)))


def next_envelopes(
    ledger: Ledger,
    hashes: np.ndarray,
    strata: np.ndarray | None,
    split: SplitSettings,
    parent: DatasetVersion | None,
    *,
    as_of: str | None = None,
) -> np.ndarray:
    """The envelopes of new test rows, int16, shape (n,): new ones, or the last sealed one while that is small.

    By time always new ones: rows that were sealed before may be older than rows that train from now on.

    `as_of`: the instant at which it matters what was spent; now, unless an old version is worked out again.
    """
    if parent is None:
        return envelopes_of(hashes, split, strata=strata)
    spent = opened_envelopes(ledger, parent.lineage, as_of=as_of)
    small = [e.index for e in parent.envelopes if e.index not in spent and e.rows < MIN_ENVELOPE_ROWS]
    if small and len(hashes) < MIN_ENVELOPE_ROWS and not split.by.startswith("time:"):
        return np.full(len(hashes), small[-1], dtype=np.int16)
    first = 1 + max((e.index for e in parent.envelopes), default=-1)
    return envelopes_of(hashes, split, strata=strata, first=first)


def finish(
    ledger: Ledger,
    objects: ObjectStore,
    version: DatasetVersion,
    *,
    source: dict[str, Any],
    details: dict[str, Any],
    project: str | None,
    run: str | None,
    replaces: DatasetVersion | None = None,
) -> None:
    """Let a stored version be seen: its envelopes, its record, the audit trail, the head of the project, if one is given.

    `replaces`: the version whose rows it deals anew; the envelopes of that one's lineage are retired.
    """
    if replaces is not None:
        retire(ledger, replaces.lineage, run=run)
    recorded = {record.index for record in ledger.seal.envelopes(version.lineage)}
    new = [envelope for envelope in version.envelopes if envelope.index not in recorded]
    for envelope in new:
        ledger.seal.add(version.lineage, envelope.index, envelope.rows, envelope.object, key_id(version.lineage))
    ledger.datasets.add(version.digest, version.parent, source, run=run, details=details)
    if new:
        ledger.audit.append(
            "seal", version.digest, {"envelopes": {str(e.index): e.rows for e in new}, "lineage": version.lineage}
        )
    if project is not None:
        ledger.datasets.set_head(project, version.digest)
