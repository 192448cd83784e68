"""Groups that a data set knows already: all rows of one share a part, also those that come later."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from penstock.data.memory import UNKNOWN, RowMemory
from penstock.data.split import LEFT_OUT, TEST, TRAIN, VALID, distinct, place
from penstock.project.split_settings import SplitSettings


@dataclass(frozen=True)
class PlacedByGroup:
    """Attributes
    ----------
    part, envelope : of all rows, int8 and int16, shape (n,); -1 of an envelope that is still to be dealt.
    moved : known rows that are left out, because they have come into a group of another part.
    alike : new rows that are left out, because they are written like a row on the other side of the seal.
    """

    part: np.ndarray
    envelope: np.ndarray
    moved: int
    alike: int


def place_by_group(
    part: np.ndarray,
    envelope: np.ndarray,
    group: np.ndarray,
    group_hashes: np.ndarray,
    twin: np.ndarray,
    twin_envelope: np.ndarray,
    memory: RowMemory,
    split: SplitSettings,
    spent: frozenset[int],
) -> PlacedByGroup:
    """Place rows by their groups, so that no group is torn and nothing that was seen is sealed.

    Parameters
    ----------
    part, envelope : of rows that are known by themselves; `UNKNOWN` and -1 of the others, shape (n,).
    group, group_hashes : fingerprints, uint64 (n,), and hashes, uint64 (n, 2), of their groups.
    twin, twin_envelope : part and envelope of a known row that decodes alike; `UNKNOWN` and -1 where there is none.
    spent : envelopes that were opened: who is in one validates from now on.
    """
    of_group, envelope_of_group = memory.parts_of_groups(group)
    opened = (of_group == TEST) & np.isin(envelope_of_group, list(spent))
    first, codes, _ = distinct(group_hashes)
    # a group that is new takes the part of a known row that has come into it, the one that is seen first
    unheard = of_group == UNKNOWN
    taken = np.full(len(first), UNKNOWN, dtype=np.int8)
    within = np.flatnonzero(unheard & (part >= 0))
    earliest = np.full(len(first), TEST + 1, dtype=np.int8)
    np.minimum.at(earliest, codes[within], part[within])
    taken[earliest <= TEST] = earliest[earliest <= TEST]
    free = taken == UNKNOWN
    taken[free] = place(group_hashes[first[free]], split)
    of_group = np.where(unheard, taken[codes], of_group)

    new = part == UNKNOWN
    known = part >= 0
    result, where = part.copy(), envelope.copy()
    settled = np.where(opened, VALID, of_group).astype(np.int8)
    result[new] = settled[new]
    sealed = new & (settled == TEST)
    where[sealed] = envelope_of_group[sealed]
    moved = known & (part != of_group) & ~(opened & (part == VALID))
    result[moved], where[moved] = LEFT_OUT, -1

    twin_sealed = (twin == TEST) & ~np.isin(twin_envelope, list(spent))
    twin_seen = (twin == TRAIN) | (twin == VALID) | ((twin == TEST) & ~twin_sealed)
    alike = new & ((twin_seen & (result == TEST)) | (twin_sealed & (result != TEST)))
    result[alike], where[alike] = LEFT_OUT, -1
    return PlacedByGroup(result, where, int(moved.sum()), int(alike.sum()))
