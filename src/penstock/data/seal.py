"""Sealed envelopes: test rows are encrypted the moment a data set is split, and every opening is recorded.

AES-SIV (RFC 5297) is deterministic: the same rows under the same key are the same bytes, so digests hold and sealing twice
stores once. The key lies in the ledger. On one machine, whoever holds the project folder holds the key too: the seal
prevents accidents and makes every use through Penstock visible; where the ledger is on a team's server, it is access control.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

import numpy as np

from penstock.bundle.decoder import Frame
from penstock.data import chunks
from penstock.data.split import PARTS, TEST, TRAIN, VALID
from penstock.data.versions import DatasetVersion, Envelope, join, load_version
from penstock.errors import SealError
from penstock.ledger.envelopes import RETIRED, EnvelopeRecord
from penstock.ledger.ledger import Ledger
from penstock.objects.store import ObjectStore

_PURPOSE = b"penstock envelope, format 1"


def key_id(lineage: str) -> str:
    """Name of the key in the ledger."""
    return f"seal:{lineage}"


def encrypt(ledger: Ledger, lineage: str, index: int, plain: bytes, chunk: int = 0) -> bytes:
    """The sealed form of bytes. Lineage, index and the number of the chunk are bound in: none can pass for another."""
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    return AESSIV(ledger.secret(key_id(lineage))).encrypt(plain, _bound(lineage, index, chunk))


def decrypt(ledger: Ledger, lineage: str, index: int, sealed: bytes, chunk: int = 0) -> bytes:
    """The bytes of `encrypt`.

    Raises
    ------
    SealError : another key, another envelope, or changed bytes.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    try:
        return AESSIV(ledger.secret(key_id(lineage))).decrypt(sealed, _bound(lineage, index, chunk))
    except InvalidTag as error:
        raise SealError(
            f"envelope {index} does not decrypt",
            why="the ledger's key is not the one it was sealed with, or its bytes are another envelope's",
            way_out="use the ledger that made this data set, or restore it from a copy",
        ) from error


def envelopes(ledger: Ledger, objects: ObjectStore, dataset: str) -> list[EnvelopeRecord]:
    """The envelopes of a data-set version and whether each is spent, by index; retired ones are left out.

    Where rows are dealt by time, the last ones hold the newest rows, and are to be opened first: training rows that were
    added later are newer than what the older envelopes hold.

    They belong to the version's lineage: one that was opened for an earlier version is spent for the later ones too.
    """
    version = load_version(objects, dataset)
    records = {record.index: record for record in ledger.seal.envelopes(version.lineage) if record.purpose != RETIRED}
    return [
        replace(records[envelope.index], rows=envelope.rows, object=envelope.object)
        for envelope in version.envelopes
        if envelope.index in records
    ]


def opened_envelopes(ledger: Ledger, lineage: str, *, as_of: str | None = None) -> list[int]:
    """Indices of the envelopes that were opened (before an instant), without those that were retired unopened."""
    return [
        record.index
        for record in ledger.seal.spent(lineage)
        if record.purpose != RETIRED and (as_of is None or (record.opened_at or "") < as_of)
    ]


def retire(ledger: Ledger, lineage: str, *, run: str | None) -> None:
    """Give up the envelopes of a lineage that are still sealed: their rows are dealt anew, and may be anywhere."""
    sealed = [record.index for record in ledger.seal.sealed(lineage)]
    for index in sealed:
        ledger.seal.open(lineage, index, run or "", RETIRED)
    if sealed:
        ledger.audit.append("retire envelopes", lineage, {"envelopes": sealed, "run": run})


def open_envelope(
    ledger: Ledger, objects: ObjectStore, dataset: str, index: int, *, run: str, purpose: str
) -> tuple[Frame, np.ndarray]:
    """Open an envelope of a data-set version: its test rows, once. From now on it is spent.

    The opening is in the ledger and the audit trail before the first row is seen.

    Raises
    ------
    SealError : there is no such envelope, it is spent, or it does not decrypt.
    AccessError : the version is restricted to others; nothing was opened.
    """
    version = load_version(objects, dataset)
    envelope = _envelope_of(version, index)
    ledger.access.read(version.digest, part="test", rows=envelope.rows, run=run)
    sealed = [objects.get(digest) for digest in envelope.objects]  # what cannot be read must not be spent
    with ledger.together():
        ledger.seal.open(version.lineage, index, run, purpose)
        ledger.audit.append("open envelope", version.digest, {"envelope": index, "run": run, "purpose": purpose})
    return _rows(ledger, version, index, sealed)


