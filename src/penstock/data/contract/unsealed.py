"""Which rows of a file may be shown: those that train or validate, or will. Of sealed ones, and of those to be, only counts.

Where a row goes follows from its text and from what the data set remembers; no more than the rows asked about are looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from penstock.data import fingerprints as prints
from penstock.data.keys import group_hashes, key_hashes
from penstock.data.memory import UNKNOWN, RowMemory
from penstock.data.source import Batch
from penstock.data.split import TRAIN, VALID, SplitSettings, place
from penstock.data.together import led_by_twins
from penstock.data.versions import DatasetVersion, load_memory
from penstock.ledger.ledger import Ledger
from penstock.objects.store import ObjectStore


class MayShow(Protocol):
    """Tells of rows of a batch (positions) whether their values may be shown: bool, one for each."""

    def __call__(self, batch: Batch, rows: np.ndarray) -> np.ndarray: ...


def nothing(batch: Batch, rows: np.ndarray) -> np.ndarray:
    """Before a data set is dealt any row may become a test row, so none is shown."""
    return np.zeros(len(rows), dtype=bool)


def everything(batch: Batch, rows: np.ndarray) -> np.ndarray:
    """Rows that are asked about, and will not be dealt."""
    return np.ones(len(rows), dtype=bool)


@dataclass(frozen=True)
class Unsealed:
    """Rows as a version knows them, and as its split will place those that it does not know."""

    version: DatasetVersion
    objects: ObjectStore
    key: bytes

    @cached_property
    def memory(self) -> RowMemory:
        """Tens of bytes for each row that is known: loaded when a row is asked about, which is where it breaks a rule."""
        return load_memory(self.objects, self.version)

    @classmethod
    def of(
        cls,
        ledger: Ledger,
        objects: ObjectStore,
        version: DatasetVersion,
        target: str,
        split: SplitSettings,
        row_key: str | None,
    ) -> MayShow:
        """By this version; where the declaration will have all rows dealt anew, none is shown."""
        if (version.target.name, version.split, version.row_key) != (target, split, row_key):
            return nothing
        return cls(version, objects, ledger.secret("fingerprints"))

    def __call__(self, batch: Batch, rows: np.ndarray) -> np.ndarray:
        taken = batch.take(rows)
        hashes = self._hashes(taken)
        part, _ = self.memory.parts_of_rows(prints.fingerprints(hashes, self.key))
        unknown = np.flatnonzero(part == UNKNOWN)
        if len(unknown):
            new = taken.take(unknown)
            frame, _ = self.version.decoder.decode_columns(new.columns)
            twin, _ = self.memory.parts_of_content(prints.frame_fingerprints(frame, self.version.inputs, self.key))
            twin[~led_by_twins(self.version, self._keyed(new))] = UNKNOWN
            part[unknown] = np.where(twin == UNKNOWN, self._placed(new, hashes[unknown]), twin)
        shown: np.ndarray = (part == TRAIN) | (part == VALID)
        return shown

    def _keyed(self, batch: Batch) -> np.ndarray:
        """Which rows have a key, bool, shape (n,)."""
        name = self.version.row_key
        if name is None or name not in batch.columns:
            return np.zeros(len(batch), dtype=bool)
        return np.asarray(key_hashes(batch.columns[name]).any(axis=1))

    def _hashes(self, batch: Batch) -> np.ndarray:
        """What a row is known by: its key, or all that it holds; uint64, shape (n, 2)."""
        columns = batch.columns
        names = [name for name in self.version.fingerprint_columns if name in columns]
        hashes = prints.row_hashes({name: columns[name] for name in names}, len(batch))
        if self.version.row_key is None or self.version.row_key not in columns:
            return hashes
        keys = key_hashes(columns[self.version.row_key])
        return np.where(keys.any(axis=1, keepdims=True), keys, hashes)

    def _placed(self, rows: Batch, hashes: np.ndarray) -> np.ndarray:
        """Where the split will place rows that nobody knows yet; unknown where that does not follow from them alone.

        By time what is new is mostly what will be sealed; and of a group, only those that are known stay where they are.
        """
        split = self.version.split
        if split.how == "random":
            return place(hashes, split)
        column = split.column or ""
        if split.how == "group" and column in rows.columns:
            group = group_hashes(rows.columns[column])
            return self.memory.parts_of_groups(prints.fingerprints(group, self.key)[:, 0])[0]
        return np.full(len(rows), UNKNOWN, dtype=np.int8)


class Sight:
    """Which rows of one batch may be shown, asked once for each row."""

    def __init__(self, batch: Batch, may_show: MayShow) -> None:
        self.batch, self.may_show = batch, may_show
        self.known = np.full(len(batch), -1, dtype=np.int8)

    def of(self, rows: np.ndarray) -> np.ndarray:
        """Bool, one for each of the rows (positions)."""
        asked = rows[self.known[rows] < 0]
        if len(asked):
            self.known[asked] = self.may_show(self.batch, asked)
        return self.known[rows] == 1
