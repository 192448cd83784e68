"""Dealing the rows of a source into parts: those that a parent version knows stay, the others are placed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from penstock.bundle.decoder import EncodedColumn
from penstock.data import fingerprints as prints
from penstock.data.gather import Gathered
from penstock.data.infer import check_names
from penstock.data.memory import UNKNOWN, RowMemory
from penstock.data.request import Request
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
    rows : what the first reading found of them. key : of the fingerprints. parent, memory : the version whose rows keep their parts, and what it remembers of them.
    warnings : what a person should know is added here.
    """

    rows: Gathered
    request: Request
    key: bytes
    parent: DatasetVersion | None
    memory: RowMemory | None
    warnings: list[str]

    def deal(self, labelled: np.ndarray, strata: np.ndarray) -> Dealt:
        """Deal the rows that have a target; shapes (n,) bool and int."""
        columns, hashes = self.rows.columns, self.rows.hashes
        self._warn_of_lost(columns)
        row = prints.fingerprints(hashes, self.key)
        group_hashes = self._group_hashes()
        group = np.zeros_like(row) if group_hashes is None else prints.fingerprints(group_hashes, self.key)
        part = np.full(len(row), LEFT_OUT, dtype=np.int8)
        envelope = np.full(len(row), -1, dtype=np.int16)
        rows = np.flatnonzero(labelled)
        if self.rows.recalled is not None:
            found, places = self.rows.recalled.places()
            known = labelled & (found != UNKNOWN)
            part[known], envelope[known] = found[known], places[known]
            rows = np.flatnonzero(labelled & (found == UNKNOWN))
        if len(rows):
            part[rows] = self._deal_new(rows, part, hashes, group_hashes, group, strata)
        return Dealt(columns, hashes, row, group, part, envelope)

    def _warn_of_lost(self, columns: tuple[str, ...]) -> None:
        lost = [name for name in columns if name not in self.rows.names]
        if lost:
            self.warnings.append(
                f"the source has no column {', '.join(map(repr, lost))} any more: rows that had a value there cannot "
                "be told from new ones, and are dealt anew"
            )

    def _group_hashes(self) -> np.ndarray | None:
        if not self.request.split.by.startswith("group:"):
            return None
        return prints.row_hashes({"group": self._split_column()}, self.rows.n_rows)

    def _split_column(self) -> EncodedColumn:
        return self.rows.kept[self.request.split.column or ""].encoded()

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
        seen = None if self.rows.seen is None else self.rows.seen[rows]
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


def columns_needed(names: tuple[str, ...], request: Request) -> tuple[str, ...]:
    """The columns that deal the rows, and are therefore kept of all of them.

    Raises
    ------
    SchemaMismatch : the split names a column that is not there. TargetError : it names the target.
    """
    name = request.split.column
    if name is None:
        return ()
    check_names(names, request.target, (name,), where="[split] by (--split)")
    if name == request.target:
        raise TargetError(
            f"rows cannot be dealt by the target {name!r}",
            why="the parts would then hold different outcomes",
            way_out='[split] by = "random" keeps the shares of the classes',
        )
    return (name,)
