"""Dealing the rows of a source into parts: those that a parent version knows stay, the others are placed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from penstock.bundle.decoder import EncodedColumn
from penstock.bundle.kinds import INPUT_KINDS, Kind
from penstock.data import fingerprints as prints
from penstock.data.evidence import Evidence
from penstock.data.infer import check_names
from penstock.data.kinds import infer_column
from penstock.data.memory import UNKNOWN, RowMemory
from penstock.data.request import Request
from penstock.data.sources import SourceTable
from penstock.data.split import LEFT_OUT, deal, place
from penstock.data.times import times_of
from penstock.data.versions import DatasetVersion
from penstock.errors import TargetError


@dataclass(frozen=True)
class Dealt:
    """Where every row of a source went, and what it is known by.

    Attributes
    ----------
    columns : names of the raw columns that make a row's fingerprint.
    row : fingerprints, uint64, shape (n, 2). group : fingerprints of the groups, the same shape; zeros without groups.
    part, envelope : int8 and int16, shape (n,); the envelope is -1 but for test rows that the parent knows.
    """

    columns: tuple[str, ...]
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
    warnings : what a person should know is added here.
    """

    table: SourceTable
    request: Request
    key: bytes
    parent: DatasetVersion | None
    memory: RowMemory | None
    warnings: list[str]

    def deal(self, labelled: np.ndarray, strata: np.ndarray) -> Dealt:
        """Deal the rows that have a target; shapes (n,) bool and int."""
        columns = self.parent.fingerprint_columns if self.parent else self._columns()
        self._warn_of_lost(columns)
        raw = {name: self.table.columns[name] for name in columns if name in self.table.columns}
        row = prints.row_fingerprints(raw, self.table.n_rows, self.key)
        group = self._groups()
        part = np.full(len(row), LEFT_OUT, dtype=np.int8)
        envelope = np.full(len(row), -1, dtype=np.int16)
        rows = np.flatnonzero(labelled)
        if self.parent is not None and self.memory is not None:
            found, places = self._recall(row, self.parent, self.memory)
            known = labelled & (found != UNKNOWN)
            part[known], envelope[known] = found[known], places[known]
            rows = np.flatnonzero(labelled & (found == UNKNOWN))
        if len(rows):
            part[rows] = self._deal_new(rows, row[rows], group[rows], strata[rows])
        return Dealt(columns, row, group, part, envelope)

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

    def _groups(self) -> np.ndarray:
        if not self.request.split.by.startswith("group:"):
            return np.zeros((self.table.n_rows, 2), dtype=np.uint64)
        return prints.row_fingerprints({"group": self._split_column()}, self.table.n_rows, self.key)

    def _split_column(self) -> EncodedColumn:
        name = self.request.split.column
        assert name is not None  # only asked where `by` names one
        check_names(self.table.columns, self.request.target, (name,))
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
            inputs = [spec.name for spec in parent.decoder.columns if spec.kind in INPUT_KINDS]
            content = prints.frame_fingerprints(frame, inputs, self.key)
            part[unknown], envelope[unknown] = memory.parts_of_content(content)
        return part, envelope

    def _deal_new(self, rows: np.ndarray, row: np.ndarray, group: np.ndarray, strata: np.ndarray) -> np.ndarray:
        """The parts of rows that nobody knows yet: int8, one for each."""
        split = self.request.split
        if split.by.startswith("time:"):
            times = times_of(self._split_column(), split.column or "", self.warnings)
            return deal(row, split, self.key, times=times[rows])
        if split.by.startswith("group:"):
            if self.memory is None:
                return deal(row, split, self.key, groups=group)
            known = self.memory.parts_of_groups(group[:, 0])
            return np.where(known == UNKNOWN, place(group, split, self.key), known)
        if self.parent is None:
            return deal(row, split, self.key, strata=strata)
        return place(row, split, self.key)
