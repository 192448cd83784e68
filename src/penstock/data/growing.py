"""A folder that has only grown: the rows of its known files are in the version before, typed, dealt and sealed; new files alone are read.

What comes of it is what reading everything would give, to the digest. Where that is not certain (a file changed or went, a new one
stands between the others, a value that could make a column another one), everything is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.bundle.decoder import ColumnSpec, EncodedColumn
from penstock.bundle.kinds import Kind, Task
from penstock.bundle.values import class_text
from penstock.data import chunks
from penstock.data.column_finding import ColumnFinding, Told
from penstock.data.evidence import MISSING_MARKERS, Evidence, plain_numbers
from penstock.data.infer import Inference
from penstock.data.memory import RowMemory
from penstock.data.request import Request
from penstock.data.sample import Sample
from penstock.data.seal import decrypt
from penstock.data.source import Growing, Source
from penstock.data.split import MIN_ENVELOPE_ROWS, PARTS, TEST, TRAIN, VALID
from penstock.data.store import RowWriter
from penstock.data.target import MAX_NUMBER_CLASSES
from penstock.data.versions import DatasetVersion
from penstock.errors import DamagedStore, NotFound, SealError
from penstock.ledger.ledger import Ledger
from penstock.objects.digests import digest_of_json
from penstock.objects.store import ObjectStore

if TYPE_CHECKING:
    import pyarrow as pa

FilesOf = Callable[[str], Mapping[str, str] | None]
"""The files that a version was made of, name -> digest; None where that is not known."""
UNSETTLED = frozenset({Kind.CONSTANT, Kind.BINARY})
"""One or two values may become more with the next rows; what other columns are is kept from version to version."""


class CannotGrow(Exception):
    """It has to be read as a whole after all. Nobody is told: it is no error."""


@dataclass(frozen=True)
class Growth:
    """What a source has beyond the version before.

    Attributes
    ----------
    old : the version before. details : of its record. source : the rows of the new files.
    """

    ledger: Ledger
    objects: ObjectStore
    old: DatasetVersion
    details: Mapping[str, Any]
    request: Request
    source: Source

    @classmethod
    def of(
        cls,
        ledger: Ledger,
        objects: ObjectStore,
        old: DatasetVersion,
        source: Source,
        request: Request,
        files_of: FilesOf,
    ) -> Growth | None:
        """The growth, where new files come behind all that the version was made of, and nothing else has changed."""
        dropped, decoder = {request.target, *request.drop}, old.decoder
        if (
            not isinstance(source, Growing)
            or old.appended_rows
            or request.history
            or request.split.how != "random"
            or old.manifest["source"]["how"] != request.how
            or [spec.name for spec in decoder.columns] != [name for name in source.names if name not in dropped]
        ):
            return None
        before, now = files_of(old.digest), source.contents
        if not before or digest_of_json({"kind": "files", "files": dict(before)}) != old.manifest["source"]["digest"]:
            return None
        first = list(now)[: len(before)]
        if len(now) == len(before) or {name: now[name] for name in first} != dict(before):
            return None
        new = source.part(frozenset(now) - frozenset(first))
        return cls(ledger, objects, old, ledger.datasets.get(old.digest).details, request, new)

    # ------------------------------------------------------------ what the new rows must not change

    def outcomes(self, column: EncodedColumn, warnings: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """Which new rows have a target, and the stratum of each. Raises CannotGrow: an outcome that no known row has."""
        spec = self.old.target
        texts = [text for text in Evidence.of(column, np.arange(len(column))).texts if text not in spec.missing]
        y, _ = self.old.decoder.decode_target_columns(column)
        labelled = ~np.isnan(y) if spec.task is Task.REGRESSION else y >= 0
        if left_out := int((~labelled).sum()):
            warnings.append(f"{left_out} of {len(column)} new rows have no target and are left out")
        if spec.task is not Task.REGRESSION:
            _need({*texts} <= {class_text(label) for label in spec.classes})
            return labelled, y.astype(np.int32)
        known = np.unique(np.concatenate([y[~np.isnan(y)], *map(chunks.target_of, self._chunks(TRAIN))]))
        numbers = plain_numbers(texts) if texts else np.empty(0)
        _need(numbers is not None and (spec.decimal, spec.thousands) == (".", ""))
        _need(self.request.task is not None or len(known) > MAX_NUMBER_CLASSES)
        return labelled, np.zeros(len(y), dtype=np.int32)

    def inference(self, sample: Sample, parts: np.ndarray, n_rows: int) -> Inference:
        """The decoder of the version before, which all rows together would give again. Raises CannotGrow: they might not."""
        if (
            self.old.target.task is Task.REGRESSION
        ):  # new envelopes are dealt by tenths of all outcomes, sealed ones too
            _need(int((parts == TEST).sum()) < 2 * MIN_ENVELOPE_ROWS)
        train = np.flatnonzero(parts[sample.rows] == TRAIN)
        columns = sample.columns
        known = self._known_values()
        for spec in self.old.decoder.columns:
            if spec.name in known:
                self._check(spec, known[spec.name], Evidence.of(columns[spec.name], train), len(train))
        before = {c["name"]: c for c in self.details["columns"]}
        findings = tuple(
            ColumnFinding(
                spec.name, spec.kind, Told(before[spec.name]["why"]), tuple(map(Told, before[spec.name]["warnings"]))
            )
            if spec.kind in UNSETTLED
            else ColumnFinding(spec.name, spec.kind, Told("as in the version before"))
            for spec in self.old.decoder.columns
        )
        return Inference(self.old.decoder, findings, self.old.target.task, str(self.details["why_task"]))

    def _known_values(self) -> dict[str, set[str | None]]:
        """Of columns that may become others with the next value, the training values that they have."""
        unsettled = {
            number: spec.name
            for number, spec in enumerate(self.old.decoder.columns)
            if spec.kind in UNSETTLED and not spec.is_withheld
        }
        known: dict[str, set[str | None]] = {name: set() for name in unsettled.values()}
        for chunk in self._chunks(TRAIN) if known else ():
            for values, found in zip(known.values(), chunks.distinct_texts(chunk, list(unsettled)), strict=True):
                values |= found
        return known

    def _check(self, spec: ColumnSpec, known: set[str | None], evidence: Evidence, rows: int) -> None:
        """Whether new training values of a column are nothing but those that it has."""
        _need(spec.privacy is None)
        values = evidence.without(spec.missing)
        _need(self.request.missing is not None or MISSING_MARKERS.isdisjoint(values.texts))
        _need({*values.texts} <= known)
        if spec.kind is Kind.CONSTANT and known - {None}:
            _need(values.filled == rows)

    # ------------------------------------------------------------ what is there already

    def give(self, writer: RowWriter) -> None:
        """The rows of the version before, to the writer of the next: chunks as they are where they stay so.

        Raises
        ------
        CannotGrow : some of it is lost, which reading everything puts right.
        """
        for part in (TRAIN, VALID):
            for chunk, data in zip(self.old.manifest["parts"][PARTS[part]], self._chunks(part), strict=True):
                if not writer.keep(part, chunk["object"]):
                    _add(writer, chunks.bytes_table(data), part, -1)
        for envelope in self.old.envelopes:
            for number, digest in enumerate(envelope.objects):
                with _whole():
                    sealed = self.objects.get(digest)
                    plain = decrypt(self.ledger, self.old.lineage, envelope.index, sealed, number)
                _add(writer, chunks.bytes_table(plain), TEST, envelope.index)

    @property
    def n_rows(self) -> int:
        """Rows of the known files."""
        return int(self.old.manifest["source"]["rows"])

    @property
    def rows(self) -> Mapping[str, int]:
        """The same by part."""
        counts: Mapping[str, int] = self.old.manifest["rows"]
        return counts

    def remembering(self, now: RowMemory, memory: RowMemory) -> RowMemory:
        """What is remembered of the rows that are there: those of the known files, then new ones. `memory`: of the version before."""
        there = np.flatnonzero(memory.count > 0)
        before = memory if len(there) == len(memory.count) else memory.take(there, memory.count[there])
        return RowMemory.joined(before, now)

    def unreadable(self, new: Mapping[str, int]) -> dict[str, int]:
        """Training rows with a value that cannot be read, by column."""
        before: Mapping[str, int] = self.details.get("unreadable", {})
        return {
            name: before.get(name, 0) + new.get(name, 0) for name in (*before, *(n for n in new if n not in before))
        }

    def personal(self, found: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """What was found of personal columns in any file."""
        before = {
            one["column"]: {k: v for k, v in one.items() if k != "action"} for one in self.details.get("personal", ())
        }
        return {**{name: one for name, one in before.items() if "kind" in one}, **found}

    def _chunks(self, part: int) -> Iterator[bytes]:
        for chunk in self.old.manifest["parts"][PARTS[part]]:
            with _whole():
                data = self.objects.get(chunk["object"])
            yield data


def _add(writer: RowWriter, table: pa.Table, part: int, envelope: int) -> None:
    n, (*arrays, y) = table.num_rows, table.columns
    parts, envelopes = np.full(n, part, dtype=np.int8), np.full(n, envelope, dtype=np.int16)
    writer.add([array.combine_chunks() for array in arrays], y.to_numpy(), parts, envelopes)


@contextmanager
def _whole() -> Iterator[None]:
    """Turns what is lost or damaged into a reading of everything."""
    try:
        yield
    except (NotFound, DamagedStore, SealError) as error:
        raise CannotGrow from error


def _need(certain: bool) -> None:
    if not certain:
        raise CannotGrow
