"""Writing a version: chunks, envelopes, fingerprints, manifest; then, and only then, its entry in the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.bundle.decoder import Decoder, Frame
from penstock.data import chunks
from penstock.data.counting import Change
from penstock.data.cuts import Cutter, Known, followed
from penstock.data.memory import RowMemory, entries_bytes
from penstock.data.seal import encrypt, key_id, opened_envelopes, retire
from penstock.data.split import MIN_ENVELOPE_ROWS, PARTS, TEST, TRAIN, VALID, SplitSettings, envelopes_of
from penstock.data.versions import DatasetVersion, Envelope, format_of
from penstock.data.waiting import Waiting
from penstock.ledger.ledger import Ledger
from penstock.objects.store import ObjectStore

if TYPE_CHECKING:
    import pyarrow as pa

LEFT_OUT_NAME = "left_out"
MOST_ENDS = 8


@dataclass(frozen=True)
class Stored:
    """Where the rows of a version went: `parts` as in its manifest, and its envelopes by index."""

    parts: dict[str, list[dict[str, Any]]]
    envelopes: list[Envelope]


@dataclass(frozen=True)
class Ends:
    """What the chunks of an envelope follow.

    Attributes
    ----------
    after : numbers of rows after which one ends. chunks : how many were there before. packed : which of these are packed.
    """

    after: tuple[int, ...] = ()
    chunks: int = 0
    packed: tuple[int, ...] = ()


class RowWriter:
    """Takes decoded rows as they come and stores them: training and validation rows in chunks, test rows sealed.

    At most a chunk of each part and of each envelope is in memory (of a part that follows an earlier version a few). Test rows are written nowhere in the clear. Which chunks
    come of the rows does not depend on how many are added at a time. `pack`: new chunks of few rows are packed.
    """

    def __init__(
        self,
        ledger: Ledger,
        objects: ObjectStore,
        lineage: str,
        like: Mapping[int, Iterable[Known]] | None = None,
        ends: Mapping[int, Ends] | None = None,
        *,
        pack: bool = False,
    ) -> None:
        self._ledger, self._objects, self._lineage = ledger, objects, lineage
        self._parts = {
            part: Cutter(objects, (like or {}).get(part, ()), chunks.table_bytes, chunks.bytes_table, pack=pack)
            for part in (TRAIN, VALID)
        }
        self._envelopes: dict[int, Waiting] = {}
        self._ends, self._pack = ends or {}, pack
        self._sealed: dict[int, list[dict[str, Any]]] = {}

    def add(self, arrays: Sequence[pa.Array], y: np.ndarray, parts: np.ndarray, envelope: np.ndarray) -> None:
        """The next rows as `penstock.data.decode` makes them, their parts and envelopes (-1 but for test rows).

        Raises
        ------
        StoreFull : no space is left. What was stored before is named by nothing.
        """
        import pyarrow as pa

        table = chunks.table_of(arrays, y)
        for part, cutter in self._parts.items():
            cutter.add(table.filter(pa.array(parts == part)))
        for index in np.unique(envelope[parts == TEST]).tolist():
            waiting = self._envelopes.setdefault(index, Waiting(chunks.SEALED_BYTES, self._of(index).after))
            waiting.add(table.filter(pa.array(envelope == index)))
            while rows := waiting.full():
                self._seal(index, waiting, rows)

    def keep(self, part: int, digest: str) -> bool:
        """Whether the next rows of a part (training or validation) are a chunk that is stored; then it is named again. Else add them."""
        return self._parts[part].keep(digest)

    def close(self) -> Stored:
        """Store what is left, and tell where everything is."""
        for index, waiting in self._envelopes.items():
            while len(waiting):
                self._seal(index, waiting, waiting.end_of_chunk(0))
        parts = {PARTS[part]: cutter.close() for part, cutter in self._parts.items()}
        return Stored(
            parts, [_envelope(index, self._sealed[index], self._of(index).after) for index in sorted(self._sealed)]
        )

    def _of(self, index: int) -> Ends:
        return self._ends.get(index, Ends())

    def _seal(self, index: int, waiting: Waiting, rows: int) -> None:
        """Store the first rows that wait for an envelope."""
        chunk = waiting.table().slice(0, rows)
        before = self._sealed.setdefault(index, [])
        number, known = len(before), self._of(index)
        pack = number in known.packed if number < known.chunks else self._pack and rows < chunks.SMALL_ROWS
        plain = chunks.table_bytes(chunk)
        sealed = encrypt(self._ledger, self._lineage, index, chunks.packed(plain) if pack else plain, number)
        before.append({"object": self._objects.put(sealed), "rows": rows, "packed": pack})
        waiting.drop(rows)


def store_part(objects: ObjectStore, frame: Frame, y: np.ndarray, decoder: Decoder) -> list[dict[str, Any]]:
    """Store rows in chunks; what a manifest says of them."""
    return [
        {"object": objects.put(chunks.to_bytes(rows, labels, decoder.columns)), "rows": rows.n_rows}
        for rows, labels in chunks.split_rows(frame, y)
    ]


def seal_rows(
    ledger: Ledger, objects: ObjectStore, lineage: str, index: int, frame: Frame, y: np.ndarray, decoder: Decoder
) -> Envelope:
    """Store the rows of an envelope encrypted, in chunks. Their plain form is never written anywhere."""
    stored = []
    for number, (rows, labels) in enumerate(chunks.split_rows(frame, y)):
        plain = chunks.to_bytes(rows, labels, decoder.columns)
        sealed = encrypt(ledger, lineage, index, plain, number)
        stored.append({"object": objects.put(sealed), "rows": rows.n_rows})
    return _envelope(index, stored)


def _envelope(index: int, stored: list[dict[str, Any]], ends: tuple[int, ...] = ()) -> Envelope:
    first, *more = (chunk["object"] for chunk in stored)
    rows = sum(chunk["rows"] for chunk in stored)
    packed = tuple(number for number, chunk in enumerate(stored) if chunk.get("packed"))
    return Envelope(index, rows, first, tuple(more), tuple(end for end in ends if end < rows), packed)


def ends_like(version: DatasetVersion | None, *, exactly: bool = False) -> dict[int, Ends]:
    """By envelope, where its chunks end and which are packed: as in the earlier versions, so that their chunks stay.

    `exactly`: those of the version itself, which is made again. After `MOST_ENDS` of them the envelope is sealed in one piece again.
    """
    if version is None:
        return {}
    if exactly:
        return {e.index: Ends(e.ends, len(e.objects), e.packed) for e in version.envelopes}
    return {
        e.index: Ends((*e.ends, e.rows), len(e.objects), e.packed) for e in version.envelopes if len(e.ends) < MOST_ENDS
    }


def cuts_like(version: DatasetVersion | None, *, exactly: bool = False) -> dict[int, list[Known]]:
    """The chunks of a version that a later one follows; none where there is no version."""
    if version is None:
        return {}
    return {part: followed(version.manifest["parts"][PARTS[part]], exactly=exactly) for part in (TRAIN, VALID)}


def store_memory(
    objects: ObjectStore,
    memory: RowMemory,
    like: DatasetVersion | None,
    before: RowMemory | None,
    *,
    exactly: bool = False,
) -> str | list[dict[str, Any]]:
    """Store what a version remembers of its rows: one object of a first version, else chunks that follow those of `like`.

    Rows that are there once more, or once less, change counts all over: what was counted before stays where it is, and a last chunk adds to it
    (`penstock.data.counting`).

    `before` : what `like` remembers.
    """
    if like is None or before is None:
        return objects.put(memory.to_bytes())
    known = like.manifest["fingerprints"]
    if isinstance(known, str):
        known = [{"object": known, "rows": len(before.part)}]
        if exactly and len(before.part) == len(memory.part):
            return objects.put(memory.to_bytes())
    change = Change.of(before, memory)
    if exactly and change.is_none:
        return list(known)  # read a moment ago, so that it is there
    added = change.table(objects, known)
    if added is not None:
        cutter = Cutter(objects, followed(known), entries_bytes, chunks.bytes_table)
        cutter.add(added)
        *others, last = cutter.close()
        return [*others, {**last, "adds": True}]
    cutter = Cutter(objects, followed(known, exactly=exactly), entries_bytes, chunks.bytes_table)
    cutter.add(memory.to_table())
    return cutter.close()


def manifest_of(
    stored: Stored,
    parts: np.ndarray,
    memory: str | list[dict[str, Any]],
    *,
    lineage: str,
    decoder: Decoder,
    split: SplitSettings,
    fingerprint_columns: tuple[str, ...],
    parent: str | None,
    redealt_from: str | None,
    row_key: str | None,
    twins_apart: bool,
    source: dict[str, Any],
    more: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """What a version is. `parts` : of its rows, int8, shape (n,). `more` : how many rows of each part are not among these.
    `memory` : where the stored fingerprints are."""
    others = more or {}
    rows = {name: int((parts == part).sum()) + others.get(name, 0) for part, name in enumerate(PARTS)}
    return {
        "format": format_of(stored.envelopes, memory, stored.parts),
        "kind": "dataset",
        "lineage": lineage,
        "parent": parent,
        "source": source,
        "decoder": decoder.to_json(),
        "split": split.to_json(),
        "parts": stored.parts,
        "envelopes": [one.to_json() for one in stored.envelopes],
        "rows": {**rows, LEFT_OUT_NAME: int((parts < 0).sum()) + others.get(LEFT_OUT_NAME, 0)},
        "fingerprints": memory,
        "fingerprint_columns": list(fingerprint_columns),
        **({} if row_key is None else {"row_key": row_key}),
        **({"twins": "apart"} if twins_apart else {}),
        **({} if redealt_from is None else {"redealt": True, "redealt_from": redealt_from}),
    }


def next_envelopes(
    ledger: Ledger,
    hashes: np.ndarray,
    strata: np.ndarray | None,
    split: SplitSettings,
    parent: DatasetVersion | None,
    *,
    first: int,
    as_of: str | None = None,
) -> np.ndarray:
    """The envelopes of new test rows, int16, shape (n,): new ones, or the last sealed one while that is small.

    By time always new ones: rows that were sealed before may be older than rows that train from now on.

    `first`: the number of the first new one (`first_new_envelope`). `as_of`: the instant at which it matters what was spent; now, unless an old version is worked out again.
    """
    if parent is None:
        return envelopes_of(hashes, split, strata=strata)
    spent = opened_envelopes(ledger, parent.lineage, as_of=as_of)
    small = [e.index for e in parent.envelopes if e.index not in spent and e.rows < MIN_ENVELOPE_ROWS]
    if small and len(hashes) < MIN_ENVELOPE_ROWS and not split.by.startswith("time:"):
        return np.full(len(hashes), small[-1], dtype=np.int16)
    return envelopes_of(hashes, split, strata=strata, first=first)


def first_new_envelope(
    ledger: Ledger, parent: DatasetVersion | None, memory: RowMemory | None, *, made: DatasetVersion | None = None
) -> int:
    """The number of the next envelope of a lineage: one that no version of it ever had, whichever came of which.

    What was opened is kept by the number, so that one that was given twice would let rows pass as opened that nobody saw.

    `memory`: what `parent` remembers, also of envelopes whose rows are all gone. `made`: the version that is made again, which has its numbers.
    """
    if parent is None:
        return 0
    known = set() if memory is None else set(np.unique(memory.envelope).tolist())
    if own := [e.index for e in made.envelopes if e.index not in known] if made is not None else []:
        return min(own)
    return 1 + max((record.index for record in ledger.seal.envelopes(parent.lineage)), default=-1)


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
    first_new: int | None = None,
) -> None:
    """Let a stored version be seen: its envelopes, its record, the audit trail, the head of the project, if one is given.
    All of it or nothing, whenever the process ends: without the version, the rows of envelopes that were retired for it would be lost for tests.

    `replaces`: the version whose rows it deals anew; the envelopes of that one's lineage are retired. `first_new`: the
    number from which on its envelopes are new; None where it was made before.

    Raises
    ------
    SealError : another version of the lineage has sealed an envelope of such a number meanwhile.
    """
    with ledger.together():
        if replaces is not None:
            retire(ledger, replaces.lineage, run=run)
        recorded = {record.index for record in ledger.seal.envelopes(version.lineage)}
        new = [
            e for e in version.envelopes if e.index not in recorded or (first_new is not None and e.index >= first_new)
        ]
        for envelope in new:
            ledger.seal.add(version.lineage, envelope.index, envelope.rows, envelope.object, key_id(version.lineage))
        if version.parent is not None:
            ledger.access.inherit(version.parent, version.digest)  # before anybody can find it
        ledger.datasets.add(version.digest, version.parent, source, run=run, details=details)
        if new:
            ledger.audit.append(
                "seal", version.digest, {"envelopes": {str(e.index): e.rows for e in new}, "lineage": version.lineage}
            )
        if project is not None:
            ledger.datasets.set_head(project, version.digest)
