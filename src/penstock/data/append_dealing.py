"""Where labelled traffic belongs: rows that are known stay, the others are dealt by the rule of all rows, so that some fill new envelopes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from penstock.bundle.decoder import Frame
from penstock.bundle.kinds import Kind
from penstock.data import fingerprints as prints
from penstock.data.groups import place_by_group
from penstock.data.keys import group_hashes as hashes_of_groups
from penstock.data.keys import is_protected, key_hashes_of_frame, parts_of_protected
from penstock.data.memory import UNKNOWN, RowMemory
from penstock.data.seal import opened_envelopes, stored_rows
from penstock.data.split import LEFT_OUT, PARTS, TEST, TRAIN, VALID, place
from penstock.data.split_given import place_given
from penstock.data.split_time import DealtByTime, place_by_time
from penstock.data.store import next_envelopes
from penstock.data.times import times_of_frame
from penstock.data.together import led_by_twins, together
from penstock.data.versions import DatasetVersion, tells_parts
from penstock.ledger.ledger import Ledger
from penstock.objects.store import ObjectStore


@dataclass(frozen=True)
class DealtTraffic:
    """Attributes
    ----------
    row : fingerprints of the rows by their keys (zeros without), shape (n, 2). parts, envelope, group : shape (n,).
    returned : how many are test rows that came back. by_request : as of `AppendResult`.
    """

    row: np.ndarray
    parts: np.ndarray
    envelope: np.ndarray
    group: np.ndarray
    returned: int
    by_request: int


def deal_traffic(
    ledger: Ledger,
    objects: ObjectStore,
    old: DatasetVersion,
    frame: Frame,
    y: np.ndarray,
    asked_at: np.ndarray | None,
    hashes: np.ndarray,
    content: np.ndarray,
    memory: RowMemory,
    key: bytes,
    first_new: int,
    as_of: str | None,
) -> DealtTraffic:
    """Deal labelled rows of a version's own decoder.

    Parameters
    ----------
    hashes, content : hashes and fingerprints of what they hold, uint64, shape (n, 2). memory : what the version remembers.
    first_new : number of the first envelope that no version has had. as_of : the instant at which it matters what was opened; None: now.
    """
    row = np.zeros((len(y), 2), dtype=np.uint64)
    parts = np.full(len(y), UNKNOWN, dtype=np.int8)
    place_of = np.full(len(y), -1, dtype=np.int16)
    contents, keyed = hashes, key_hashes_of_frame(frame, old.row_key)
    has = np.zeros(len(y), dtype=bool)
    if keyed is not None:
        has = np.asarray(keyed.any(axis=1))
        row[has] = prints.fingerprints(keyed[has], key)
        hashes = np.where(has[:, None], keyed, hashes)
        parts[has], place_of[has] = memory.parts_of_rows(row[has])
        rest = np.flatnonzero(has & (parts == UNKNOWN))
        if len(rest) and is_protected(old):  # of the source's rows the raw keys are remembered
            parts[rest], place_of[rest] = parts_of_protected(ledger, objects, old, keyed[rest])
    spent = opened_envelopes(ledger, old.lineage, as_of=as_of)
    envelope = np.full(len(y), -1, dtype=np.int16)
    group = np.zeros(len(y), dtype=np.uint64)
    group_hashes = _group_hashes(old, frame)
    twin, twin_place = memory.parts_of_content(content)
    led = led_by_twins(old, has)
    twin[~led], twin_place[~led] = UNKNOWN, -1
    if group_hashes is not None:
        group = prints.fingerprints(group_hashes, key)[:, 0]
        placed = place_by_group(
            parts, place_of, group, group_hashes, twin, twin_place, memory, old.split, frozenset(spent)
        )
        parts, place_of = placed.part, placed.envelope
        returned = int((parts == TEST).sum())
        envelope = np.where((parts == TEST) & ~np.isin(place_of, spent), place_of, np.int16(-1))
        parts[(parts == TEST) & np.isin(place_of, spent)] = VALID
    else:
        new = parts == UNKNOWN
        parts[new], place_of[new] = twin[new], twin_place[new]
        returned = int((parts == TEST).sum())
        parts[(parts == TEST) & np.isin(place_of, spent)] = VALID
        if old.split.gap:  # in another envelope they would be among rows of another time
            envelope = np.where(parts == TEST, place_of, np.int16(-1))
    new, by_request = np.flatnonzero(parts == UNKNOWN), 0
    if len(new):
        if keyed is not None and old.split.how != "time" and not old.twins_apart:
            hashes = hashes.copy()
            hashes[new] = together(hashes[new], contents[new])
        dealt, by_request = _place(ledger, objects, old, frame, asked_at, hashes, new)
        parts[new] = dealt.parts
        in_blocks = new[dealt.block >= 0]
        envelope[in_blocks] = first_new + dealt.block[dealt.block >= 0]
    test = np.flatnonzero((parts == TEST) & (envelope < 0))
    if len(test):
        strata = y[test] if old.target.task.is_classification else None
        units = hashes if group_hashes is None else group_hashes
        taken = max(envelope.max(initial=-1), first_new - 1)
        dealt_out = next_envelopes(ledger, units[test], strata, old.split, old, first=first_new, as_of=as_of)
        fresh = dealt_out >= first_new  # beside the blocks that were made above
        envelope[test] = np.where(fresh, dealt_out - first_new + taken + 1, dealt_out)
    return DealtTraffic(row, parts, envelope, group, returned, by_request)


def _place(
    ledger: Ledger,
    objects: ObjectStore,
    old: DatasetVersion,
    frame: Frame,
    asked_at: np.ndarray | None,
    hashes: np.ndarray,
    new: np.ndarray,
) -> tuple[DealtByTime, int]:
    """The parts of the rows `new` (and blocks of test rows), which nothing is known of; and how many are placed by when they were asked about."""
    split = old.split
    unplaced = DealtByTime(np.full(len(new), LEFT_OUT, dtype=np.int8), np.full(len(new), -1, dtype=np.int16))
    if split.given:  # who gives the parts gives traffic none
        train = np.full(len(new), TRAIN, dtype=np.int8)
        return DealtByTime(place_given(hashes[new], train, split, frozenset(split.given)), unplaced.block), 0
    if split.how == "time":
        column = split.column or ""
        times = times_of_frame(frame, column)
        if times is not None:
            times, without = times[new], times[new] == -np.inf
            if asked_at is not None and _keeps_instants(old, column):
                times = np.where(without, asked_at[new].astype(np.float64), times)
            timed = np.flatnonzero(times > -np.inf)
            gap = split.gap_of(dates=frame.kinds[column] is Kind.DATETIME)
            known, codes = _fixed(ledger, objects, old, column, all_parts=bool(gap))
            dealt = place_by_time(
                hashes[new[timed]], split, times[timed], known[codes == TRAIN].max(initial=-np.inf),
                gap=gap, fixed_times=known if gap else None, fixed_codes=codes if gap else None,
            )  # fmt: skip
            unplaced.parts[timed], unplaced.block[timed] = dealt.parts, dealt.block
            return unplaced, int(without[timed].sum())
    if split.how in ("time", "group"):
        return unplaced, 0
    return DealtByTime(place(hashes[new], split), np.full(len(new), -1, dtype=np.int16)), 0


def _keeps_instants(version: DatasetVersion, column: str) -> bool:
    """Whether the instant of a request is on the scale of a column: dates, that are not shifted as personal."""
    return any(
        spec.name == column
        and spec.kind is Kind.DATETIME
        and (spec.privacy is None or spec.privacy.parsed.name in ("month", "year"))
        for spec in version.decoder.columns
    )


def _fixed(
    ledger: Ledger, objects: ObjectStore, old: DatasetVersion, column: str, *, all_parts: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Times of the training rows of a version (of all its rows), chunk by chunk, and what has to be kept apart of them; sealed ones are looked
    at as the sealing step may."""
    times, codes = [np.zeros(0)], [np.zeros(0, dtype=np.int64)]
    for part, envelope, frame in stored_rows(ledger, objects, old, parts=PARTS if all_parts else ("train",)):
        found = times_of_frame(frame, column)
        assert found is not None  # of the same kind as that of the new rows
        times.append(found)
        codes.append(np.full(len(found), TEST + envelope if part == TEST else part, dtype=np.int64))
    return np.concatenate(times), np.concatenate(codes)


def _group_hashes(old: DatasetVersion, frame: Frame) -> np.ndarray | None:
    column = old.split.column
    if old.split.how != "group" or column is None or not tells_parts(old.decoder, old.split):
        return None
    return hashes_of_groups(prints.encoded_column(frame.columns[column], frame.kinds[column]))
