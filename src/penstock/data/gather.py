"""The first reading of a source: what dealing and inferring need of every row, in some tens of bytes a row.

Kept of each row are its hash, its target and the columns that deal it; beside that a sample of whole rows (all of them,
where they fit), and how many different values each column has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.bundle.specs import EncodedColumn
from penstock.data import fingerprints as prints
from penstock.data.distinct import Distinct
from penstock.data.evidence import Evidence
from penstock.data.keys import is_protected, key_hashes, key_hashes_of_frame
from penstock.data.kinds import infer_column
from penstock.data.memory import UNKNOWN, RowMemory
from penstock.data.redeal import Earlier
from penstock.data.remnants import Remnants, StoredRows, lost_inputs
from penstock.data.sample import Sample
from penstock.data.source import Batch, Source, encoded
from penstock.data.together import led_by_twins
from penstock.data.versions import DatasetVersion

if TYPE_CHECKING:
    import pyarrow as pa

NAMES_ROWS_SHARE = 0.9  # of the rows that differ in a column, from which on it is asked whether it only names them
HELD_APART = 8  # columns of the first batch that seem to name rows, at most; each costs 16 bytes a row


@dataclass
class WholeColumn:
    """A column of all rows, as it was read."""

    chunks: list[pa.DictionaryArray] = field(default_factory=list)

    def encoded(self) -> EncodedColumn:
        """Put together; distinct values in order of appearance."""
        import pyarrow as pa

        tables = [Batch(pa.RecordBatch.from_arrays([chunk], names=["c"])) for chunk in self.chunks]
        return Batch.join(tables).columns["c"]

    def parts(self) -> Iterable[EncodedColumn]:
        """As it was read, bit by bit."""
        return map(encoded, self.chunks)


@dataclass(frozen=True)
class Recalled:
    """What a version knows of the rows of a source.

    Attributes
    ----------
    part, envelope : of each row by its fingerprint, int8 and int16, shape (n,); `UNKNOWN` and -1 where it has none.
    twin_part, twin_envelope : of the row that decodes alike, for rows that are not known by their fingerprint; same shapes.
    """

    part: np.ndarray
    envelope: np.ndarray
    twin_part: np.ndarray
    twin_envelope: np.ndarray

    @classmethod
    def join(cls, parts: Sequence[Recalled]) -> Recalled:
        names = ("part", "envelope", "twin_part", "twin_envelope")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """Part and envelope by either."""
        by_row = self.part != UNKNOWN
        return np.where(by_row, self.part, self.twin_part), np.where(by_row, self.envelope, self.twin_envelope)


@dataclass(frozen=True)
class Gathered:
    """What the first reading found.

    Attributes
    ----------
    names : the columns of the source. n_rows : its rows.
    columns : the raw columns that make a row's hash and fingerprint.
    hashes : of the rows, uint64, shape (n, 2): of their keys, and of those columns where there is no key.
    keyed : which rows have a key, bool, shape (n,); None where no key is declared.
    contents : hashes of what rows hold beside their key, the same shape as `hashes`; None where no key is declared.
    kept : columns of all rows, by name: the target and those that deal the rows.
    sample : rows that are in memory. distinct : how many different values each column has.
    recalled : what the parent knows of the rows; None without a parent.
    seen : rows that may have been learned from when they were dealt in another way, bool, shape (n,); None where there
        was no other way.
    remnants : by what rows of the parent were found, where columns had gone that made them what they were; else None.
    """

    names: tuple[str, ...]
    n_rows: int
    columns: tuple[str, ...]
    hashes: np.ndarray
    keyed: np.ndarray | None
    contents: np.ndarray | None
    kept: Mapping[str, WholeColumn]
    sample: Sample
    distinct: Mapping[str, Distinct]
    recalled: Recalled | None
    seen: np.ndarray | None
    remnants: Remnants | None = None

    def batches_of_kept(self) -> Iterator[dict[str, EncodedColumn]]:
        """The columns that are kept of all rows, batch by batch."""
        for parts in zip(*(column.parts() for column in self.kept.values()), strict=True):
            yield dict(zip(self.kept, parts, strict=True))

    def dealt(self) -> Gathered:
        """What is still of use when the rows are dealt and the decoder is inferred: not their hashes, nor a sample of some of them."""
        sample = self.sample if self.sample.whole else Sample(self.sample.n_rows, 0)
        return replace(
            self,
            hashes=np.empty((0, 2), dtype=np.uint64),
            keyed=None,
            contents=None,
            recalled=None,
            seen=None,
            remnants=None,
            sample=sample,
        )


@dataclass
class Gatherer:
    """Reads a source for the first time.

    Attributes
    ----------
    keep : columns that are kept of all rows. excluded : columns that are no part of a row's hash (the target, dropped ones).
    told : columns whose kind the user told; they are never taken for names of rows.
    parent, memory, earlier, key : as in `penstock.data.dealing.Dealer`.
    row_key : the column that says which row is which; None where a row is what it holds.
    stored : the rows that versions store; None where the source is no more than new rows. spent : envelopes of `parent` that were opened.
    """

    source: Source
    keep: tuple[str, ...]
    excluded: frozenset[str]
    told: frozenset[str]
    key: bytes
    parent: DatasetVersion | None = None
    memory: RowMemory | None = None
    earlier: Earlier | None = None
    row_key: str | None = None
    stored: StoredRows | None = None
    spent: frozenset[int] = frozenset()
    _first_rows: int = 0  # rows of the first batch
    _first_names: tuple[str, ...] = ()  # columns that name the rows in it

    def gather(self) -> Gathered:
        """Read all rows.

        Raises
        ------
        SourceError : as `Source.batches`.
        """
        return self._with_remnants(self._gathered())

    def _gathered(self) -> Gathered:
        names = self.source.names
        usable = [name for name in names if name not in self.excluded]
        if self.parent is not None:
            return self._by_key(*self._read(self.parent.fingerprint_columns, ())[::2])
        found, apart, keys = self._read(usable, None)
        naming = self._naming_rows(found, usable)
        columns = tuple(name for name in usable if name not in naming) or tuple(usable)
        unexpected = set(usable) - set(columns) - apart.keys()
        if unexpected:  # the first batch did not show it: read again with what is known now
            return self._by_key(*self._read(columns, ())[::2])
        hashes = found.hashes
        for name in (set(columns) & apart.keys()) - {self.row_key}:
            hashes += apart[name]
        return self._by_key(replace(found, columns=columns, hashes=hashes), keys)

    def _with_remnants(self, found: Gathered) -> Gathered:
        """The same, where rows that a version cannot know again as they were are found by what is left of them."""
        if (recalled := found.recalled) is not None and self.parent is not None:
            unknown = np.flatnonzero((recalled.part == UNKNOWN) & (recalled.twin_part == UNKNOWN))
            remnants = self._remnants_of(found, self.parent, self.spent, unknown)
            if remnants is not None:
                part, envelope = recalled.part.copy(), recalled.envelope.copy()
                part[unknown], envelope[unknown] = remnants.of_rows(self._batches(found), unknown, self.key)
                if (part[unknown] == UNKNOWN).all():
                    remnants = None  # other rows, to which the column says nothing
                found = replace(found, recalled=replace(recalled, part=part, envelope=envelope), remnants=remnants)
        if self.earlier is not None and found.seen is not None:
            unknown = np.flatnonzero(~found.seen)
            remnants = self._remnants_of(found, self.earlier.version, self.earlier.opened, unknown)
            if remnants is not None:
                seen = found.seen.copy()
                seen[unknown] = self.earlier.seen(*remnants.of_rows(self._batches(found), unknown, self.key))
                found = replace(found, seen=seen)
        return found

    def _remnants_of(
        self, found: Gathered, version: DatasetVersion, spent: frozenset[int], unknown: np.ndarray
    ) -> Remnants | None:
        """What is left of the rows of a version, if that is needed: columns of theirs have gone, and rows of the source are unknown."""
        valued = {name for name, values in found.distinct.items() if values.filled}
        lost = lost_inputs(version, valued)
        by_key = version.row_key is not None and version.row_key in valued
        if self.stored is None or not lost or by_key or not len(unknown):
            return None
        return Remnants.of(version, lost, self.stored, spent, self.key)

    def _batches(self, found: Gathered) -> Iterable[Batch]:
        return found.sample.batches if found.sample.whole else self.source.batches()

    def _by_key(self, found: Gathered, keys: np.ndarray | None) -> Gathered:
        """The same with the hashes of keys in the place of those of what the rows hold. `keys`: uint64, shape (n, 2)."""
        if keys is None:
            return found
        keyed = np.asarray(keys.any(axis=1))
        return replace(found, hashes=np.where(keyed[:, None], keys, found.hashes), keyed=keyed, contents=found.hashes)

    def _read(
        self, columns: Iterable[str], apart: tuple[str, ...] | None
    ) -> tuple[Gathered, dict[str, np.ndarray], np.ndarray | None]:
        """Read with these columns in the hash, without those that are held apart (None: as the first batch suggests).

        Also the shares of the hashes that are held apart, and the hashes of the rows' keys, where one is declared.
        """
        names, columns = self.source.names, tuple(columns)
        kept = {name: WholeColumn() for name in self.keep}
        distinct = {name: Distinct() for name in names}
        sample = Sample()
        hashes: list[np.ndarray] = []
        keys: list[np.ndarray] = []
        lanes_apart: dict[str, list[np.ndarray]] = {name: [] for name in apart or ()}
        recalled: list[Recalled] = []
        seen: list[np.ndarray] = []
        for batch in self.source.batches():
            if apart is None:
                self._first_rows, self._first_names = len(batch), self._names_in(batch, columns)
                apart = self._first_names[:HELD_APART]
                lanes_apart = {name: [] for name in apart}
            sums = np.zeros((len(batch), 2), dtype=np.uint64)
            of_earlier = np.zeros((len(batch), 2), dtype=np.uint64)
            for name, column in batch.columns.items():
                lanes = prints.raw_lanes(name, column)
                distinct[name].add(lanes, column)
                rows = lanes[column.codes]
                if name in lanes_apart:
                    lanes_apart[name].append(rows)
                elif name in columns:
                    sums += rows
                if self.earlier is not None and name in self.earlier.version.fingerprint_columns:
                    of_earlier += rows
                if name in kept:
                    kept[name].chunks.append(batch.table.column(name))
            sample.add(batch)
            if self.parent is not None and self.memory is not None:
                recalled.append(self._recall(batch, sums, self.parent, self.memory))
            if (row_key := self.row_key) is not None:
                column = batch.columns[row_key]
                keys.append(key_hashes(column))
                if row_key in columns and row_key not in lanes_apart:  # rows are alike whatever their key is
                    sums = sums - prints.raw_lanes(row_key, column)[column.codes]
            hashes.append(sums)
            if self.earlier is not None:
                earlier = self.earlier
                seen.append(earlier.seen(*self._recall(batch, of_earlier, earlier.version, earlier.memory).places()))
        found = Gathered(
            names, sample.n_rows, columns, np.concatenate(hashes), None, None, kept, sample, distinct,
            Recalled.join(recalled) if recalled else None, np.concatenate(seen) if seen else None,
        )  # fmt: skip
        held_apart = {name: np.concatenate(lanes) for name, lanes in lanes_apart.items()}
        return found, held_apart, np.concatenate(keys) if keys else None

    def _recall(self, batch: Batch, hashes: np.ndarray, version: DatasetVersion, memory: RowMemory) -> Recalled:
        """What a version knows of the rows: by their key or text, and of the others by what its decoder reads from it."""
        keyed = np.zeros(len(batch), dtype=bool)
        if version.row_key is not None and version.row_key in batch.names:
            keys = key_hashes(batch.columns[version.row_key])
            keyed = np.asarray(keys.any(axis=1))
            hashes = np.where(keyed[:, None], keys, hashes)
        part, envelope = memory.parts_of_rows(prints.fingerprints(hashes, self.key))
        twin_part, twin_envelope = np.full_like(part, UNKNOWN), np.full_like(envelope, -1)
        unknown = np.flatnonzero(part == UNKNOWN)
        if len(unknown):
            frame, _ = version.decoder.decode_columns(batch.take(unknown).columns)
            if (own := key_hashes_of_frame(frame, version.row_key)) is not None and is_protected(version):
                # rows that came as labelled traffic are known by protected keys
                protected = np.asarray(own.any(axis=1))
                found = memory.parts_of_rows(prints.fingerprints(own[protected], self.key))
                part[unknown[protected]], envelope[unknown[protected]] = found
            led = led_by_twins(version, keyed[unknown])
            content = prints.frame_fingerprints(frame, version.inputs, self.key)[led]
            twin_part[unknown[led]], twin_envelope[unknown[led]] = memory.parts_of_content(content)
        return Recalled(part, envelope, twin_part, twin_envelope)

    def _names_in(self, batch: Batch, columns: Iterable[str]) -> tuple[str, ...]:
        """Columns that name the rows of the first batch, and may do so in all: their share of the hash can still be left
        out."""
        everything = np.arange(len(batch))
        found: list[str] = []
        for name in columns:
            distinct = len(batch.table.column(name).dictionary)
            if name not in self.told and distinct >= NAMES_ROWS_SHARE * len(batch):
                evidence = Evidence.of(batch.columns[name], everything)
                if infer_column(name, evidence, total_rows=len(batch))[1].kind is Kind.IDENTIFIER:
                    found.append(name)
        return tuple(found)

    def _naming_rows(self, found: Gathered, columns: Iterable[str]) -> set[str]:
        """The columns that only name or count the rows.

        It is asked of all rows, before they are dealt: it says that values differ, and nothing about what they are.
        """
        if found.n_rows == self._first_rows:  # all rows are in the first batch
            return set(self._first_names)
        sample = found.sample
        everything = np.arange(len(sample.rows))
        naming: set[str] = set()
        for name in columns:
            distinct, many = found.distinct[name], NAMES_ROWS_SHARE * found.n_rows
            if name in self.told or (distinct.at_most if sample.whole else distinct.count) < many:
                continue
            column = sample.columns[name]
            if sample.whole and len(column.values) < many:
                continue
            evidence = Evidence.of(column, everything, share=None if sample.whole else distinct.share)
            if infer_column(name, evidence, total_rows=found.n_rows)[1].kind is Kind.IDENTIFIER:
                naming.add(name)
        return naming
