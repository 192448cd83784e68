"""Dealing the rows of a source into parts: those that a parent version knows stay, the others are placed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from penstock.bundle.decoder import EncodedColumn
from penstock.bundle.kinds import Kind
from penstock.data import fingerprints as prints
from penstock.data.evidence import Evidence
from penstock.data.infer import check_names
from penstock.data.kinds import infer_column
from penstock.data.memory import UNKNOWN, RowMemory
from penstock.data.redeal import Earlier
from penstock.data.request import Request
from penstock.data.sources import SourceTable
from penstock.data.split import LEFT_OUT, TRAIN, deal, place, place_by_time
from penstock.data.times import times_of
from penstock.data.versions import DatasetVersion
from penstock.errors import TargetError


@dataclass(frozen=True)
class Dealt:
    """Where every row of a source went, and what it is known by.

    Attributes
    ----------
    columns : names of the raw columns that make a row's hash and fingerprint.
    hashes : of the rows, uint64, shape (n, 2). row, group : fingerprints of the rows and of their groups, the same shape;
        zeros without groups.
    part, envelope : int8 and int16, shape (n,); the envelope is -1 but for test rows that the parent knows.
    """

    columns: tuple[str, ...]
    hashes: np.ndarray
    row: np.ndarray
    group: np.ndarray
    part: np.ndarray
    envelope: np.ndarray


@dataclass(frozen=True)
class Dealer:
    """Deals the rows of one source.

    Attributes
    ----------
    key : of the fingerprints. parent, memory : the version whose rows keep their parts, and what it remembers of them.
    earlier : what was seen of the rows when they were dealt in another way; None where they are dealt for the first time.
    warnings : what a person should know is added here.
    """

    table: SourceTable
    request: Request
    key: bytes
    parent: DatasetVersion | None
    memory: RowMemory | None
    earlier: Earlier | None
    warnings: list[str]

    def deal(self, labelled: np.ndarray, strata: np.ndarray) -> Dealt:
        """Deal the rows that have a target; shapes (n,) bool and int."""
        columns = self.parent.fingerprint_columns if self.parent else self._columns()
        self._warn_of_lost(columns)
        hashes = self._hashes(columns)
        row = prints.fingerprints(hashes, self.key)
        group_hashes = self._group_hashes()
        group = np.zeros_like(row) if group_hashes is None else prints.fingerprints(group_hashes, self.key)
        part = np.full(len(row), LEFT_OUT, dtype=np.int8)
        envelope = np.full(len(row), -1, dtype=np.int16)
        rows = np.flatnonzero(labelled)
        if self.parent is not None and self.memory is not None:
            found, places = self._recall(row, self.parent, self.memory)
            known = labelled & (found != UNKNOWN)
            part[known], envelope[known] = found[known], places[known]
            rows = np.flatnonzero(labelled & (found == UNKNOWN))
        if len(rows):
            part[rows] = self._deal_new(rows, part, hashes, group_hashes, group, strata)
        return Dealt(columns, hashes, row, group, part, envelope)

    def _columns(self) -> tuple[str, ...]:
        """The raw columns that make a row what it is: not the target, not those that only name or count the rows.

        Whether a column names the rows is asked of all rows, before they are dealt: it says that values differ, and
        nothing about what they are.
        """
        table, excluded = self.table, {self.request.target, *self.request.drop}
        everything = np.arange(table.n_rows)
        names = []
        for name, column in table.columns.items():
            if name in excluded:
                continue
            if len(column.values) >= 0.9 * table.n_rows and name not in self.request.kinds:
                _, finding = infer_column(name, Evidence.of(column, everything), total_rows=table.n_rows)
                if finding.kind is Kind.IDENTIFIER:
                    continue
            names.append(name)
        return tuple(names or [name for name in table.columns if name not in excluded])

    def _warn_of_lost(self, columns: tuple[str, ...]) -> None:
        lost = [name for name in columns if name not in self.table.columns]
        if lost:
            self.warnings.append(
                f"the source has no column {', '.join(map(repr, lost))} any more: rows that had a value there cannot "
                "be told from new ones, and are dealt anew"
            )

    def _hashes(self, columns: tuple[str, ...]) -> np.ndarray:
        raw = {name: self.table.columns[name] for name in columns if name in self.table.columns}
        return prints.row_hashes(raw, self.table.n_rows)

    def _group_hashes(self) -> np.ndarray | None:
        if not self.request.split.by.startswith("group:"):
            return None
        return prints.row_hashes({"group": self._split_column()}, self.table.n_rows)

    def _split_column(self) -> EncodedColumn:
        name = self.request.split.column
        assert name is not None  # only asked where `by` names one
        check_names(self.table.columns, self.request.target, (name,), where="[split] by (--split)")
        if name == self.request.target:
            raise TargetError(
                f"rows cannot be dealt by the target {name!r}",
                why="the parts would then hold different outcomes",
                way_out='[split] by = "random" keeps the shares of the classes',
            )
        return self.table.columns[name]

    def _recall(self, row: np.ndarray, parent: DatasetVersion, memory: RowMemory) -> tuple[np.ndarray, np.ndarray]:
        """What the parent knows of the rows: by their text, else by what its decoder reads from it."""
        part, envelope = memory.parts_of_rows(row)
        unknown = np.flatnonzero(part == UNKNOWN)
        if len(unknown):
            frame, _ = parent.decoder.decode_columns(self.table.take(unknown).columns)
            content = prints.frame_fingerprints(frame, parent.inputs, self.key)
            part[unknown], envelope[unknown] = memory.parts_of_content(content)
        return part, envelope

    def _deal_new(
        self,
        rows: np.ndarray,
        part: np.ndarray,
        hashes: np.ndarray,
        group_hashes: np.ndarray | None,
        group: np.ndarray,
        strata: np.ndarray,
    ) -> np.ndarray:
        """The parts of rows that nobody knows yet: int8, one for each of `rows`."""
        split = self.request.split
        seen = None if self.earlier is None else self._seen(self.earlier)[rows]
        if split.by.startswith("time:"):
            times = times_of(self._split_column(), split.column or "", self.warnings)
            if self.parent is not None:
                return place_by_time(hashes[rows], split, times[rows], times[part == TRAIN].max(initial=-np.inf))
            return deal(hashes[rows], split, times=times[rows], seen=seen)
        if group_hashes is not None:
            if self.memory is None:
                return deal(hashes[rows], split, groups=group_hashes[rows], seen=seen)
            known = self.memory.parts_of_groups(group[rows, 0])
            return np.where(known == UNKNOWN, place(group_hashes[rows], split), known)
        if self.parent is None:
            return deal(hashes[rows], split, strata=strata[rows], seen=seen)
        return place(hashes[rows], split)

    def _seen(self, earlier: Earlier) -> np.ndarray:
        """Which rows of the source may have been learned from: bool, shape (n,)."""
        row = prints.fingerprints(self._hashes(earlier.version.fingerprint_columns), self.key)
        return earlier.seen(*self._recall(row, earlier.version, earlier.memory))
