"""Rows of a version found again when columns that made them what they are have gone from the source: by what is left of them.

A row is known by a keyed hash of all that it held, of which no part can be taken away. But a version's rows are stored, so what is left of
each can be hashed anew; of sealed ones the sealing step does it, and tells no more than where a row belongs.

Rows that are alike in what is left share a part from then on: the one that is seen first, as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from penstock.bundle.decoder import Frame
from penstock.data import fingerprints as prints
from penstock.data.memory import UNKNOWN, Index, RowMemory
from penstock.data.source import Batch
from penstock.data.split import TEST
from penstock.data.versions import DatasetVersion
from penstock.errors import SplitError

StoredRows = Callable[[DatasetVersion], Iterator[tuple[int, int, Frame]]]
"""All rows that a version stores, a chunk at a time: their part, envelope, and columns."""


def lost_inputs(version: DatasetVersion, valued: Collection[str]) -> tuple[str, ...]:
    """Inputs of a version that nothing can be told of any more, `valued` being the columns that still have a value in some row.

    A date that is shifted by a column that is gone is among them: nobody can shift it alike.
    """
    gone = {spec.name for spec in version.decoder.columns if spec.name not in valued}
    shifted = {
        spec.name for spec in version.decoder.columns if spec.privacy is not None and spec.privacy.subject in gone
    }
    return tuple(name for name in version.inputs if name in gone | shifted)


@dataclass(frozen=True)
class Remnants:
    """What is left of the rows that a version stores.

    Attributes
    ----------
    lost : its inputs that are gone. left : fingerprints over the others, uint64, shape (m, 2).
    content : fingerprints over all inputs, as the version remembers them; the same shape.
    part, envelope, sealed : where each is, and whether nobody has seen it there: int8, int16 and bool, shape (m,).
    """

    version: DatasetVersion
    lost: tuple[str, ...]
    left: np.ndarray
    content: np.ndarray
    part: np.ndarray
    envelope: np.ndarray
    sealed: np.ndarray
    index: Index

    @classmethod
    def of(
        cls, version: DatasetVersion, lost: tuple[str, ...], stored: StoredRows, spent: Collection[int], key: bytes
    ) -> Remnants:
        """Read all rows that are stored, chunk by chunk. `spent`: envelopes of the version that were opened."""
        names = [name for name in version.inputs if name not in lost]
        left, content = [np.zeros((0, 2), dtype=np.uint64)], [np.zeros((0, 2), dtype=np.uint64)]
        part, envelope = [np.zeros(0, dtype=np.int8)], [np.zeros(0, dtype=np.int16)]
        for of, number, frame in stored(version):
            hashes = prints.frame_hashes(frame, names)
            left.append(prints.fingerprints(hashes, key))
            content.append(prints.fingerprints(hashes + prints.frame_hashes(frame, lost), key))
            part.append(np.full(frame.n_rows, of, dtype=np.int8))
            envelope.append(np.full(frame.n_rows, number, dtype=np.int16))
        of_left, parts, envelopes = np.concatenate(left), np.concatenate(part), np.concatenate(envelope)
        sealed = (parts == TEST) & ~np.isin(envelopes, list(spent))
        seen_first = np.lexsort((sealed, parts))  # rows are written alike: the first one says where they all are
        return cls(
            version, lost, of_left, np.concatenate(content), parts, envelopes, sealed, Index.of(of_left, seen_first)
        )

    def of_rows(self, batches: Iterable[Batch], wanted: np.ndarray, key: bytes) -> tuple[np.ndarray, np.ndarray]:
        """Part and envelope of the `wanted` rows of a source (positions, ascending): int8 and int16, one for each; `UNKNOWN` and -1 of others."""
        names = [name for name in self.version.inputs if name not in self.lost]
        at, start = [np.zeros(0, dtype=np.int64)], 0
        for batch in batches:
            first, last = np.searchsorted(wanted, (start, start + len(batch)))
            if last > first:
                rows = batch.take(wanted[first:last] - start)
                frame, _ = self.version.decoder.decode_columns(rows.columns)
                at.append(self.index.find(prints.frame_fingerprints(frame, names, key)))
            start += len(batch)
        places = np.concatenate(at)
        return np.append(self.part, np.int8(UNKNOWN))[places], np.append(self.envelope, np.int16(-1))[places]

    def joined(self, memory: RowMemory) -> RowMemory:
        """What the version remembers, each row where it is now: with those that are alike in what is left.

        Raises
        ------
        SplitError : most rows that are still sealed are like rows that were seen.
        """
        first, moves = self._moves
        part, envelope = self.part[first], self.envelope[first]
        told = int((self.sealed & ~self.sealed[first]).sum())
        if 2 * told > (sealed := int(self.sealed.sum())):
            raise SplitError(
                f"without {', '.join(map(repr, self.lost))}, {told} of {sealed} sealed rows are written like rows that train or validate",
                why="rows that are written alike share a part, so that hardly any would be left to test with",
                way_out="bring the column back, declare [data] key and `penstock run` once; then it can go. Or keep it in another form: "
                '[privacy.columns] with "hash"',
            )
        if not len(moves):
            return memory
        at = Index.of(self.content, moves).find(memory.content)
        found = np.flatnonzero((at >= 0) & (memory.part >= 0))
        parts, envelopes = memory.part.copy(), memory.envelope.copy()
        parts[found], envelopes[found] = part[at[found]], envelope[at[found]]
        return replace(memory, part=parts, envelope=envelopes)

    def told(self) -> list[str]:
        """What a person should know."""
        n = len(self._moves[1])
        columns = ", ".join(map(repr, self.lost))
        return (
            [f"{n} rows are written like a row of another part without {columns}, and are with it from now on"]
            if n
            else []
        )

    @cached_property
    def _moves(self) -> tuple[np.ndarray, np.ndarray]:
        """Which row says where each one is now, int64, shape (m,); and those that are somewhere else than before."""
        first = self.index.find(self.left)
        other = (self.part[first] != self.part) | (self.envelope[first] != self.envelope)
        return first, np.flatnonzero(other)
