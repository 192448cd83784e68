"""Dealing rows by time: the oldest train, the newest test, and a gap keeps the parts apart.

A gap is for targets that look ahead ("bought within 7 days") and for features that look back: without it the last training
rows know something of the first validation rows. The rows within it are left out, on the older side.

Source: Lopez de Prado (2018), Advances in financial machine learning, chapter 7 (purging and embargo).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from penstock.data.split import GAP, MIN_ENVELOPE_ROWS, PARTS, TEST, TRAIN, VALID, deal
from penstock.errors import BadParameter
from penstock.project.split_settings import SplitSettings


@dataclass(frozen=True)
class DealtByTime:
    """Parts of rows and, with a gap, the block in time of each test row.

    Attributes
    ----------
    parts : int8, shape (n,). block : int16, shape (n,); from 0, oldest first; -1 where there is no gap, or no test row.
    """

    parts: np.ndarray
    block: np.ndarray

    @property
    def codes(self) -> np.ndarray:
        """Numbers of what has to be kept apart: parts, and blocks of the test part. Shape (n,)."""
        return codes_of(self.parts, self.block)


def codes_of(parts: np.ndarray, block: np.ndarray) -> np.ndarray:
    """The part, and for test rows the envelope (or block) too, as one number; negative for rows left out."""
    return np.where(parts == TEST, TEST + np.maximum(block, 0).astype(np.int64), parts)


def deal_by_time(
    hashes: np.ndarray, settings: SplitSettings, times: np.ndarray, gap: float, *, seen: np.ndarray | None = None
) -> DealtByTime:
    """Deal the rows of a first version.

    With a gap the envelopes are blocks in time too, so that one which was opened, and validates from then on, is as far from
    those that are still sealed.

    Parameters
    ----------
    times : float64, shape (n,), sortable. gap : in their unit.
    seen : as of `deal`.

    Raises
    ------
    BadParameter : nothing is left of a part outside of the gap.
    """
    parts = deal(hashes, settings, times=times, seen=None if gap else seen)
    block = np.full(len(times), -1, dtype=np.int16)
    if not gap:
        return DealtByTime(parts, block)
    had = set(np.unique(parts).tolist())
    parts, block = _apart(parts, times, gap, settings)
    if seen is not None:  # seen rows of the time of tests validate; what is sealed must be apart from them
        parts[seen & (parts == TEST)] = VALID
        block[parts != TEST] = -1
        _leave_out_near(parts, block, times, times[parts == VALID], gap, parts == TEST)
    lost = sorted(had - set(np.unique(parts).tolist()))
    if lost and seen is None:
        raise BadParameter(
            f"[split] gap = {settings.gap!r}",
            why=f"no {PARTS[lost[0]]} row lies outside of it: the {len(times)} rows span too short a time",
            way_out="a shorter gap, or rows of a longer time",
        )
    return DealtByTime(parts, block)


def place_by_time(
    hashes: np.ndarray,
    settings: SplitSettings,
    times: np.ndarray,
    after: float,
    *,
    gap: float = 0.0,
    fixed_times: np.ndarray | None = None,
    fixed_codes: np.ndarray | None = None,
) -> DealtByTime:
    """The parts of rows that come later. Those that are not newer than `after`, the newest training row, train; of the
    others the oldest train and the newest test. None comes nearer than the gap to a row of another part.

    Parameters
    ----------
    fixed_times, fixed_codes : of the rows that have their part already (see `codes_of`); needed with a gap.
    """
    parts = np.full(len(times), TRAIN, dtype=np.int8)
    block = np.full(len(times), -1, dtype=np.int16)
    newer = times > after
    if newer.any():
        parts[newer] = deal(hashes[newer], settings, times=times[newer])
        if gap:
            parts[newer], block[newer] = _apart(parts[newer], times[newer], gap, settings)
    if gap:
        older = ~newer & (parts == TRAIN)
        for code in (VALID, TEST):  # late rows that train, against the new rows of other parts
            _leave_out_near(parts, block, times, times[newer & (parts == code)], gap, older)
    if gap and fixed_times is not None and fixed_codes is not None:
        for code in np.unique(fixed_codes[fixed_codes >= 0]).tolist():
            others = parts != code if code < TEST else parts >= 0  # a new test row is in no old envelope
            _leave_out_near(parts, block, times, fixed_times[fixed_codes == code], gap, others & (parts >= 0))
    return DealtByTime(parts, block)


def _apart(parts: np.ndarray, times: np.ndarray, gap: float, settings: SplitSettings) -> tuple[np.ndarray, np.ndarray]:
    """Parts that follow each other in time, without the rows of the older one that are too near to the newer one."""
    parts, block = parts.copy(), np.full(len(parts), -1, dtype=np.int16)
    test = np.flatnonzero(parts == TEST)
    if len(test):
        block[test] = blocks_of(times[test], min(settings.envelopes, max(1, len(test) // MIN_ENVELOPE_ROWS)))
    codes = codes_of(parts, block)
    near = np.zeros(len(parts), dtype=bool)
    for code in np.unique(codes[codes > 0]).tolist():
        near |= (codes < code) & (times > times[codes == code].min() - gap)
    parts[near] = GAP
    block[near] = -1
    return parts, block


def blocks_of(times: np.ndarray, count: int) -> np.ndarray:
    """Blocks of rows that follow each other in time, alike in size; rows of one time share a block. int16, shape (n,)."""
    _, number, counts = np.unique(times, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts + 1) / 2
    _, block = np.unique((middle * count / len(times)).astype(np.int64), return_inverse=True)
    return block[number].astype(np.int16)


def _leave_out_near(
    parts: np.ndarray, block: np.ndarray, times: np.ndarray, others: np.ndarray, gap: float, which: np.ndarray
) -> None:
    """Leave out those of `which` that are nearer than the gap to one of the times `others`. In place."""
    if not len(others) or not which.any():
        return
    ranked = np.concatenate([[-np.inf], np.sort(others), [np.inf]])
    wanted = times[which]
    at = np.searchsorted(ranked[1:-1], wanted, side="left") + 1  # the first that is not older
    with np.errstate(invalid="ignore"):  # rows without a time are infinitely far from all that have one
        near = (ranked[at] - wanted < gap) | (wanted - ranked[at - 1] < gap)
    rows = np.flatnonzero(which)[near]
    parts[rows] = GAP
    block[rows] = -1