def read_spent(
    ledger: Ledger, objects: ObjectStore, dataset: str, index: int | Iterable[int] | None = None
) -> tuple[Frame, np.ndarray]:
    """The rows of spent envelopes (one, some, or all that are): they count as validation rows from their opening on.

    Raises
    ------
    SealError : one of them is still sealed, or was retired unopened. AccessError : the version is restricted to others.
    """
    version = load_version(objects, dataset)
    known = {envelope.index for envelope in version.envelopes}
    spent = set(opened_envelopes(ledger, version.lineage)) & known
    wanted = sorted(spent) if index is None else [index] if isinstance(index, int) else list(index)
    for i in wanted:
        if i not in spent:
            raise SealError(
                f"envelope {i} of data set {version.digest} {'was not opened' if i in known else 'is not there'}",
                why="only spent envelopes may be read again",
                way_out="open it by a deployment, which records it",
            )
    rows = sum(envelope.rows for envelope in version.envelopes if envelope.index in wanted)
    ledger.access.read(version.digest, part="opened", rows=rows)
    loaded = [read_sealed(ledger, objects, version, i) for i in wanted]
    return join(loaded, version)


def read_sealed(ledger: Ledger, objects: ObjectStore, version: DatasetVersion, index: int) -> tuple[Frame, np.ndarray]:
    """The rows of an envelope, for the sealing step alone: it may seal them again, and tells counts only. Errors: Forgotten."""
    ledger.access.refuse_forgotten(version.digest)
    return unsealed(ledger, objects, version, _envelope_of(version, index))


def sealed_chunks(
    ledger: Ledger, objects: ObjectStore, version: DatasetVersion, index: int
) -> Iterator[tuple[Frame, np.ndarray]]:
    """As `read_sealed`, a chunk at a time."""
    for number, digest in enumerate(_envelope_of(version, index).objects):
        plain = decrypt(ledger, version.lineage, index, objects.get(digest), number)
        yield chunks.from_bytes(plain, version.decoder.columns)


def stored_rows(
    ledger: Ledger, objects: ObjectStore, version: DatasetVersion, *, parts: Collection[str] = PARTS
) -> Iterator[tuple[int, int, Frame]]:
    """All rows that are stored, a chunk at a time: their part, envelope (-1 of rows that are not sealed), and columns.

    For the sealing step alone, as `read_sealed`.

    Raises
    ------
    Forgotten : they are stored no more.
    """
    ledger.access.refuse_forgotten(version.digest)
    for part in (TRAIN, VALID):
        for chunk in version.manifest["parts"][PARTS[part]] if PARTS[part] in parts else ():
            yield part, -1, chunks.from_bytes(objects.get(chunk["object"]), version.decoder.columns)[0]
    for envelope in version.envelopes if PARTS[TEST] in parts else ():
        for frame, _ in sealed_chunks(ledger, objects, version, envelope.index):
            yield TEST, envelope.index, frame


def unsealed(
    ledger: Ledger, objects: ObjectStore, version: DatasetVersion, envelope: Envelope
) -> tuple[Frame, np.ndarray]:
    """As `read_sealed`, of an envelope that no version names yet."""
    return _rows(ledger, version, envelope.index, map(objects.get, envelope.objects))


def _rows(ledger: Ledger, version: DatasetVersion, index: int, sealed: Iterable[bytes]) -> tuple[Frame, np.ndarray]:
    plain = (decrypt(ledger, version.lineage, index, chunk, number) for number, chunk in enumerate(sealed))
    return join([chunks.from_bytes(chunk, version.decoder.columns) for chunk in plain], version)


def _envelope_of(version: DatasetVersion, index: int) -> Envelope:
    for envelope in version.envelopes:
        if envelope.index == index:
            return envelope
    raise SealError(
        f"data set {version.digest} has no envelope {index}",
        why=f"its envelopes are {', '.join(str(e.index) for e in version.envelopes) or 'none'}",
        way_out="name one of these",
    )


def _bound(lineage: str, index: int, chunk: int) -> list[bytes]:
    return [_PURPOSE, lineage.encode(), str(index).encode(), *([str(chunk).encode()] if chunk else [])]
