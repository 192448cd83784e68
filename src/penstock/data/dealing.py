"""Dealing the rows of a source into parts: those that a parent version knows stay, the others are placed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from penstock.bundle.decoder import EncodedColumn
from penstock.data import fingerprints as prints
from penstock.data.gather import Gathered, Recalled
from penstock.data.groups import place_by_group
from penstock.data.infer import check_names
from penstock.data.keys import group_hashes as hashes_of_groups
from penstock.data.memory import UNKNOWN, RowMemory
from penstock.data.request import Request
from penstock.data.split import GAP, LEFT_OUT, PARTS, TEST, TRAIN, VALID, deal, distinct, place
from penstock.data.split_given import deal_given, given_parts, place_given, said_parts, twins_of_other_parts
from penstock.data.split_time import codes_of, deal_by_time, place_by_time
from penstock.data.times import times_of
from penstock.data.together import combinations, together, too_coarse
from penstock.data.versions import DatasetVersion
from penstock.errors import SplitError, TargetError

ROWS_ENOUGH = 10
"""A part that is to have so many rows and has none is refused; of fewer it can be chance, in a small table."""
SHARE_OFF = 0.05
"""A share that is further than this from the declared one is told."""


@dataclass(frozen=True)
class Dealt:
    """Where every row of a source went, and what it is known by.

    Attributes
    ----------
    columns : names of the raw columns that make a row what it is, where it has no key.
    units : hashes of what is dealt, uint64, shape (n, 2): rows, or their groups where these are dealt.
    row, group : fingerprints of the rows and of their groups, the same shape; zeros without groups.
    part, envelope : int8 and int16, shape (n,); the envelope is -1 but for test rows that have one already.
    block : int16, shape (n,): which of the new envelopes a test row is for, where that is not left to its hash; else -1.
    twins_apart : rows that are written alike were dealt one by one.
    """

    columns: tuple[str, ...]
    units: np.ndarray
    row: np.ndarray
    group: np.ndarray
    part: np.ndarray
    envelope: np.ndarray
    block: np.ndarray
    twins_apart: bool


@dataclass(frozen=True)
class Dealer:
    """Deals the rows of one source.

    Attributes
    ----------
    rows : what the first reading found of them. key : of the fingerprints. parent, memory : the version whose rows keep
        their parts, and what it remembers of them.
    warnings : what a person should know is added here.
    spent : envelopes of the parent's lineage that were opened.
    """

    rows: Gathered
    request: Request
    key: bytes
    parent: DatasetVersion | None
    memory: RowMemory | None
    warnings: list[str]
    spent: frozenset[int] = field(default=frozenset())

    def deal(self, labelled: np.ndarray, strata: np.ndarray) -> Dealt:
        """Deal the rows that have a target; shapes (n,) bool and int."""
        hashes = self.rows.hashes
        self._warn_of_lost()
        self._warn_of_keys()
        group_hashes = self._group_hashes()
        group = np.zeros_like(hashes) if group_hashes is None else prints.fingerprints(group_hashes, self.key)
        part = np.full(len(hashes), LEFT_OUT, dtype=np.int8)
        envelope = np.full(len(hashes), -1, dtype=np.int16)
        block = np.full(len(hashes), -1, dtype=np.int16)
        rows = _places(labelled)
        if self.rows.recalled is not None:
            if group_hashes is None or self.memory is None:
                found, places = self.rows.recalled.places()
            else:
                found, places = self._recall_groups(self.rows.recalled, self.memory, group, group_hashes, rows)
            known = labelled & (found != UNKNOWN)
            part[known], envelope[known] = found[known], places[known]
            rows = _places(labelled & (found == UNKNOWN))
        apart = self._twins_apart()
        units = self._units(rows, apart=apart) if group_hashes is None else group_hashes
        if len(rows):
            part[rows], block[rows] = self._deal_new(rows, part, envelope, units, group_hashes, strata)
        self._warn_of_gap(part)
        row = prints.fingerprints(hashes, self.key)  # last: where there are many rows, dealing needs the room
        return Dealt(self.rows.columns, units, row, group, part, envelope, block, apart)

    def _twins_apart(self) -> bool:
        """Whether rows that are written alike are no copies of each other: as declared, or where the columns are too coarse for that.

        Raises
        ------
        SplitError : they are to be dealt one by one, and there is nothing to tell them apart by.
        """
        if self.parent is not None:
            return self.parent.twins_apart
        split = self.request.split
        told_apart = self.rows.keyed is not None or split.how == "group"
        if split.twins is not None:
            if split.twins == "apart" and not told_apart:
                raise SplitError(
                    '[split] twins = "apart", and rows have no key',
                    why="without one a row is what it holds, so that rows that are written alike cannot be told apart",
                    way_out="name a column that tells them apart with [data] key, a running number at least",
                )
            return split.twins == "apart"
        possible, rows = self._combinations(), len(self.rows.hashes)
        if not too_coarse(possible, rows) or (split.how == "time" and not told_apart):
            return False
        so = (
            f"each is dealt by {split.dealt_by} ([split] twins)"
            if told_apart
            else "without a key they share a part, so that each part has combinations of its own; name a column that tells rows apart "
            "with [data] key (--key), a running number at least"
        )
        self.warnings.append(
            f"the columns allow {possible:,.0f} combinations of values, and there are {rows} rows: those that are written alike are no "
            f"copies of each other, and {so}"
        )
        return told_apart

    def _combinations(self) -> float:
        """How many different rows the columns allow, but for the key."""
        counts = [self.rows.distinct[name] for name in self.rows.columns if name != self.request.row_key]
        return combinations(one.count + (one.filled < self.rows.n_rows) for one in counts)

    def _units(self, rows: np.ndarray, *, apart: bool) -> np.ndarray:
        """What is dealt of new `rows`: by their key, those that are written alike as one unless they are `apart`; else by all that
        they hold. Shape (n, 2)."""
        hashes, contents = self.rows.hashes, self.rows.contents
        if contents is None or not len(rows) or self.request.split.how == "time" or apart:
            return hashes
        found = together(hashes[rows], contents[rows])
        moved = (found != hashes[rows]).any(axis=1)
        if not moved.any():
            return hashes
        _, unit, _ = distinct(found)
        shared = np.isin(unit, unit[moved])
        self.warnings.append(
            f"{int(shared.sum())} rows are written like a row of another key in {self.request.row_key!r}, or have the key of "
            "one that is: such rows share a part"
        )
        units = hashes.copy()
        units[rows] = found
        return units

    def _warn_of_lost(self) -> None:
        lost = [name for name in self.rows.columns if name not in self.rows.names]
        by_key = self.parent is not None and self.parent.row_key in self.rows.names
        if lost and not by_key:
            self.warnings.append(
                f"the source has no column {', '.join(map(repr, lost))} any more: the rows of the version before are known by "
                "what else they hold"
            )

    def _warn_of_keys(self) -> None:
        """Rows without a key, and keys that are not one row's.

        Raises
        ------
        SplitError : hardly any row has a key.
        """
        if (keyed := self.rows.keyed) is None:
            return
        key, without = self.request.row_key, int((~keyed).sum())
        if 2 * without > len(keyed):
            raise SplitError(
                f"{without} of {len(keyed)} rows have no value in the key {key!r}",
                why="the part of a row follows from its key",
                way_out="name another column, or remove [data] key",
            )
        if without:
            self.warnings.append(f"{without} rows have no key in {key!r}: they are known by all that they hold")
        first, _, _ = distinct(self.rows.hashes[keyed])
        if twice := len(keyed) - without - len(first):
            self.warnings.append(f"{twice} rows have a key in {key!r} that another row has: such rows share a part")

    def _warn_of_gap(self, part: np.ndarray) -> None:
        if within := int((part == GAP).sum()):
            self.warnings.append(
                f"{within} rows lie within the gap of {self.request.split.gap} between parts and are left out"
            )

    def _group_hashes(self) -> np.ndarray | None:
        if self.request.split.how != "group":
            return None
        return hashes_of_groups(self._split_column())

    def _split_column(self) -> EncodedColumn:
        return self.rows.kept[self.request.split.column or ""].encoded()

    def _recall_groups(
        self, known: Recalled, memory: RowMemory, group: np.ndarray, group_hashes: np.ndarray, rows: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Part and envelope of all `rows`, also of new ones, where groups are dealt: none is torn."""
        part, envelope = known.part.copy(), known.envelope.copy()
        twin, twin_envelope = known.twin_part, known.twin_envelope
        placed = place_by_group(
            part[rows], envelope[rows], group[rows, 0], group_hashes[rows], twin[rows], twin_envelope[rows],
            memory, self.request.split, self.spent,
        )  # fmt: skip
        part[rows], envelope[rows] = placed.part, placed.envelope
        if placed.moved:
            self.warnings.append(
                f"{placed.moved} known rows have come into a group of another part and are left out: no row moves, and no "
                "group is torn"
            )
        if placed.alike:
            self.warnings.append(
                f"{placed.alike} new rows are left out: their group is on one side of the seal, and a row that is written "
                "like them on the other"
            )
        return part, envelope

    def _deal_new(
        self,
        rows: np.ndarray,
        part: np.ndarray,
        envelope: np.ndarray,
        units: np.ndarray,
        group_hashes: np.ndarray | None,
        strata: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The parts of rows that nobody knows yet, and blocks of test rows: int8 and int16, one for each of `rows`."""
        split = self.request.split
        seen = None if self.rows.seen is None else self.rows.seen[rows]
        # no second copy of all
        dealt, classes = (units, strata) if len(rows) == len(units) else (units[rows], strata[rows])
        by_hash = np.full(len(rows), -1, dtype=np.int16)
        if split.how == "time":
            return self._by_time(rows, part, envelope, units, seen)
        if split.given:
            return self._given(rows, units, strata, seen), by_hash
        if group_hashes is None and self.parent is not None:
            return place(dealt, split), by_hash
        parts = deal(dealt, split, strata=classes, groups=None if group_hashes is None else dealt, seen=seen)
        if self.parent is None and seen is None:
            self._hold_to_shares(parts, dealt)
        return parts, by_hash

    def _by_time(
        self, rows: np.ndarray, part: np.ndarray, envelope: np.ndarray, hashes: np.ndarray, seen: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        split = self.request.split
        times, dates = times_of(
            self._split_column(), split.column or "", self.warnings, self.request.writing.of(split.column or "")
        )
        gap = split.gap_of(dates=dates)
        if self.parent is None:
            dealt = deal_by_time(hashes[rows], split, times[rows], gap, seen=seen)
        else:
            dealt = place_by_time(
                hashes[rows], split, times[rows], times[part == TRAIN].max(initial=-np.inf),
                gap=gap, fixed_times=times, fixed_codes=codes_of(part, envelope),
            )  # fmt: skip
        return dealt.parts, dealt.block

    def _given(self, rows: np.ndarray, hashes: np.ndarray, strata: np.ndarray, seen: np.ndarray | None) -> np.ndarray:
        split = self.request.split
        column = self._split_column()
        said, given = said_parts(column, split, rows), given_parts(column, split)
        if self.parent is not None:
            parts = place_given(hashes[rows], said, split, given)
        else:
            parts = deal_given(hashes[rows], said, split, given, strata=strata[rows], seen=seen)
        if twins := twins_of_other_parts(parts, said):
            self.warnings.append(
                f"{twins} rows are not in the part that they were given for: they are written like a row of a part that is "
                "seen earlier, or were seen before, and join it"
            )
        if self.parent is None:
            for code in (TRAIN, VALID, TEST):
                if PARTS[code] in {"train", *given} and not (parts == code).any():
                    raise SplitError(
                        f"there is no {PARTS[code]} row",
                        why=f"[split] by = {split.by!r} gives none with a target",
                        way_out="correct [split], or what it reads the parts from",
                    )
        return parts

    def _hold_to_shares(self, parts: np.ndarray, units: np.ndarray) -> None:
        """Refuse a first version without a row in a part that is to have some, where there are rows enough; warn of shares far from
        those that are declared.

        Raises
        ------
        SplitError : a part is empty, as rows that share one are too many.
        """
        split = self.request.split
        shares = {TRAIN: 1 - split.valid - split.test, VALID: split.valid, TEST: split.test}
        counts = np.bincount(parts[parts >= 0], minlength=len(PARTS))
        enough = [code for code, share in shares.items() if share * len(parts) >= ROWS_ENOUGH]
        empty = [code for code in enough if not counts[code]]
        off = [code for code in enough if abs(counts[code] / len(parts) - shares[code]) > SHARE_OFF]
        if not off and not empty:
            return
        _, _, sizes = distinct(units)
        if split.column is not None:
            what, way_out = f"{len(sizes)} values of {split.column!r}", "deal the rows by a finer column ([split] by)"
        elif self.request.row_key is None:
            what, way_out = (
                f"{len(sizes)} that differ",
                "name a column that tells rows apart with [data] key (--key), a running number at least",
            )
        else:
            what, way_out = (
                f"{len(sizes)} that differ in {self.request.row_key!r} and are not written alike",
                'have each dealt by its key alone ([split] twins = "apart")',
            )
        why = f"of {len(parts)} rows there are {what}; the others share a part with one of them, the largest such set has {sizes.max()} rows"
        if empty:
            raise SplitError(
                f"there is no {PARTS[empty[0]]} row", why=why, way_out=f"{way_out}, or give this part no share"
            )
        told = ", ".join(f"{PARTS[code]} {counts[code] / len(parts):.0%} instead of {shares[code]:.0%}" for code in off)
        self.warnings.append(f"the shares are not as declared ({told}): {why}; {way_out}")


def _places(where: np.ndarray) -> np.ndarray:
    """Which rows these are: of 32 bits where they suffice."""
    found = np.flatnonzero(where)
    return found.astype(np.int32) if len(where) < 2**31 else found


def columns_needed(names: tuple[str, ...], request: Request) -> tuple[str, ...]:
    """The columns that deal the rows, and are therefore kept of all of them.

    Raises
    ------
    SchemaMismatch : the split or the key names a column that is not there. TargetError, SplitError : it names the target.
    """
    if (key := request.row_key) is not None:
        check_names(names, request.target, (key,), where="[data] key (--key)")
        if key == request.target:
            raise SplitError(
                f"[data] key is the target {key!r}",
                why="the part of a row would then follow from its outcome",
                way_out="name a column that names the rows, or remove the key",
            )
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
