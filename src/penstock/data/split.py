"""Which rows train, validate and test. A row's part follows from its hash and the seed, so it stays where it is for good,
and is the same for everybody who has the same rows.

The first version of a data set is cut by exact shares (within each class, where there are classes). Rows that come
later are placed by their own position between 0 and 1. Rows with one hash always share a part.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from penstock.data.fingerprints import positions
from penstock.data.split_groups import deal_groups, deal_unseen_groups
from penstock.project.split_settings import PARTS, SplitSettings

__all__ = ["PARTS", "SplitSettings"]

TRAIN, VALID, TEST, LEFT_OUT = 0, 1, 2, -1
GAP = -3
"""Left out for good, because the row lies within the gap between two parts; `LEFT_OUT` may be dealt later."""
MIN_ENVELOPE_ROWS = 200


def deal(
    hashes: np.ndarray,
    settings: SplitSettings,
    *,
    strata: np.ndarray | None = None,
    times: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    seen: np.ndarray | None = None,
) -> np.ndarray:
    """The parts of the rows of a first version: int8, shape (n,).

    Parameters
    ----------
    hashes : of the rows, uint64, shape (n, 2).
    strata : int, shape (n,); the shares hold within each. By group they hold as well as whole groups allow.
    times : shape (n,), sortable. (by time; rows of one time share a part)
    groups : hashes of the rows' groups, uint64, shape (n, 2). (by group)
    seen : bool, shape (n,); rows that must not test, because a model or a person may have learned from them. The others
        fill the test share as far as they go. By time, seen rows that are new enough to test validate instead.
    """
    if times is not None:
        _, codes, counts = np.unique(times, return_inverse=True, return_counts=True)
        within = np.zeros(len(counts), dtype=np.int64)
        parts = _cut(counts, within, np.arange(len(counts)), settings, ordered=True)[codes]
        if seen is not None:
            parts[seen & (parts == TEST)] = VALID
        return parts
    units = hashes if groups is None else groups
    first, codes, counts = distinct(units)
    barred = None if seen is None else np.bincount(codes, weights=seen) > 0
    if strata is not None and groups is not None:
        order = _positions_of(units, first, f"part:{settings.seed}")
        shares = (1 - settings.valid - settings.test, settings.valid, settings.test)
        if barred is None:
            return deal_groups(codes.astype(np.int64), strata, order, shares)[codes]
        again = positions(units[first], f"redeal:{settings.seed}")
        return deal_unseen_groups(codes.astype(np.int64), strata, again, barred, shares)[codes]
    within = np.zeros(len(first), dtype=np.int32) if strata is None or groups is not None else strata[first]
    if barred is None:
        return _cut(counts, within, _positions_of(units, first, f"part:{settings.seed}"), settings)[codes]
    order = _positions_of(units, first, f"part:{settings.seed}")
    return _cut_unseen(units[first], counts, within, order, barred, settings)[codes]


def place(units: np.ndarray, settings: SplitSettings) -> np.ndarray:
    """The parts of rows (or groups) that come later: int8, shape (n,), each by its own position."""
    share = positions(units, f"part:{settings.seed}").astype(np.float64) / 2.0**64
    return _part_of(share, settings)


def envelopes_of(
    hashes: np.ndarray, settings: SplitSettings, *, strata: np.ndarray | None = None, first: int = 0
) -> np.ndarray:
    """Deal test rows into envelopes number `first`, `first` + 1, ...: int16, shape (n,).

    Equal in size and, where there are strata, in their shares; rows of one hash share an envelope.
    """
    count = min(settings.envelopes, max(1, len(hashes) // MIN_ENVELOPE_ROWS))
    index, codes, _ = distinct(hashes)
    order = positions(hashes[index], f"envelope:{settings.seed}")
    ranked = np.lexsort((order, np.zeros(len(index)) if strata is None else strata[index]))
    dealt = np.empty(len(index), dtype=np.int16)
    dealt[ranked] = first + np.arange(len(index)) % count
    return dealt[codes]


def distinct(hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First row of each distinct hash, the number of each row's, and how many rows have it.

    Shapes (m,), (n,) and (m,); in order of appearance. Of 32 bits where they suffice: there may be many rows.
    """
    whole = np.int32 if len(hashes) < 2**31 else np.int64
    order = np.argsort(hashes[:, 0], kind="stable")  # by sorting: a table of hashes would need several times the room
    differs = _differ(hashes[:, 0], order)
    if not np.array_equal(differs, differs | _differ(hashes[:, 1], order)):  # two share their first half alone
        order = np.lexsort((hashes[:, 1], hashes[:, 0]))
        differs = _differ(hashes[:, 0], order) | _differ(hashes[:, 1], order)
    order = order.astype(whole)
    starts = np.flatnonzero(differs).astype(whole)
    del differs
    first = order[starts]  # of several rows the smallest, as equal ones keep their order
    sizes = np.diff(starts, append=whole(len(order)))
    del starts
    appears = np.argsort(first).astype(whole)
    number = np.empty_like(appears)
    number[appears] = np.arange(len(first), dtype=whole)
    codes = np.empty_like(order)
    codes[order] = np.repeat(number, sizes)
    return first[appears], codes, sizes[appears]


def _positions_of(hashes: np.ndarray, rows: np.ndarray, purpose: str) -> np.ndarray:
    """`positions` of some rows, a million at a time: uint64, of the shape of `rows`."""
    found = np.empty(len(rows), dtype=np.uint64)
    for start in range(0, len(rows), 1 << 20):
        found[start : start + (1 << 20)] = positions(hashes[rows[start : start + (1 << 20)]], purpose)
    return found


def _differ(values: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Which rows in an order differ from the one before, the first one too: bool, shape (n,)."""
    found = np.ones(len(order), dtype=bool)
    ordered = values[order]
    np.not_equal(ordered[1:], ordered[:-1], out=found[1:])
    return found


def as_array(hashes: np.ndarray) -> Any:
    """The same as an Arrow array of 16-byte values, which hashes fast."""
    import pyarrow as pa

    raw = np.ascontiguousarray(hashes.astype("<u8", copy=False))
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(raw), [None, pa.py_buffer(raw)])


def _cut(
    counts: np.ndarray, within: np.ndarray, order: np.ndarray, settings: SplitSettings, *, ordered: bool = False
) -> np.ndarray:
    """Cut units of `counts` rows each, sorted by `order` within each stratum, at the shares; by their middles."""
    totals = np.bincount(within, weights=counts)
    smallest = min((share for share in (settings.valid, settings.test) if share > 0), default=0.0)
    small = counts <= smallest * totals[within]
    if not ordered:  # a row so often repeated that it would fill a part by itself trains
        ranked = np.lexsort((order, small, within))
    else:
        ranked = np.lexsort((order, within))
    del order, small  # there may be many rows
    sizes, strata = counts[ranked].astype(np.float64), within[ranked]
    middles = np.cumsum(sizes)
    starts = np.flatnonzero(np.r_[True, strata[1:] != strata[:-1]])
    del strata
    before, total = np.r_[0.0, middles[starts[1:] - 1]], np.add.reduceat(sizes, starts)
    sizes /= 2
    middles -= sizes
    for start, end, first, whole in zip(starts, (*starts[1:], len(ranked)), before, total, strict=True):
        middles[start:end] -= first  # a stratum at a time, in its place
        middles[start:end] /= whole
    parts = np.empty(len(ranked), dtype=np.int8)
    parts[ranked] = _part_of(middles, settings)
    return parts


def _cut_unseen(
    units: np.ndarray,
    counts: np.ndarray,
    within: np.ndarray,
    order: np.ndarray,
    barred: np.ndarray,
    settings: SplitSettings,
) -> np.ndarray:
    """As `_cut`, with test units from those that are not barred alone; what is left trains and validates in its shares."""
    ranked = np.lexsort((order, barred, within))
    sizes, strata = counts[ranked].astype(np.float64), within[ranked]
    ends = np.cumsum(sizes)
    starts = np.flatnonzero(np.r_[True, strata[1:] != strata[:-1]])
    before = np.repeat(np.r_[0.0, ends][starts], np.diff(np.r_[starts, len(ranked)]))
    wanted = settings.test * np.bincount(within, weights=counts)[strata]
    parts = np.empty(len(ranked), dtype=np.int8)
    parts[ranked] = np.where(~barred[ranked] & (ends - sizes / 2 - before < wanted), TEST, TRAIN)
    rest = np.flatnonzero(parts != TEST)
    if len(rest):
        learning = replace(settings, valid=settings.valid / (1 - settings.test), test=0.0)
        again = positions(units[rest], f"redeal:{settings.seed}")
        parts[rest] = _cut(counts[rest], within[rest], again, learning)
    return parts


def _part_of(share: np.ndarray, settings: SplitSettings) -> np.ndarray:
    parts = np.full(len(share), TRAIN, dtype=np.int8)
    parts[share >= 1 - settings.valid - settings.test] = VALID
    parts[share >= 1 - settings.test] = TEST
    return parts
